"""ROS images to and from the arrays that trackers take.

Layouts and formulas are those of ``siam_tracker_core.pixels``. Pixels go through cv_bridge where it is installed and
answered a self-test correctly, with the same result. Two cases never go through cv_bridge, for it gets them wrong: rows
whose ``step`` is not a whole number of pixels, and big-endian data.
"""

from __future__ import annotations

import array
import importlib
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core.errors import ImageError
from siam_tracker_core.pixels import SUPPORTED_ENCODINGS, Contrast, PixelReader, PixelSettings, RawImage
from siam_tracker_core.pixels.encodings import ENCODINGS, Packed, layout_of
from siam_tracker_core.pixels.reader import DEFAULT, flatness

__all__ = [
    "SUPPORTED_ENCODINGS",
    "BgrImage",
    "ImageReader",
    "bgr_to_message",
    "compressed_to_bgr",
    "image_to_bgr",
    "response_to_message",
]

BgrImage = NDArray[np.uint8]

# Of one message alone nothing is known of the camera's contrast.
_ALONE = PixelSettings(contrast=Contrast("full"))
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


class ImageReader:
    """Makes pixels of the images of one topic, one after the other.

    Args:
        settings: how.
    """

    def __init__(self, settings: PixelSettings = DEFAULT) -> None:
        self._pixels = PixelReader(settings)
        self._newest = -1

    def read(self, message: Image | CompressedImage, number: int | None = None) -> BgrImage:
        """The pixels of a message, uint8 (H, W, 3) BGR.

        Args:
            message: of either kind.
            number: of the image in its topic; the contrast's limits follow only images that are newer than all before.

        Raises:
            ImageError: if the message is not an image that can be read.
        """
        learn = number is None or number > self._newest
        self._newest = max(self._newest, -1 if number is None else number)
        if isinstance(message, CompressedImage):
            return _decompressed(message, self._pixels, learn)
        return _converted(message, self._pixels, learn)

    @staticmethod
    def complaint(pixels: BgrImage) -> str:
        """A sentence if there is nothing to track in a picture, for it is flat; empty otherwise."""
        return flatness(pixels)


def image_to_bgr(message: Image) -> BgrImage:
    """The pixels of an image message.

    Args:
        message: of any encoding in ``SUPPORTED_ENCODINGS``, with any row padding.

    Returns:
        uint8 (H, W, 3) BGR; for bgr8 a view of the message's data, so neither may be changed while the other is used.
        Of wide encodings the whole range of the type is scaled to 0..255.

    Raises:
        ImageError: for an unknown encoding, an empty image, or fewer bytes than height, width and step promise.
    """
    return _converted(message, PixelReader(_ALONE))


def compressed_to_bgr(message: CompressedImage) -> BgrImage:
    """The pixels of a compressed image message, whatever format OpenCV recognises in its data.

    Returns:
        uint8 (H, W, 3) BGR, turned as the image's EXIF says.

    Raises:
        ImageError: for no data, half a JPEG, or data that cannot be decoded.
    """
    return _decompressed(message, PixelReader(_ALONE))


def bgr_to_message(image: BgrImage) -> Image:
    """An Image message of encoding bgr8 with an empty header.

    Args:
        image: uint8 (H, W, 3) BGR; copied.
    """
    return _message("bgr8", image)


def response_to_message(values: NDArray[np.float32]) -> Image:
    """An Image message of encoding 32FC1 with an empty header.

    Args:
        values: float32 (rows, cols); copied.
    """
    return _message("32FC1", values.astype(np.float32, copy=False))


def _message(encoding: str, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Image:
    message = Image()
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = pixels.nbytes // pixels.shape[0]
    # Assigning the numpy array itself would convert it element by element: 108 ms at 640x480 instead of 0.1 ms.
    message.data = array.array("B", pixels.tobytes())
    return message


def _raw(message: Image) -> RawImage:
    data = np.frombuffer(message.data, dtype=np.uint8)
    return RawImage(message.width, message.height, message.encoding, message.step, bool(message.is_bigendian), data)


def _converted(message: Image, pixels: PixelReader, learn: bool = True) -> BgrImage:
    raw = _raw(message)
    if not pixels.settings.encoding and pixels.usual_yuv and _bridge_can(raw):
        return _with_bridge(message)
    return pixels.raw(raw, learn)


def _decompressed(message: CompressedImage, pixels: PixelReader, learn: bool = True) -> BgrImage:
    data = np.frombuffer(message.data, dtype=np.uint8)
    if data.size == 0:
        raise ImageError("the compressed image is empty: it has no data")
    if data[:2].tobytes() == _JPEG_START and data.tobytes().rfind(_JPEG_END) < 0:
        # The decoder would make up the missing part, and targets would be searched in it.
        raise ImageError(f"the compressed image is truncated: its data has no JPEG end mark in {data.size} bytes")
    try:
        return pixels.file(data, learn)
    except ValueError:
        raise ImageError(
            f"the compressed image (format '{message.format}', {data.size} bytes) cannot be decoded; expected a whole "
            "JPEG or PNG file"
        ) from None


def _with_numpy(message: Image) -> BgrImage:
    return PixelReader(_ALONE).raw(_raw(message))


def _bridge_can(image: RawImage) -> bool:
    """Whether cv_bridge gives the right pixels for this message, and something is gained by asking it."""
    if image.encoding not in _BRIDGED:
        return False
    layout = layout_of(image)
    return (
        isinstance(layout, Packed)
        and image.step % layout.pixel_bytes == 0
        and not image.big_endian
        and len(image.data) == image.step * image.height
    )


def _with_bridge(message: Image) -> BgrImage:
    assert _BRIDGE is not None
    return np.asarray(_BRIDGE(message, "bgr8"), dtype=np.uint8)


def _load_bridge() -> Callable[[Image, str], object] | None:
    """cv_bridge's conversion, or None where there is none; a PyPI project of that name is for ROS 1 and breaks."""
    try:
        return importlib.import_module("cv_bridge").CvBridge().imgmsg_to_cv2  # type: ignore[no-any-return]
    except Exception:  # whatever a foreign or broken build raises, it is not to be used
        return None


def _self_test(bridge: Callable[[Image, str], object] | None) -> frozenset[str]:
    """The 8-bit encodings for which cv_bridge gives the very pixels that OpenCV gives.

    bgr8 is left out: nothing is to be converted there, and a view of the data costs nothing.
    """
    if bridge is None:
        return frozenset()
    return frozenset(
        name
        for name, layout in ENCODINGS.items()
        if isinstance(layout, Packed) and layout.code is not None and layout.type == "u1" and _agrees(bridge, name)
    )


def _agrees(bridge: Callable[[Image, str], object], name: str) -> bool:
    layout = ENCODINGS[name]
    assert isinstance(layout, Packed)
    height, width = 6, 8
    row = width * layout.pixel_bytes
    data = np.random.default_rng(0).integers(0, 256, height * row, dtype=np.uint8)
    message = Image(height=height, width=width, encoding=name, step=row, data=array.array("B", data.tobytes()))
    try:
        return bool(np.array_equal(np.asarray(bridge(message, "bgr8")), _with_numpy(message)))
    except Exception:  # the point of the test is to find out whether it works
        return False


_BRIDGE = _load_bridge()
_BRIDGED = _self_test(_BRIDGE)
