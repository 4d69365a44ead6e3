"""Where a target is, from its direction and its depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siam_tracker_core.camera.bearing import Bearing
from siam_tracker_core.camera.depth import NoDepth, TargetDepth
from siam_tracker_core.camera.lens import FloatArray


@dataclass(frozen=True)
class PointMeasurement:
    """A point in the optical frame.

    Attributes:
        point: float64 (3,), in metres.
        covariance: float64 (3, 3), in square metres.
    """

    point: FloatArray
    covariance: FloatArray


def measured_point(bearing: Bearing, depth: TargetDepth, box_noise: float = 0.1) -> PointMeasurement:
    """The point on a target's ray at its depth, with the errors of both.

    Args:
        bearing: of the target.
        depth: along the camera's axis, as depth images have it (REP 118).
        box_noise: standard deviation of the box's centre, as a share of half the box. The whole half box, which the
            bearing has, says how far the target reaches and not how wrong its centre is.

    Raises:
        NoDepth: if the target is beside or behind the camera, where a depth along its axis tells no distance.
    """
    ray = bearing.ray
    if ray[2] < 1e-3:
        raise NoDepth("the target is beside the camera, where a depth along the camera's axis tells no distance")
    point = ray * (depth.value / ray[2])
    distance = float(np.linalg.norm(point))
    # Two directions at right angles to the ray, level and upright, along which the bearing errs.
    level = np.array([ray[2], 0.0, -ray[0]]) / np.hypot(ray[0], ray[2])
    upright = np.cross(level, ray)
    cosine = float(np.hypot(ray[0], ray[2]))
    across = bearing.covariance[0, 0] * (box_noise * distance * cosine) ** 2
    up = bearing.covariance[1, 1] * (box_noise * distance) ** 2
    # An error sideways is an error on the plane of constant depth, as the ray is cut by that plane.
    flat = np.eye(3) - np.outer(ray, [0.0, 0.0, 1.0]) / ray[2]
    sideways = flat @ (across * np.outer(level, level) + up * np.outer(upright, upright)) @ flat.T
    along = np.outer(ray, ray) * (depth.deviation / ray[2]) ** 2
    return PointMeasurement(point, sideways + along)
