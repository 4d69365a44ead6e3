"""The direction to a target, and how far it reaches around that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siam_tracker_core.camera.lens import FloatArray
from siam_tracker_core.camera.model import CameraModel
from siam_tracker_core.errors import CameraError
from siam_tracker_core.geometry import Box


@dataclass(frozen=True)
class Bearing:
    """A direction in the optical frame.

    Attributes:
        azimuth: in radians, positive to the left: counter-clockwise seen from above, as a robot turns (REP 103).
        elevation: in radians, positive upwards.
        ray: float64 (3,), the unit vector.
        covariance: float64 (2, 2) of azimuth and elevation in square radians; half the box is one standard deviation.
    """

    azimuth: float
    elevation: float
    ray: FloatArray
    covariance: FloatArray


def angles_of(ray: FloatArray) -> tuple[float, float]:
    """Azimuth and elevation in radians, as ``Bearing`` has them, of a direction of any length."""
    x, y, z = (float(value) for value in ray)
    return math.atan2(-x, z), math.atan2(-y, math.hypot(x, z))


def bearing_of(camera: CameraModel, box: Box) -> Bearing:
    """The direction to the centre of a box, with half the box's angular width and height as standard deviations.

    Raises:
        CameraError: if the centre lies where the lens shows nothing.
    """
    x, y = box.centre
    points = [(x, y), (box.x, y), (box.right, y), (x, box.y), (x, box.bottom)]
    rays = camera.rays(points)
    if not np.isfinite(rays[0]).all():
        raise CameraError(f"the lens shows nothing at ({x:.0f}, {y:.0f}), where the target's centre is")
    azimuth, elevation = angles_of(rays[0])
    # An edge outside the lens's picture tells nothing; the other one does for both.
    across = _half(rays[0], rays[1], rays[2])
    down = _half(rays[0], rays[3], rays[4])
    level = max(math.cos(elevation), 1e-6)  # a degree of azimuth is narrow high above the horizon
    return Bearing(azimuth, elevation, rays[0], np.diag([(across / level) ** 2, down**2]))


def _half(centre: FloatArray, first: FloatArray, second: FloatArray) -> float:
    """The mean angle in radians from a centre to the edges beside it; as wide as can be where neither is shown."""
    angles = [
        math.atan2(float(np.linalg.norm(np.cross(centre, edge))), float(centre @ edge))
        for edge in (first, second)
        if np.isfinite(edge).all()
    ]
    return sum(angles) / len(angles) if angles else math.pi / 2
