"""A detection, from messages of two types, and why it may be no good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from siam_tracker_core import Box


@dataclass(frozen=True)
class Detection:
    """What a detector found in one image.

    Attributes:
        box: in pixels of that image.
        class_id: what it is.
        score: 0..1.
    """

    box: Box
    class_id: str
    score: float


def detections_of(message: Any) -> tuple[list[Detection], str]:
    """The detections of a vision_msgs/Detection2DArray, or of a TrackedTargetArray whose labels are classes.

    Returns:
        Those that can be used, and why others cannot; empty where all can.
    """
    of_vision = hasattr(message, "detections")
    entries = message.detections if of_vision else message.targets
    found = [_of_vision(entry) if of_vision else _of_track(entry) for entry in entries]
    faults = [fault for fault in map(_fault, found) if fault]
    return [each for each in found if not _fault(each)], faults[0] if faults else ""


def at_point(detections: Sequence[Detection], x: float, y: float, class_id: str) -> Detection | None:
    """The smallest detection that covers a point, of a class or, where that is empty, of any."""
    covering = [
        each
        for each in detections
        if class_id in ("", each.class_id) and each.box.x <= x < each.box.right and each.box.y <= y < each.box.bottom
    ]
    return min(covering, key=lambda each: each.box.area, default=None)


def best_of(detections: Sequence[Detection], class_id: str) -> Detection | None:
    """The detection of a class with the highest score."""
    return max((each for each in detections if each.class_id == class_id), key=lambda each: each.score, default=None)


def _of_vision(entry: Any) -> Detection:
    centre, box = entry.bbox.center.position, entry.bbox
    best = max((result.hypothesis for result in entry.results), key=lambda each: each.score, default=None)
    class_id, score = ("", 0.0) if best is None else (best.class_id, best.score)
    x, y = centre.x - box.size_x / 2, centre.y - box.size_y / 2
    return Detection(Box(x, y, box.size_x, box.size_y), str(class_id), float(score))


def _of_track(entry: Any) -> Detection:
    return Detection(Box(entry.x, entry.y, entry.width, entry.height), entry.label, float(entry.score))


def _fault(detection: Detection) -> str:
    box = detection.box
    numbers = "({:g}, {:g}, {:g}, {:g})".format(*box.to_array())
    if not all(map(math.isfinite, (*box.to_array(), detection.score))):
        return f"a detection's box {numbers} or score {detection.score:g} is not finite"
    if box.width < 1 or box.height < 1:
        return f"a detection's box {numbers} is empty; width and height must be at least 1 pixel"
    return ""
