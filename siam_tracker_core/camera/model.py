"""A calibrated camera: from a place in its picture to a direction, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siam_tracker_core.camera.calibration import CameraCalibration
from siam_tracker_core.camera.lens import FloatArray, Lens, RationalLens, lens_of
from siam_tracker_core.errors import CameraError


class CameraModel:
    """Directions and places of one camera.

    Directions are in the optical frame (REP 103: x to the right, y down, z forward). It is the frame of the rectified
    camera, as in ROS's ``image_geometry``; for a camera without a stereo partner both are one. Places are in pixels of
    the picture, where the top-left pixel covers 0..1 and its centre is at 0.5. Calibrations count from the centre of
    that pixel, and the half pixel between the two is taken care of here. The same goes for binning: a picture's pixel
    lies in the middle of the sensor's pixels that it is made of.

    Args:
        calibration: the camera's numbers.
        rectified: whether the picture was rectified, so that P belongs to it instead of K and the distortion.

    Raises:
        CameraError: if no direction can be told from these numbers; it says which are wrong.
    """

    def __init__(self, calibration: CameraCalibration, rectified: bool = False) -> None:
        self.calibration = calibration
        self.rectified = rectified
        if calibration.width < 1 or calibration.height < 1:
            raise CameraError(
                f"the calibration is for pictures of {calibration.width}x{calibration.height} pixels; the camera's "
                "driver must fill in width and height"
            )
        self._rotation = np.eye(3) if rectified else _rotation(calibration.rectification)
        if rectified:
            self._lens: Lens = RationalLens()
            self._matrix = _matrix(calibration.projection, 4, "projection matrix P")
        else:
            self._lens = lens_of(calibration.distortion_model, calibration.distortion)
            self._matrix = _matrix(calibration.camera_matrix, 3, "camera matrix K")
        self._inverse = np.linalg.inv(self._matrix)
        self._binning = np.array(calibration.binning, dtype=np.float64)
        self._origin = np.array(calibration.origin, dtype=np.float64)

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels of the pictures that the calibration is for."""
        return self.calibration.image_size

    def rays(self, points: ArrayLike) -> FloatArray:
        """Unit directions of places in the picture.

        Args:
            points: (N, 2) in pixels.

        Returns:
            float64 (N, 3) in the optical frame; NaN for a place that the lens shows nothing at.
        """
        sensor = np.asarray(points, dtype=np.float64).reshape(-1, 2) * self._binning + self._origin - 0.5
        places = sensor @ self._inverse[:2, :2].T + self._inverse[:2, 2]
        return self._lens.rays(places) @ self._rotation.T

    def project(self, points: ArrayLike) -> FloatArray:
        """Places in the picture of points or directions.

        Args:
            points: (N, 3) in the optical frame, of any length.

        Returns:
            float64 (N, 2) in pixels, inside the picture or not; NaN for what the lens cannot show.
        """
        rays = np.asarray(points, dtype=np.float64).reshape(-1, 3) @ self._rotation
        places = self._lens.project(rays)
        sensor = places @ self._matrix[:2, :2].T + self._matrix[:2, 2]
        return (sensor + 0.5 - self._origin) / self._binning


def _matrix(values: Sequence[float], columns: int, name: str) -> NDArray[np.float64]:
    """The left 3x3 part of a matrix given row by row, with the focal lengths checked."""
    if len(values) != 3 * columns or not np.isfinite(values).all():
        raise CameraError(f"the {name} is not {3 * columns} finite numbers; calibrate the camera")
    matrix = np.array(values, dtype=np.float64).reshape(3, columns)[:, :3].copy()
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise CameraError(
            f"the {name} has the focal lengths {matrix[0, 0]:g} and {matrix[1, 1]:g}, which must be positive: the "
            "camera is not calibrated"
        )
    matrix[1, 0], matrix[2] = 0.0, (0.0, 0.0, 1.0)
    return matrix


def _rotation(values: Sequence[float]) -> NDArray[np.float64]:
    """R, where all zero counts as none."""
    if not any(values):
        return np.eye(3)
    if len(values) == 9:
        rotation = np.array(values, dtype=np.float64).reshape(3, 3)
        if np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
            return rotation
    raise CameraError("the rectification R is not a rotation matrix of 9 numbers; calibrate the camera again")
