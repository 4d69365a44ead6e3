"""The parameters of the tracker node: what each means, what it may be, and when it may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from rclpy.node import Node

from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.networks.inference import PRECISIONS
from siam_tracker_core.pixels import SUPPORTED_ENCODINGS, Contrast, Orientation, PixelSettings
from siam_tracker_core.pixels.contrast import ContrastMode
from siam_tracker_core.pixels.yuv import Matrix, Range
from siam_tracker_core.runtimes.choosing import RUNTIMES
from siam_tracker_core.zoo import read_zoo
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros import declarations
from siam_tracker_ros.declarations import Changes, Declaration, declarations_of, parameter
from siam_tracker_ros.robot_side.parameters import RobotSettings


def known_trackers() -> tuple[str, ...]:
    """The zoo's names; none where the zoo cannot be read, which configuring will complain of."""
    try:
        return tuple(sorted(read_zoo()))
    except SiamTrackerError:
        return ()


@dataclass(frozen=True)
class Settings(RobotSettings):
    """The values of all parameters, checked, each with its declaration.

    ``python -m siam_tracker_ros.node.parameter_files`` writes config/tracker_node.yaml and docs/node_parameters.md of
    them; the arguments of launch/tracker.launch.py are made of them as well.
    """

    tracker: str = parameter(
        DEFAULT_TRACKER,
        f"Name of the tracker in the zoo, e.g. {DEFAULT_TRACKER}.",
        known=known_trackers,
        changes=Changes.WHILE_UNCONFIGURED,
    )
    weights: str = parameter(
        "",
        "Path of a .safetensors file, or of a folder that siam-tracker export made, to use instead of the zoo's "
        "weights; empty for those of the zoo.",
        changes=Changes.WHILE_UNCONFIGURED,
    )
    tracker_config: str = parameter(
        "",
        "Settings of the tracker that differ from those stored with its weights: a YAML file, or the name of one of "
        "config/trackers, e.g. siamrpn_long_term; empty for none.",
        changes=Changes.WHILE_UNCONFIGURED,
    )
    device: str = parameter(
        "auto",
        "Where the network runs: auto, cpu, cuda or cuda:N.",
        pattern=r"auto|cpu|cuda(:\d+)?",
        words="auto, cpu, cuda or cuda:N",
        changes=Changes.WHILE_UNCONFIGURED,
    )
    runtime: str = parameter(
        "auto",
        "What the network runs in; auto takes the fastest that is installed for the device.",
        choices=RUNTIMES,
        changes=Changes.WHILE_UNCONFIGURED,
    )
    precision: str = parameter(
        "auto",
        "Numbers that the network computes with: auto takes half precision where the machine is fast with it.",
        choices=PRECISIONS,
        changes=Changes.WHILE_UNCONFIGURED,
    )
    threads: int = parameter(
        0,
        "Threads that an update runs on; 0: as many as there are cores for the process, or with runtime torch one on "
        "up to two cores and on more cores what short trials while tracking show to be best.",
        range=(0, 256),
        changes=Changes.WHILE_UNCONFIGURED,
    )
    lock_memory: bool = parameter(
        False,
        "Keep all of the process's memory from being swapped out; the user's limit on locked memory must allow it.",
        changes=Changes.WHILE_UNCONFIGURED,
    )
    image_transport: str = parameter(
        "raw",
        "raw subscribes to image (sensor_msgs/Image), compressed to image/compressed (sensor_msgs/CompressedImage).",
        choices=("raw", "compressed"),
        changes=Changes.WHILE_INACTIVE,
    )
    reliability: str = parameter(
        "best_effort",
        "QoS reliability that the image subscription asks for; best_effort hears both kinds of publisher.",
        choices=("best_effort", "reliable"),
        changes=Changes.WHILE_INACTIVE,
    )
    queue_depth: int = parameter(
        1,
        "QoS depth of the image subscription. The newest image is always worked on, so more only delays.",
        range=(1, 1000),
        changes=Changes.WHILE_INACTIVE,
    )
    history_frames: int = parameter(
        60,
        "How many images are kept, as far as history_mb allows, so that a target drawn on an image of a moment ago can "
        "start there.",
        range=(1, 1000),
        changes=Changes.WHILE_INACTIVE,
    )
    history_mb: int = parameter(
        64,
        "How many megabytes the images that are kept may take together; compressed images are kept compressed.",
        range=(1, 16384),
        changes=Changes.WHILE_INACTIVE,
    )
    max_megapixels: int = parameter(
        64,
        "The most million pixels that an image may have; a larger one is refused before memory is taken for it.",
        range=(1, 1000),
        changes=Changes.WHILE_INACTIVE,
    )
    deadline: float = parameter(
        0.0,
        "Seconds from an image's receipt to its tracks after which they count as late in /diagnostics; 0: the time "
        "between two images.",
        range=(0.0, 10.0),
        changes=Changes.WHILE_INACTIVE,
    )
    state_file: str = parameter(
        "",
        "Path of a file that the targets are saved in once a second, to come back after an unclean death; empty: none.",
        changes=Changes.WHILE_INACTIVE,
    )
    state_max_age: float = parameter(
        30.0, "Seconds after which the targets in state_file are too old to come back.", range=(0.0, 86400.0)
    )
    contrast: str = parameter(
        "percentiles",
        "How pixels of more than 8 bits (mono16, 16UC1, 32FC1, ...) become 8: percentiles of the pictures, held steady "
        "over time; range, from contrast_low to contrast_high; or full, the whole range of their type.",
        choices=("percentiles", "range", "full"),
        changes=Changes.WHILE_INACTIVE,
    )
    contrast_low: float = parameter(
        Contrast.low,
        "With contrast range: the value that becomes black, in the image's own units.",
        range=(-1e9, 1e9),
        changes=Changes.WHILE_INACTIVE,
    )
    contrast_high: float = parameter(
        Contrast.high,
        "With contrast range: the value that becomes white; greater than contrast_low.",
        range=(-1e9, 1e9),
        changes=Changes.WHILE_INACTIVE,
    )
    contrast_percentile: float = parameter(
        Contrast.percentile,
        "With contrast percentiles: the percentage of pixels that become black, and the same that become white.",
        range=(0.0, 49.0),
        changes=Changes.WHILE_INACTIVE,
    )
    contrast_hold: float = parameter(
        Contrast.hold,
        "With contrast percentiles: the share of the former limits that each picture keeps; 0 follows at once.",
        range=(0.0, 0.999),
        changes=Changes.WHILE_INACTIVE,
    )
    yuv_matrix: str = parameter(
        "bt601",
        "The standard by which YUV becomes RGB: bt601, or bt709 as for most HD cameras.",
        choices=("bt601", "bt709"),
        changes=Changes.WHILE_INACTIVE,
    )
    yuv_range: str = parameter(
        "video",
        "The range of YUV: video (luma 16 to 235) or full (0 to 255, as JPEG has it).",
        choices=("video", "full"),
        changes=Changes.WHILE_INACTIVE,
    )
    image_encoding: str = parameter(
        "as_labelled",
        "Read every raw image as this encoding, e.g. yuyv, whatever its driver calls it; as_labelled believes it.",
        choices=("as_labelled", *SUPPORTED_ENCODINGS),
        changes=Changes.WHILE_INACTIVE,
    )
    image_orientation: str = parameter(
        "exif",
        "exif turns compressed images as their EXIF says, stored leaves them as they lie.",
        choices=("exif", "stored"),
        changes=Changes.WHILE_INACTIVE,
    )
    max_targets: int = parameter(16, "How many targets may be followed at once.", range=(1, 1024))
    hang_timeout: float = parameter(
        10.0,
        "Seconds that the tracking thread may be at one image before it is taken to hang and is replaced.",
        range=(0.5, 600.0),
    )
    stamp_patience: float = parameter(
        0.5, "Seconds that set_target waits for the image of its stamp when that has not come yet.", range=(0.0, 10.0)
    )
    point_size: int = parameter(
        64, "Side in pixels of the box that a point on ~/point starts a target with.", range=(2, 4096)
    )
    autostart: bool = parameter(
        True, "Configure and activate at start; false leaves that to a lifecycle manager.", changes=Changes.NEVER
    )
    diagnostics_period: float = parameter(
        1.0, "Seconds between two messages on /diagnostics.", range=(0.1, 60.0), changes=Changes.NEVER
    )
    response_map_target: int = parameter(
        0, "Id of the target whose response map is published; 0 for the one that was set first.", range=(0, 2**32 - 1)
    )
    debug_image_scale: float = parameter(
        1.0, "Size of the debug image as a share of the source image's.", range=(0.05, 1.0)
    )
    debug_image_labels: bool = parameter(True, "Write id, label, score and state above each box of the debug image.")

    @property
    def model(self) -> str:
        """What ``load_tracker`` is to load: the weights file where one is given, else the name."""
        return self.weights or self.tracker

    @property
    def pixels(self) -> PixelSettings:
        """How images become pixels.

        Raises:
            ConfigError: if values that are possible each by itself do not go together.
        """
        contrast = Contrast(
            cast(ContrastMode, self.contrast),
            self.contrast_low,
            self.contrast_high,
            self.contrast_percentile,
            self.contrast_hold,
        )
        return PixelSettings(
            contrast,
            cast(Matrix, self.yuv_matrix),
            cast(Range, self.yuv_range),
            "" if self.image_encoding == "as_labelled" else self.image_encoding,
            cast(Orientation, self.image_orientation),
        )


DECLARATIONS: dict[str, Declaration] = declarations_of(Settings)


def declare(node: Node) -> None:
    """Declare all parameters of the tracker node.

    Raises:
        ConfigError: if a value given at start is of a wrong type or out of range.
    """
    declarations.declare(node, DECLARATIONS)


def read(node: Node) -> Settings:
    """The present values of all parameters."""
    return Settings(**{name: node.get_parameter(name).value for name in DECLARATIONS})


def unknown(node: Node) -> list[str]:
    """A sentence for each value given at start that belongs to no parameter, e.g. of a misspelt key in a file."""
    return declarations.unknown(node, DECLARATIONS)


def problem(name: str, value: object) -> str:
    """Why a parameter cannot have a value, in a sentence that says what would be right; empty if it can."""
    return declarations.problem(DECLARATIONS, name, value)


def change_problem(name: str, state: str) -> str:
    """Why a parameter cannot be changed in a lifecycle state, e.g. ``"active"``; empty if it can."""
    return declarations.change_problem(DECLARATIONS, name, state)
