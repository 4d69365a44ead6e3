"""The numbers of a camera's calibration, as ``sensor_msgs/CameraInfo`` carries them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """The part of the sensor that is read out, in pixels of the whole sensor; all zero for all of it."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class CameraCalibration:
    """What a calibration says. The matrices are row by row and belong to the whole sensor without binning.

    Attributes:
        width, height: of the whole sensor, in pixels.
        distortion_model: ``plumb_bob``, ``rational_polynomial``, ``equidistant``, or empty for none.
        distortion: its coefficients, in OpenCV's order.
        camera_matrix: 3x3, of the picture as the camera takes it (K).
        rectification: 3x3 rotation from the camera to the rectified camera (R); all zero counts as none.
        projection: 3x4, of the rectified picture (P).
        binning_x, binning_y: so many sensor pixels make one of the picture; 0 counts as 1.
        region: of interest.
    """

    width: int
    height: int
    distortion_model: str
    distortion: tuple[float, ...]
    camera_matrix: tuple[float, ...]
    rectification: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    projection: tuple[float, ...] = (0.0,) * 12
    binning_x: int = 1
    binning_y: int = 1
    region: Region = Region()

    @property
    def binning(self) -> tuple[int, int]:
        """Sensor pixels to one of the picture, along x and y, at least 1."""
        return max(1, self.binning_x), max(1, self.binning_y)

    @property
    def origin(self) -> tuple[int, int]:
        """Where the picture's corner lies on the sensor, in pixels."""
        return (self.region.x, self.region.y) if self.region.width and self.region.height else (0, 0)

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the picture in its own pixels."""
        whole = self.region.width == 0 or self.region.height == 0
        width, height = (self.width, self.height) if whole else (self.region.width, self.region.height)
        across, down = self.binning
        return width // across, height // down
