"""The made world's pictures as messages."""

from __future__ import annotations

import array

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from siam_tracker_core.camera import CameraCalibration
from siam_tracker_core.simulation.rendering import Plane
from siam_tracker_ros.image_conversion import BgrImage, bgr_to_message
from siam_tracker_ros.stamps import from_nanoseconds

FRAME_ID = "camera_optical_frame"


def header_at(seconds: float) -> Header:
    """Of the camera, at a time in seconds."""
    return Header(stamp=from_nanoseconds(round(seconds * 1e9)), frame_id=FRAME_ID)


def image_message(header: Header, image: BgrImage) -> Image:
    """A picture."""
    message = bgr_to_message(image)
    message.header = header
    return message


def depth_message(header: Header, depth: Plane) -> Image:
    """Depths, float32 in metres."""
    height, width = depth.shape
    data = array.array("B", depth.astype("<f4").tobytes())
    return Image(header=header, height=height, width=width, encoding="32FC1", step=4 * width, data=data)


def camera_info_message(header: Header, calibration: CameraCalibration) -> CameraInfo:
    """A calibration."""
    return CameraInfo(
        header=header,
        width=calibration.width,
        height=calibration.height,
        distortion_model=calibration.distortion_model,
        d=list(calibration.distortion),
        k=list(calibration.camera_matrix),
        r=list(calibration.rectification),
        p=list(calibration.projection),
    )
