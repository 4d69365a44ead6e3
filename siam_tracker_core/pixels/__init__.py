"""From the bytes of images, in the encodings of ROS and of image files, to the pixels that trackers take."""

from siam_tracker_core.pixels.contrast import Contrast, Stretch
from siam_tracker_core.pixels.encodings import SUPPORTED_ENCODINGS, RawImage
from siam_tracker_core.pixels.files import Orientation, decode_file
from siam_tracker_core.pixels.reader import PixelReader, PixelSettings

__all__ = [
    "SUPPORTED_ENCODINGS",
    "Contrast",
    "Orientation",
    "PixelReader",
    "PixelSettings",
    "RawImage",
    "Stretch",
    "decode_file",
]
