"""From the camera's optical frame to the frame that is to face the target."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siam_tracker_ros.follower.control import Observation
from siam_tracker_ros.interfaces import TargetPosition
from siam_tracker_ros.track_states import STATES

FloatArray = NDArray[np.float64]

# A camera's body has x forward, y to the left and z upwards (REP 103); its optical frame x right, y down, z forward.
_BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Mount:
    """Where the optical frame is in the frame that faces the target.

    Attributes:
        rotation: float64 (3, 3), from optical directions to that frame's.
        translation: float64 (3,), of the camera, in metres.
    """

    rotation: FloatArray
    translation: FloatArray

    @classmethod
    def of_pose(cls, pose: Sequence[float]) -> Mount:
        """The mount of a camera body at ``x, y, z, roll, pitch, yaw``, in metres and radians."""
        x, y, z, roll, pitch, yaw = pose
        return cls(_about(2, yaw) @ _about(1, pitch) @ _about(0, roll) @ _BODY_FROM_OPTICAL, np.array([x, y, z]))

    @classmethod
    def of_transform(cls, translation: Sequence[float], quaternion: Sequence[float]) -> Mount:
        """The mount of an optical frame at a translation, turned by the quaternion ``x, y, z, w``."""
        x, y, z, w = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(rotation, np.asarray(translation, dtype=np.float64))

    def observation(self, seconds: float, position: TargetPosition) -> Observation:
        """What a message says of a target, in the frame that faces it.

        Args:
            seconds: when it came.
            position: with the point where that is known, else with the ray, which then counts as that frame's own.
        """
        state = STATES[position.state]
        point = np.array([position.point.x, position.point.y, position.point.z])
        if np.isfinite(point).all():
            there = self.rotation @ point + self.translation
            distance = math.hypot(there[0], there[1])
        else:
            there = self.rotation @ np.array([position.ray.x, position.ray.y, position.ray.z])
            distance = math.nan
        azimuth = math.atan2(there[1], there[0])
        elevation = math.atan2(there[2], math.hypot(there[0], there[1]))
        return Observation(seconds, state, azimuth, elevation, distance, position.reason)


Lookup = Callable[[str, str], Mount]


def _about(axis: int, angle: float) -> FloatArray:
    """The rotation about an axis of the frame, 0 to 2 for x to z."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[first, first] = rotation[second, second] = math.cos(angle)
    rotation[second, first], rotation[first, second] = math.sin(angle), -math.sin(angle)
    return rotation
