"""The parameters of the robot's side of the tracker node; all of it is off by default, except events."""

from __future__ import annotations

from dataclasses import dataclass

from siam_tracker_ros.node.declaration import Changes, Declaration

POSITIONS_OFF, POSITIONS_BEARING, POSITIONS_DEPTH = "off", "bearing", "depth"


@dataclass(frozen=True)
class RobotSettings:
    """The values of these parameters; ``ROBOT_DECLARATIONS`` says what each means."""

    positions: str
    image_rectified: str
    depth_tolerance: float
    depth_nearest: float
    depth_farthest: float
    target_frames: bool
    prediction_rate: float
    detections: str
    auto_target: str
    auto_target_score: float
    auto_target_count: int
    correct_size: bool


ROBOT_DECLARATIONS: dict[str, Declaration] = {
    "positions": Declaration(
        POSITIONS_OFF,
        "What ~/target_positions tells: off; bearing: directions, from camera_info; depth: points too, from depth.",
        choices=(POSITIONS_OFF, POSITIONS_BEARING, POSITIONS_DEPTH),
        changes=Changes.WHILE_INACTIVE,
    ),
    "image_rectified": Declaration(
        "auto",
        "Whether the images are rectified, so that camera_info's P belongs to them and not K and D; auto: where the "
        "last part of the image topic's name begins with image_rect.",
        choices=("auto", "yes", "no"),
        changes=Changes.WHILE_INACTIVE,
    ),
    "depth_tolerance": Declaration(
        0.05, "Seconds by which the stamps of an image and its depth image may differ.", range=(0.0, 1.0)
    ),
    "depth_nearest": Declaration(0.1, "Metres; a depth below this counts as not measured.", range=(0.001, 1000.0)),
    "depth_farthest": Declaration(50.0, "Metres; a depth above this counts as not measured.", range=(0.001, 10000.0)),
    "target_frames": Declaration(
        False, "Publish a frame target_<id> on /tf for each target with a position, where tf2_msgs is installed."
    ),
    "prediction_rate": Declaration(
        0.0,
        "Messages a second on ~/tracks_predicted, where each box is expected at that moment; 0 for none.",
        range=(0.0, 1000.0),
        changes=Changes.WHILE_INACTIVE,
    ),
    "detections": Declaration(
        "auto",
        "Type of the topic detections: vision_msgs (Detection2DArray), siam_tracker_msgs (TrackedTargetArray, label "
        "is the class), off; auto: vision_msgs where that is installed, else off.",
        choices=("auto", "vision_msgs", "siam_tracker_msgs", "off"),
        changes=Changes.WHILE_INACTIVE,
    ),
    "auto_target": Declaration("", "Class whose detections become targets by themselves; empty for none."),
    "auto_target_score": Declaration(
        0.5, "Least score of a detection that becomes a target by itself.", range=(0.0, 1.0)
    ),
    "auto_target_count": Declaration(
        1, "So many targets there may be before no detection becomes one by itself.", range=(1, 1024)
    ),
    "correct_size": Declaration(
        False, "Let a detection of the target's own class that overlaps a tracked target correct its box."
    ),
}
