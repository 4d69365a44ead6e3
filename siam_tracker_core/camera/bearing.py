"""The direction to a target, and how far it reaches around that."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def bearings_of(camera: CameraModel, boxes: Sequence[Box]) -> list[Bearing | None]:
    """The directions to the centres of boxes, with half the boxes' angular sizes as standard deviations.

    Returns:
        One a box; None where its centre lies where the lens shows nothing.
    """
    if not boxes:
        return []
    points = [
        point
        for box in boxes
        for x, y in [box.centre]
        for point in ((x, y), (box.x, y), (box.right, y), (x, box.y), (x, box.bottom))
    ]
    return [_bearing(rays) for rays in camera.rays(points).reshape(-1, 5, 3)]


def bearing_of(camera: CameraModel, box: Box) -> Bearing:
    """The direction to the centre of one box, as ``bearings_of`` has it.

    Raises:
        CameraError: if the centre lies where the lens shows nothing.
    """
    bearing = bearings_of(camera, [box])[0]
    if bearing is None:
        x, y = box.centre
        raise CameraError(f"the lens shows nothing at ({x:.0f}, {y:.0f}), where the target's centre is")
    return bearing


def _bearing(rays: FloatArray) -> Bearing | None:
    """From the rays to a box's centre, left, right, top and bottom."""
    if not np.isfinite(rays[0]).all():
        return None
    azimuth, elevation = angles_of(rays[0])
    # An edge outside the lens's picture tells nothing; the other one does for both.
    across, down = _half(rays[0], rays[1:3]), _half(rays[0], rays[3:5])
    level = max(math.cos(elevation), 1e-6)  # a degree of azimuth is narrow high above the horizon
    return Bearing(azimuth, elevation, rays[0], np.diag([(across / level) ** 2, down**2]))


def _half(centre: FloatArray, edges: FloatArray) -> float:
    """The mean angle in radians from a centre to the edges beside it; as wide as can be where neither is shown."""
    # Half the chord gives small angles exactly, where the cosine does not.
    chords = np.linalg.norm(edges - centre, axis=1)
    angles = 2 * np.arcsin(np.minimum(chords[np.isfinite(chords)] / 2, 1.0))
    return float(angles.mean()) if len(angles) else math.pi / 2
