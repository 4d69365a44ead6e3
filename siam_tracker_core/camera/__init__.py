"""From pixels to directions and positions: camera models, bearings, and the depth of a target. No ROS in here."""

from siam_tracker_core.camera.bearing import Bearing, bearing_of, bearings_of
from siam_tracker_core.camera.calibration import CameraCalibration, Region
from siam_tracker_core.camera.depth import DepthSettings, NoDepth, TargetDepth, target_depth
from siam_tracker_core.camera.model import CameraModel
from siam_tracker_core.camera.position import PointMeasurement, measured_point

__all__ = [
    "Bearing",
    "CameraCalibration",
    "CameraModel",
    "DepthSettings",
    "NoDepth",
    "PointMeasurement",
    "Region",
    "TargetDepth",
    "bearing_of",
    "bearings_of",
    "measured_point",
    "target_depth",
]
