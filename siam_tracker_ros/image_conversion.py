"""ROS images to and from the arrays that trackers take.

Pixels go through cv_bridge where it is installed and answered a self-test correctly, and through OpenCV directly
otherwise, with the same result. Two cases never go through cv_bridge because it gets them wrong: rows whose ``step`` is
not a whole number of pixels, and big-endian data.
"""

from __future__ import annotations

import array
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core.errors import ImageError

BgrImage = NDArray[np.uint8]


@dataclass(frozen=True)
class _Encoding:
    """How the pixels of one encoding lie in memory, and the OpenCV conversion that makes them BGR."""

    channels: int
    code: int | None = None
    wide: bool = False  # 16 bits a channel
    pairs: bool = False  # two neighbouring pixels share their colour


# OpenCV names a Bayer pattern by its second row, from the second column on; ROS by its first row.
_ENCODINGS = {
    "bgr8": _Encoding(3),
    "8UC3": _Encoding(3),
    "rgb8": _Encoding(3, cv2.COLOR_RGB2BGR),
    "bgra8": _Encoding(4, cv2.COLOR_BGRA2BGR),
    "rgba8": _Encoding(4, cv2.COLOR_RGBA2BGR),
    "mono8": _Encoding(1, cv2.COLOR_GRAY2BGR),
    "8UC1": _Encoding(1, cv2.COLOR_GRAY2BGR),
    "mono16": _Encoding(1, cv2.COLOR_GRAY2BGR, wide=True),
    "yuv422": _Encoding(2, cv2.COLOR_YUV2BGR_UYVY, pairs=True),
    "uyvy": _Encoding(2, cv2.COLOR_YUV2BGR_UYVY, pairs=True),
    "yuv422_yuy2": _Encoding(2, cv2.COLOR_YUV2BGR_YUY2, pairs=True),
    "yuyv": _Encoding(2, cv2.COLOR_YUV2BGR_YUY2, pairs=True),
    "bayer_rggb8": _Encoding(1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": _Encoding(1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": _Encoding(1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": _Encoding(1, cv2.COLOR_BayerGB2BGR),
}

SUPPORTED_ENCODINGS = tuple(_ENCODINGS)

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def image_to_bgr(message: Image) -> BgrImage:
    """The pixels of an image message.

    Args:
        message: of any encoding in ``SUPPORTED_ENCODINGS``, with any row padding.

    Returns:
        uint8 (H, W, 3) BGR; for bgr8 a view of the message's data, so neither may be changed while the other is used.
        mono16 is scaled from 0..65535 to 0..255.

    Raises:
        ImageError: for an unknown encoding, an empty image, or fewer bytes than height, width and step promise.
    """
    _check_layout(message)
    if _bridge_can(message):
        return _with_bridge(message)
    return _with_numpy(message)


def compressed_to_bgr(message: CompressedImage) -> BgrImage:
    """The pixels of a compressed image message, whatever format OpenCV recognises in its data.

    Returns:
        uint8 (H, W, 3) BGR.

    Raises:
        ImageError: for no data, half a JPEG, or data that cannot be decoded.
    """
    data = np.frombuffer(message.data, dtype=np.uint8)
    if data.size == 0:
        raise ImageError("the compressed image is empty: it has no data")
    if data[:2].tobytes() == _JPEG_START and data.tobytes().rfind(_JPEG_END) < 0:
        # The decoder would make up the missing part, and targets would be searched in it.
        raise ImageError(f"the compressed image is truncated: its data has no JPEG end mark in {data.size} bytes")
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ImageError(
            f"the compressed image (format '{message.format}', {data.size} bytes) cannot be decoded; expected a whole "
            "JPEG or PNG file"
        )
    return np.asarray(pixels, dtype=np.uint8)


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


def _pixel_bytes(encoding: _Encoding) -> int:
    return encoding.channels * (2 if encoding.wide else 1)


def _check_layout(message: Image) -> None:
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ImageError(
            f"the image's encoding '{message.encoding}' is not supported; expected one of "
            f"{', '.join(SUPPORTED_ENCODINGS)}"
        )
    size = f"{message.width}x{message.height}"
    if message.width == 0 or message.height == 0:
        raise ImageError(f"the image is empty: its size is {size}")
    if encoding.pairs and message.width % 2:
        raise ImageError(f"the {size} image of encoding {message.encoding} has an odd width; it must be even")
    row = message.width * _pixel_bytes(encoding)
    if message.step < row:
        raise ImageError(
            f"the {size} image of encoding {message.encoding} has step {message.step}; a row needs at least {row} bytes"
        )
    # The padding after the last row carries nothing, and some drivers leave it out.
    needed = message.step * (message.height - 1) + row
    if len(message.data) < needed:
        raise ImageError(
            f"the {size} image of encoding {message.encoding} is truncated: it has {len(message.data)} bytes of data; "
            f"expected {message.step * message.height}"
        )


def _with_numpy(message: Image) -> BgrImage:
    encoding = _ENCODINGS[message.encoding]
    row = message.width * _pixel_bytes(encoding)
    data = np.frombuffer(message.data, dtype=np.uint8)
    rows = np.lib.stride_tricks.as_strided(data, (message.height, row), (message.step, 1))
    if encoding.wide:
        order = ">u2" if message.is_bigendian else "<u2"
        wide = np.ascontiguousarray(rows).view(order).astype(np.uint16)
        rows = cv2.convertScaleAbs(wide, alpha=255 / 65535)
    pixels = rows.reshape(message.height, message.width, encoding.channels) if encoding.channels > 1 else rows
    if encoding.code is None:
        return np.asarray(pixels, dtype=np.uint8)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), encoding.code), dtype=np.uint8)


def _bridge_can(message: Image) -> bool:
    """Whether cv_bridge gives the right pixels for this message, and something is gained by asking it."""
    encoding = _ENCODINGS[message.encoding]
    return (
        message.encoding in _BRIDGED
        and message.step % _pixel_bytes(encoding) == 0
        and not message.is_bigendian
        and len(message.data) == message.step * message.height
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
    """The encodings for which cv_bridge gives the very pixels that OpenCV gives.

    bgr8 is left out: nothing is to be converted there, and a view of the data costs nothing.
    """
    if bridge is None:
        return frozenset()
    convertible = (name for name, encoding in _ENCODINGS.items() if encoding.code is not None)
    return frozenset(name for name in convertible if _agrees(bridge, name))


def _agrees(bridge: Callable[[Image, str], object], name: str) -> bool:
    height, width = 6, 8
    row = width * _pixel_bytes(_ENCODINGS[name])
    data = np.random.default_rng(0).integers(0, 256, height * row, dtype=np.uint8)
    message = Image(height=height, width=width, encoding=name, step=row, data=array.array("B", data.tobytes()))
    try:
        return bool(np.array_equal(np.asarray(bridge(message, "bgr8")), _with_numpy(message)))
    except Exception:  # the point of the test is to find out whether it works
        return False


_BRIDGE = _load_bridge()
_BRIDGED = _self_test(_BRIDGE)
