"""Detections of both message types, by simple classes where vision_msgs is not installed."""

from __future__ import annotations

import math
from types import SimpleNamespace

from siam_tracker_ros.detections.detection import Detection, at_point, best_of, detections_of
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray


def of_vision(x: float, y: float, width: float, height: float, *kinds: tuple[str, float]) -> SimpleNamespace:
    """A Detection2D by its centre and size, as vision_msgs 4 has it."""
    results = [SimpleNamespace(hypothesis=SimpleNamespace(class_id=kind, score=score)) for kind, score in kinds]
    centre = SimpleNamespace(position=SimpleNamespace(x=x, y=y), theta=0.0)
    return SimpleNamespace(bbox=SimpleNamespace(center=centre, size_x=width, size_y=height), results=results)


def test_both_message_types_say_the_same() -> None:
    vision = SimpleNamespace(detections=[of_vision(30, 40, 20, 10, ("cat", 0.2), ("dog", 0.75))])
    tracks = TrackedTargetArray(
        targets=[TrackedTarget(x=20.0, y=35.0, width=20.0, height=10.0, label="dog", score=0.75)]
    )
    assert detections_of(vision) == detections_of(tracks)
    found, fault = detections_of(tracks)
    assert (found[0].class_id, found[0].score, fault) == ("dog", 0.75, "")


def test_what_cannot_be_used_is_left_out_and_named() -> None:
    boxes = [of_vision(30, 40, -20, 10, ("a", 1.0)), of_vision(math.nan, 0, 5, 5), of_vision(9, 9, 4, 4, ("b", 0.5))]
    found, fault = detections_of(SimpleNamespace(detections=boxes))
    assert [each.class_id for each in found] == ["b"]
    assert fault.startswith("a detection's box (40, 35, -20, 10) is empty")


def test_the_choice_among_several() -> None:
    found, _ = detections_of(
        SimpleNamespace(
            detections=[
                of_vision(50, 50, 100, 100, ("car", 0.9)),
                of_vision(50, 50, 20, 20, ("dog", 0.4)),
                of_vision(200, 50, 20, 20, ("dog", 0.6)),
            ]
        )
    )
    smallest = at_point(found, 50, 50, "")
    assert isinstance(smallest, Detection)
    assert smallest.class_id == "dog"
    assert at_point(found, 50, 50, "car") is found[0]
    assert at_point(found, 300, 50, "") is None
    assert best_of(found, "dog") is found[2]
    assert best_of(found, "cow") is None
