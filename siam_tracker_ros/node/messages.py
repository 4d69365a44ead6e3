"""The core's results as ROS messages."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from geometry_msgs.msg import Point32, Polygon, PolygonStamped
from std_msgs.msg import Header

from siam_tracker_core import Box, TrackState
from siam_tracker_ros.interfaces import SetTarget, TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node.targets import Target
from siam_tracker_ros.track_states import NUMBERS


def import_vision_msgs() -> ModuleType | None:
    """``vision_msgs.msg``, or None where it is not installed."""
    try:
        return importlib.import_module("vision_msgs.msg")
    except ImportError:
        return None


def requested_box(request: SetTarget.Request) -> Box:
    """The box of a request, in pixels, not checked."""
    return Box(request.x, request.y, request.width, request.height)


def tracks_message(header: Header, targets: Sequence[Target]) -> TrackedTargetArray:
    """All targets in the image that the header belongs to."""
    return TrackedTargetArray(header=header, targets=[_track(header, target) for target in targets])


def _track(header: Header, target: Target) -> TrackedTarget:
    box = target.result.box
    return TrackedTarget(
        header=header,
        id=target.id,
        label=target.label,
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        score=target.result.score,
        state=NUMBERS[target.result.state],
        age=target.age,
        reason=target.result.reason if target.result.state is TrackState.LOST else "",
    )


def region_message(header: Header, box: Box) -> PolygonStamped:
    """The corners of a region of the image, in pixels, clockwise from the top-left one."""
    corners = ((box.x, box.y), (box.right, box.y), (box.right, box.bottom), (box.x, box.bottom))
    points = [Point32(x=float(x), y=float(y)) for x, y in corners]
    return PolygonStamped(header=header, polygon=Polygon(points=points))


def detections_message(header: Header, targets: Sequence[Target], vision: Any) -> Any:
    """The targets that are not lost, as a vision_msgs/Detection2DArray with the track's id as the detection's.

    Args:
        vision: the module ``vision_msgs.msg``.
    """
    found = [target for target in targets if target.result.state is not TrackState.LOST]
    return vision.Detection2DArray(header=header, detections=[_detection(header, target, vision) for target in found])


def _detection(header: Header, target: Target, vision: Any) -> Any:
    box = target.result.box
    detection = vision.Detection2D(header=header, id=str(target.id))
    detection.bbox.center.position.x, detection.bbox.center.position.y = box.centre
    detection.bbox.size_x, detection.bbox.size_y = float(box.width), float(box.height)
    hypothesis = vision.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = target.label
    hypothesis.hypothesis.score = float(target.result.score)
    detection.results.append(hypothesis)
    return detection
