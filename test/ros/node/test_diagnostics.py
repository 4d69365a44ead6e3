"""What /diagnostics says of a target, made without a running node."""

from __future__ import annotations

from builtin_interfaces.msg import Time

from siam_tracker_core import Box, TrackResult, TrackState
from siam_tracker_ros.node.diagnostics import Condition, diagnostics_message
from siam_tracker_ros.node.statistics import Statistics
from siam_tracker_ros.node.targets import Target


def test_what_a_tracker_learns_is_told() -> None:
    said = "not learned: 1 other peak is above 0.8 of the highest, and the matching score 0.31 is not above 0.8 of 0.97"
    box = Box(1, 2, 30, 40)
    targets = [
        Target(1, "cat", TrackResult(box, 0.9, TrackState.TRACKING, learning=said), seen=3, age=3),
        Target(2, "", TrackResult(box, 0.4, TrackState.UNCERTAIN, reason="score 0.40 is below 0.5"), seen=3, age=3),
    ]
    message = diagnostics_message(Condition("/siam_tracker", "active", targets=targets), Time())
    values = {value.key: value.value for value in message.status[0].values}
    assert values["target 1"] == f"'cat', tracking, score 0.90, age 3, {said}"
    assert values["target 2"] == "uncertain, score 0.40, age 3, score 0.40 is below 0.5"


def test_skipped_images_are_told() -> None:
    """Of a tracker that is slower than the camera: how many images newer ones overtook, in words and as a value."""
    statistics = Statistics()
    said = []
    for overtook in (False, False, True, True, True):
        statistics.image_received(overtook)
        condition = Condition("/siam_tracker", "active", figures=statistics.snapshot())
        status = diagnostics_message(condition, Time()).status[0]
        said.append((status.message, {value.key: value.value for value in status.values}["images_dropped"]))
    assert said[1] == ("0 targets at 0.0 images a second", "0")
    assert said[4] == ("0 targets at 0.0 images a second, 3 of 5 images skipped for newer ones", "3")
