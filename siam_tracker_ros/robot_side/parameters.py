"""The parameters of the robot's side of the tracker node; all of it is off by default, except events."""

from __future__ import annotations

from dataclasses import dataclass

from siam_tracker_ros.declarations import Changes, parameter

POSITIONS_OFF, POSITIONS_BEARING, POSITIONS_DEPTH = "off", "bearing", "depth"


@dataclass(frozen=True)
class RobotSettings:
    """The values of these parameters, each with its declaration."""

    positions: str = parameter(
        POSITIONS_OFF,
        "What ~/target_positions tells: off; bearing: directions, from camera_info; depth: points too, from depth.",
        choices=(POSITIONS_OFF, POSITIONS_BEARING, POSITIONS_DEPTH),
        changes=Changes.WHILE_INACTIVE,
    )
    image_rectified: str = parameter(
        "auto",
        "Whether the images are rectified, so that camera_info's P belongs to them and not K and D; auto: where the "
        "last part of the image topic's name begins with image_rect.",
        choices=("auto", "yes", "no"),
        changes=Changes.WHILE_INACTIVE,
    )
    depth_tolerance: float = parameter(
        0.05, "Seconds by which the stamps of an image and its depth image may differ.", range=(0.0, 1.0)
    )
    depth_nearest: float = parameter(0.1, "Metres; a depth below this counts as not measured.", range=(0.001, 1000.0))
    depth_farthest: float = parameter(
        50.0, "Metres; a depth above this counts as not measured.", range=(0.001, 10000.0)
    )
    target_frames: bool = parameter(
        False, "Publish a frame target_<id> on /tf for each target with a position, where tf2_msgs is installed."
    )
    prediction_rate: float = parameter(
        0.0,
        "Messages a second on ~/tracks_predicted, where each box is expected at that moment; 0 for none.",
        range=(0.0, 1000.0),
        changes=Changes.WHILE_INACTIVE,
    )
    detections: str = parameter(
        "auto",
        "Type of the topic detections: vision_msgs (Detection2DArray), siam_tracker_msgs (TrackedTargetArray, label "
        "is the class), off; auto: vision_msgs where that is installed, else off.",
        choices=("auto", "vision_msgs", "siam_tracker_msgs", "off"),
        changes=Changes.WHILE_INACTIVE,
    )
    auto_target: str = parameter("", "Class whose detections become targets by themselves; empty for none.")
    auto_target_score: float = parameter(
        0.5, "Least score of a detection that becomes a target by itself.", range=(0.0, 1.0)
    )
    auto_target_count: int = parameter(
        1, "So many targets there may be before no detection becomes one by itself.", range=(1, 1024)
    )
    correct_size: bool = parameter(
        False, "Let a detection of the target's own class that overlaps a tracked target correct its box."
    )
