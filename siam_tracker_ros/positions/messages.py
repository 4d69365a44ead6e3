"""Directions and positions as messages: the project's own, markers for RViz, and frames."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, TransformStamped, Vector3
from std_msgs.msg import Header

from siam_tracker_core.camera.lens import FloatArray
from siam_tracker_ros.interfaces import TargetPosition, TargetPositionArray
from siam_tracker_ros.positions.locating import Located
from siam_tracker_ros.track_states import NUMBERS

_NAN = math.nan
_UNKNOWN = np.full(9, _NAN)
_COLOUR = (0.1, 0.8, 0.2, 0.8)
_MARKER_SECONDS = 0.5  # a marker that is not renewed goes away


def import_messages(package: str) -> ModuleType | None:
    """The messages of a package that may not be installed, or None."""
    try:
        return importlib.import_module(f"{package}.msg")
    except ImportError:
        return None


def positions_message(header: Header, located: Sequence[Located]) -> TargetPositionArray:
    """All targets in one image."""
    return TargetPositionArray(header=header, positions=[_position(each) for each in located])


def _position(located: Located) -> TargetPosition:
    target, bearing, motion = located.target, located.bearing, located.motion
    message = TargetPosition(
        id=target.id,
        label=target.label,
        state=NUMBERS[target.state],
        score=target.score,
        azimuth=_NAN,
        elevation=_NAN,
        bearing_covariance=_UNKNOWN[:4],
        ray=_vector(_UNKNOWN),
        distance=_NAN,
        point=_point(_UNKNOWN),
        point_covariance=_UNKNOWN,
        velocity=_vector(_UNKNOWN),
        velocity_covariance=_UNKNOWN,
        reason=located.reason,
    )
    if bearing is not None:
        message.azimuth, message.elevation = bearing.azimuth, bearing.elevation
        message.bearing_covariance = bearing.covariance.ravel()
        message.ray = _vector(bearing.ray)
    if motion is not None:
        message.point, message.velocity = _point(motion.position), _vector(motion.velocity)
        message.distance = float(np.linalg.norm(motion.position))
        message.point_covariance = motion.position_covariance.ravel()
        message.velocity_covariance = motion.velocity_covariance.ravel()
    return message


def markers_message(header: Header, located: Sequence[Located], markers: Any) -> Any:
    """A sphere for each point and an arrow for each direction without one, for RViz.

    Args:
        markers: the module ``visualization_msgs.msg``.
    """
    made = [_marker(header, each, markers) for each in located if each.bearing is not None]
    return markers.MarkerArray(markers=made)


def _marker(header: Header, located: Located, markers: Any) -> Any:
    assert located.bearing is not None
    marker = markers.Marker(header=header, ns="targets", id=located.target.id, action=markers.Marker.ADD)
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = _COLOUR
    marker.lifetime.nanosec = int(_MARKER_SECONDS * 1e9)
    if located.motion is None:
        marker.type = markers.Marker.ARROW
        marker.points = [Point(), _point(located.bearing.ray)]
        marker.scale.x, marker.scale.y = 0.02, 0.05  # of the shaft and the head, metres
        return marker
    marker.type = markers.Marker.SPHERE
    marker.pose.position = _point(located.motion.position)
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = 0.2
    return marker


def transforms_of(header: Header, located: Sequence[Located]) -> list[TransformStamped]:
    """A frame ``target_<id>`` at each point, turned like the camera's."""
    return [_transform(header, each.target.id, each.motion.position) for each in located if each.motion is not None]


def _transform(header: Header, id: int, point: FloatArray) -> TransformStamped:
    transform = TransformStamped(header=header, child_frame_id=f"target_{id}")
    transform.transform.translation = _vector(point)
    transform.transform.rotation.w = 1.0
    return transform


def _point(values: FloatArray) -> Point:
    return Point(x=float(values[0]), y=float(values[1]), z=float(values[2]))


def _vector(values: FloatArray) -> Vector3:
    return Vector3(x=float(values[0]), y=float(values[1]), z=float(values[2]))
