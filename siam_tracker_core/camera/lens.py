"""Lens models: from a direction to the place where the lens shows it on a plane at distance 1, and back.

The places are normalised image coordinates, before the camera matrix: ``x`` to the right, ``y`` down, no unit. All
functions work on many points at once. A place that no direction is shown at comes back as NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import CameraError

FloatArray = NDArray[np.float64]

_STEPS = 30
_TOLERANCE = 1e-12  # in normalised coordinates: a millionth of a millionth of the focal length


class Lens(Protocol):
    """What a camera model needs of its lens."""

    def project(self, rays: FloatArray) -> FloatArray:
        """Places (N, 2) of directions (N, 3) of any length; NaN for a direction that the lens does not show."""

    def rays(self, places: FloatArray) -> FloatArray:
        """Unit directions (N, 3) of places (N, 2); NaN for a place that shows no direction."""


@dataclass(frozen=True)
class RationalLens:
    """Brown and Conrady's model with a rational radial term, as OpenCV's ``calib3d`` defines it.

    ROS calls it ``plumb_bob`` with five coefficients and ``rational_polynomial`` with eight (REP 103's sensor_msgs).

    Attributes:
        numerator: ``k1, k2, k3`` of the radial term.
        denominator: ``k4, k5, k6`` of the radial term.
        tangential: ``p1, p2``.
    """

    numerator: tuple[float, float, float] = (0.0, 0.0, 0.0)
    denominator: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)

    def project(self, rays: FloatArray) -> FloatArray:
        """See ``Lens``; only what lies before the camera is shown."""
        depth = np.where(rays[:, 2] > 0, rays[:, 2], np.nan)
        return self._distort(rays[:, :2] / depth[:, None])[0]

    def rays(self, places: FloatArray) -> FloatArray:
        """See ``Lens``; by Newton's method on both coordinates."""
        points = places.copy()
        for _ in range(_STEPS):
            distorted, (a, b, c) = self._distort(points)
            error = distorted - places
            determinant = a * c - b * b
            step = np.stack((c * error[:, 0] - b * error[:, 1], a * error[:, 1] - b * error[:, 0]), axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                points = points - step / determinant[:, None]
            if not (np.abs(error) > _TOLERANCE).any():
                break
        distorted, (a, b, c) = self._distort(points)
        # Where the picture folds back on itself, the determinant is not positive: no lens shows that place.
        found = (np.abs(distorted - places).max(axis=1) < 1e-9) & (a * c - b * b > 0) & (a + c > 0)
        return _unit(np.where(found[:, None], points, np.nan))

    def _distort(self, points: FloatArray) -> tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray]]:
        """Distorted points and the three different numbers of the symmetric Jacobian: dx/dx, dx/dy, dy/dy."""
        x, y = points[:, 0], points[:, 1]
        with np.errstate(all="ignore"):
            square = x * x + y * y
            above, above_slope = _polynomial(self.numerator, square)
            below, below_slope = _polynomial(self.denominator, square)
            radial = above / below
            slope = (above_slope - radial * below_slope) / below  # with respect to the squared radius
            p1, p2 = self.tangential
            distorted = np.stack(
                (
                    x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
                    y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
                ),
                axis=1,
            )
            along_x = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
            across = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
            along_y = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
        return distorted, (along_x, across, along_y)


@dataclass(frozen=True)
class EquidistantLens:
    """Kannala and Brandt's fisheye model (2006, equation 6), as OpenCV's ``fisheye`` defines it.

    Attributes:
        coefficients: ``k1`` to ``k4``: the angle ``t`` from the axis is shown at the radius
            ``t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8)``.
    """

    coefficients: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def project(self, rays: FloatArray) -> FloatArray:
        """See ``Lens``; directions beside and behind the camera are shown too."""
        sideways = np.hypot(rays[:, 0], rays[:, 1])
        radius, slope = self._radius(np.arctan2(sideways, rays[:, 2]))
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(sideways > 0, radius / sideways, 0.0)
        places = rays[:, :2] * scale[:, None]
        return np.where((slope > 0)[:, None], places, np.nan)

    def rays(self, places: FloatArray) -> FloatArray:
        """See ``Lens``; by Newton's method on the angle."""
        radius = np.hypot(places[:, 0], places[:, 1])
        angle = np.minimum(radius, np.pi)
        for _ in range(_STEPS):
            shown, slope = self._radius(angle)
            error = shown - radius
            with np.errstate(divide="ignore", invalid="ignore"):
                angle = np.clip(angle - error / slope, 0.0, np.pi)
            if not (np.abs(error) > _TOLERANCE).any():
                break
        shown, slope = self._radius(angle)
        found = (np.abs(shown - radius) < 1e-9) & (slope > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            sideways = np.where(radius > 0, np.sin(angle) / radius, 1.0)
        rays = np.column_stack((places * sideways[:, None], np.cos(angle)))
        return np.where(found[:, None], rays, np.nan)

    def _radius(self, angle: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The radius at which an angle is shown, and its derivative."""
        k1, k2, k3, k4 = self.coefficients
        square = angle * angle
        factor = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
        slope = 1 + square * (3 * k1 + square * (5 * k2 + square * (7 * k3 + square * 9 * k4)))
        return angle * factor, slope


def lens_of(model: str, coefficients: Sequence[float]) -> Lens:
    """The lens of a distortion model by its name in ``sensor_msgs/CameraInfo``.

    Raises:
        CameraError: for a model that is not known, a wrong number of coefficients, or one that is not finite.
    """
    given = tuple(float(value) for value in coefficients)
    if not all(np.isfinite(given)):
        raise CameraError(f"the distortion coefficients {list(given)} are not all finite; calibrate the camera again")
    if not any(given) and model != "equidistant":  # cameras without distortion leave the name and the numbers out
        return RationalLens()
    if model == "plumb_bob" and len(given) in (4, 5):
        k1, k2, p1, p2, k3 = (*given, 0.0)[:5]
        return RationalLens((k1, k2, k3), tangential=(p1, p2))
    if model == "rational_polynomial" and len(given) == 8:
        k1, k2, p1, p2, k3, k4, k5, k6 = given
        return RationalLens((k1, k2, k3), (k4, k5, k6), (p1, p2))
    if model == "equidistant" and len(given) in (0, 4):
        k1, k2, k3, k4 = given or (0.0, 0.0, 0.0, 0.0)
        return EquidistantLens((k1, k2, k3, k4))
    raise CameraError(
        f"the distortion model '{model}' with {len(given)} coefficients is not known; expected plumb_bob with 5, "
        "rational_polynomial with 8 or equidistant with 4"
    )


def _polynomial(coefficients: tuple[float, float, float], s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``1 + a s + b s^2 + c s^3`` and its derivative."""
    a, b, c = coefficients
    return 1 + s * (a + s * (b + s * c)), a + s * (2 * b + s * 3 * c)


def _unit(points: FloatArray) -> FloatArray:
    """Unit directions (N, 3) through points (N, 2) of the plane at distance 1."""
    rays = np.column_stack((points, np.ones(len(points))))
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True), dtype=np.float64)
