"""The node's parameters: what each means, what it may be, and when it may change."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from siam_tracker_core.errors import ConfigError, SiamTrackerError
from siam_tracker_core.runtimes.choosing import RUNTIMES
from siam_tracker_core.zoo import read_zoo
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class Changes(enum.Enum):
    """When a parameter may be changed."""

    ANY_TIME = "any time"
    WHILE_INACTIVE = "takes effect on activation"
    WHILE_UNCONFIGURED = "takes effect on configuration"
    NEVER = "read-only"


@dataclass(frozen=True)
class Declaration:
    """One parameter.

    Attributes:
        default: also gives its type.
        description: for `ros2 param describe`.
        range: lowest and highest value of a number.
        choices: the values a string may have.
        changes: when it may be changed.
    """

    default: str | int | float | bool
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    changes: Changes = Changes.ANY_TIME


@dataclass(frozen=True)
class Settings:
    """The values of all parameters, checked; ``DECLARATIONS`` says what each means."""

    tracker: str
    weights: str
    device: str
    runtime: str
    threads: int
    image_transport: str
    reliability: str
    queue_depth: int
    history_frames: int
    max_targets: int
    stamp_patience: float
    autostart: bool
    diagnostics_period: float
    response_map_target: int
    debug_image_scale: float
    debug_image_labels: bool

    @property
    def model(self) -> str:
        """What ``load_tracker`` is to load: the weights file where one is given, else the name."""
        return self.weights or self.tracker


DECLARATIONS: dict[str, Declaration] = {
    "tracker": Declaration(
        DEFAULT_TRACKER, f"Name of the tracker in the zoo, e.g. {DEFAULT_TRACKER}.", changes=Changes.WHILE_UNCONFIGURED
    ),
    "weights": Declaration(
        "",
        "Path of a .safetensors file, or of a folder that siam-tracker export made, to use instead of the zoo's "
        "weights; empty for those of the zoo.",
        changes=Changes.WHILE_UNCONFIGURED,
    ),
    "device": Declaration(
        "auto", "Where the network runs: auto, cpu, cuda or cuda:N.", changes=Changes.WHILE_UNCONFIGURED
    ),
    "runtime": Declaration(
        "auto",
        "What the network runs in; auto takes the fastest that is installed for the device.",
        choices=RUNTIMES,
        changes=Changes.WHILE_UNCONFIGURED,
    ),
    "threads": Declaration(
        0,
        "Threads for the network on a CPU; 0 takes all cores that the node may use.",
        range=(0, 1024),
        changes=Changes.WHILE_UNCONFIGURED,
    ),
    "image_transport": Declaration(
        "raw",
        "raw subscribes to image (sensor_msgs/Image), compressed to image/compressed (sensor_msgs/CompressedImage).",
        choices=("raw", "compressed"),
        changes=Changes.WHILE_INACTIVE,
    ),
    "reliability": Declaration(
        "best_effort",
        "QoS reliability that the image subscription asks for; best_effort hears both kinds of publisher.",
        choices=("best_effort", "reliable"),
        changes=Changes.WHILE_INACTIVE,
    ),
    "queue_depth": Declaration(
        1,
        "QoS depth of the image subscription. The newest image is always worked on, so more only delays.",
        range=(1, 1000),
        changes=Changes.WHILE_INACTIVE,
    ),
    "history_frames": Declaration(
        60,
        "How many images are kept, so that a target drawn on an image of a moment ago can start there; each takes its "
        "own size in memory.",
        range=(1, 1000),
        changes=Changes.WHILE_INACTIVE,
    ),
    "max_targets": Declaration(16, "How many targets may be followed at once.", range=(1, 1024)),
    "stamp_patience": Declaration(
        0.5, "Seconds that set_target waits for the image of its stamp when that has not come yet.", range=(0.0, 10.0)
    ),
    "autostart": Declaration(
        True, "Configure and activate at start; false leaves that to a lifecycle manager.", changes=Changes.NEVER
    ),
    "diagnostics_period": Declaration(
        1.0, "Seconds between two messages on /diagnostics.", range=(0.1, 60.0), changes=Changes.NEVER
    ),
    "response_map_target": Declaration(
        0, "Id of the target whose response map is published; 0 for the one that was set first.", range=(0, 2**32 - 1)
    ),
    "debug_image_scale": Declaration(
        1.0, "Size of the debug image as a share of the source image's.", range=(0.05, 1.0)
    ),
    "debug_image_labels": Declaration(True, "Write id, label, score and state above each box of the debug image."),
}


def declare(node: Node) -> None:
    """Declare all parameters of the tracker node.

    Raises:
        ConfigError: if a value given at start is of a wrong type, out of range or unknown.
    """
    for name, declaration in DECLARATIONS.items():
        try:
            node.declare_parameter(name, declaration.default, _descriptor(name, declaration))
        except ParameterException as error:
            # The exceptions of rclpy name neither the value nor what would be right in one form.
            given = getattr(node, "_parameter_overrides", {}).get(name)
            value = "what was given" if given is None else repr(given.value)
            raise ConfigError(f"the parameter {name} cannot be {value}; expected {expected(name)}") from error
        reason = problem(name, node.get_parameter(name).value)
        if reason:
            raise ConfigError(reason)


def read(node: Node) -> Settings:
    """The present values of all parameters."""
    return Settings(**{name: node.get_parameter(name).value for name in DECLARATIONS})


def problem(name: str, value: Any) -> str:
    """Why a parameter cannot have a value, in a sentence that says what would be right; empty if it can."""
    declaration = DECLARATIONS.get(name)
    if declaration is None:  # one of rclpy's own, such as use_sim_time
        return ""
    fits = type(value) is type(declaration.default) and _in_domain(name, declaration, value)
    return "" if fits else f"the parameter {name} cannot be {value!r}; expected {expected(name)}"


def expected(name: str) -> str:
    """What a parameter may be, in words."""
    declaration = DECLARATIONS[name]
    if declaration.choices:
        return " or ".join(declaration.choices)
    if declaration.range is not None:
        kind = "a whole number" if isinstance(declaration.default, int) else "a number with a decimal point"
        return f"{kind} from {declaration.range[0]:.12g} to {declaration.range[1]:.12g}"
    if name == "device":
        return "auto, cpu, cuda or cuda:N"
    if name == "tracker":
        return " or ".join(_known_trackers()) or "the name of a tracker"
    return {str: "a string", bool: "true or false"}[type(declaration.default)]


def change_problem(name: str, state: str) -> str:
    """Why a parameter cannot be changed in a lifecycle state, or empty if it can.

    Args:
        state: the label of the node's state, e.g. ``"active"``.
    """
    declaration = DECLARATIONS.get(name)
    if declaration is None or declaration.changes is Changes.ANY_TIME:
        return ""
    if declaration.changes is Changes.WHILE_INACTIVE and state == "active":
        return f"the parameter {name} cannot change while the node is active; deactivate it first"
    if declaration.changes is Changes.WHILE_UNCONFIGURED and state != "unconfigured":
        return f"the parameter {name} cannot change while the node is {state}; clean it up first, then configure again"
    return ""


def _in_domain(name: str, declaration: Declaration, value: Any) -> bool:
    if declaration.choices:
        return value in declaration.choices
    if declaration.range is not None:
        return declaration.range[0] <= value <= declaration.range[1]
    if name == "device":
        return _DEVICE.fullmatch(value) is not None
    if name == "tracker":
        known = _known_trackers()
        return value in known if known else bool(value)
    return True


def _known_trackers() -> list[str]:
    """The zoo's names; none where the zoo cannot be read, which configuring will complain of."""
    try:
        return sorted(read_zoo())
    except SiamTrackerError:
        return []


def _descriptor(name: str, declaration: Declaration) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=declaration.description,
        additional_constraints=f"Expected {expected(name)}; may change: {declaration.changes.value}.",
        read_only=declaration.changes is Changes.NEVER,
    )
    if declaration.range is not None:
        low, high = declaration.range
        if isinstance(declaration.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return descriptor
