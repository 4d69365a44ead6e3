"""The encodings of ``sensor_msgs/Image``: how their bytes lie in memory.

Names and layouts are those of ROS 2's ``sensor_msgs/image_encodings.hpp``, and beside them the names that drivers use
for V4L2's formats (nv12, nv16, yuv420 and the like).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ImageError
from siam_tracker_core.pixels.yuv import Planes

Bytes = NDArray[np.uint8]


class RawImage(NamedTuple):
    """An image as a message carries it.

    Attributes:
        width, height: in pixels.
        encoding: by its name in ROS.
        step: bytes from one row to the next.
        big_endian: whether wide pixels have their high byte first.
        data: uint8 (n,).
    """

    width: int
    height: int
    encoding: str
    step: int
    big_endian: bool
    data: Bytes


@dataclass(frozen=True)
class Packed:
    """Pixels one after the other.

    Attributes:
        channels: of a pixel.
        code: OpenCV's conversion to BGR; None where there is nothing to convert.
        type: of a channel.
        pairs: two neighbouring pixels share their colour, so the width is even.
    """

    channels: int
    code: int | None = None
    type: Literal["u1", "u2", "f4"] = "u1"
    pairs: bool = False

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel."""
        return self.channels * int(self.type[1])


@dataclass(frozen=True)
class Planar:
    """Luma, and after it the colour differences in one plane together or in two.

    Attributes:
        halves_width, halves_height: the colour differences have half as many columns, rows.
        interleaved: U and V lie in one plane, in turn.
        v_first: V comes before U.
    """

    halves_width: bool = True
    halves_height: bool = True
    interleaved: bool = True
    v_first: bool = False


_UYVY = Packed(2, cv2.COLOR_YUV2BGR_UYVY, pairs=True)
_YUYV = Packed(2, cv2.COLOR_YUV2BGR_YUY2, pairs=True)
# OpenCV names a Bayer pattern by its second row, from the second column on; ROS by its first row.
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2BGR,
    "bggr": cv2.COLOR_BayerRG2BGR,
    "gbrg": cv2.COLOR_BayerGR2BGR,
    "grbg": cv2.COLOR_BayerGB2BGR,
}

ENCODINGS: dict[str, Packed | Planar] = {
    "bgr8": Packed(3),
    "8UC3": Packed(3),
    "rgb8": Packed(3, cv2.COLOR_RGB2BGR),
    "bgra8": Packed(4, cv2.COLOR_BGRA2BGR),
    "8UC4": Packed(4, cv2.COLOR_BGRA2BGR),
    "rgba8": Packed(4, cv2.COLOR_RGBA2BGR),
    "mono8": Packed(1, cv2.COLOR_GRAY2BGR),
    "8UC1": Packed(1, cv2.COLOR_GRAY2BGR),
    "bgr16": Packed(3, type="u2"),
    "16UC3": Packed(3, type="u2"),
    "rgb16": Packed(3, cv2.COLOR_RGB2BGR, "u2"),
    "bgra16": Packed(4, cv2.COLOR_BGRA2BGR, "u2"),
    "16UC4": Packed(4, cv2.COLOR_BGRA2BGR, "u2"),
    "rgba16": Packed(4, cv2.COLOR_RGBA2BGR, "u2"),
    "mono16": Packed(1, cv2.COLOR_GRAY2BGR, "u2"),
    "16UC1": Packed(1, cv2.COLOR_GRAY2BGR, "u2"),
    "32FC1": Packed(1, cv2.COLOR_GRAY2BGR, "f4"),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": Planar(),
    "nv21": Planar(v_first=True),
    "nv16": Planar(halves_height=False),
    "nv61": Planar(halves_height=False, v_first=True),
    "nv24": Planar(halves_width=False, halves_height=False),
    "yuv420": Planar(interleaved=False),
    "i420": Planar(interleaved=False),
    "yv12": Planar(interleaved=False, v_first=True),
    **{f"bayer_{pattern}8": Packed(1, code) for pattern, code in _BAYER.items()},
    **{f"bayer_{pattern}16": Packed(1, code, "u2") for pattern, code in _BAYER.items()},
}

SUPPORTED_ENCODINGS = tuple(ENCODINGS)


def layout_of(image: RawImage) -> Packed | Planar:
    """How the image lies in memory, once it is sure that its data are all there.

    Raises:
        ImageError: for an unknown encoding, an empty image, or fewer bytes than height, width and step promise.
    """
    layout = ENCODINGS.get(image.encoding)
    if layout is None:
        raise ImageError(
            f"the image's encoding '{image.encoding}' is not supported; expected one of "
            f"{', '.join(SUPPORTED_ENCODINGS)}"
        )
    size = f"{image.width}x{image.height}"
    if image.width == 0 or image.height == 0:
        raise ImageError(f"the image is empty: its size is {size}")
    _check_even(image, layout)
    row = image.width * (layout.pixel_bytes if isinstance(layout, Packed) else 1)
    if image.step < row:
        raise ImageError(
            f"the {size} image of encoding {image.encoding} has step {image.step}; a row needs at least {row} bytes"
        )
    needed, whole = _lengths(image, layout)
    if len(image.data) < needed:
        raise ImageError(
            f"the {size} image of encoding {image.encoding} is truncated: it has {len(image.data)} bytes of data; "
            f"expected {whole}"
        )
    return layout


def packed_pixels(image: RawImage, layout: Packed) -> NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]:
    """The channels as they lie: (H, W) for one channel, (H, W, channels) for more; a view where that is possible."""
    row = image.width * layout.pixel_bytes
    rows = np.lib.stride_tricks.as_strided(image.data, (image.height, row), (image.step, 1))
    shape = (image.height, image.width, layout.channels) if layout.channels > 1 else (image.height, image.width)
    if layout.type == "u1":
        return rows.reshape(shape)
    order = ">" if image.big_endian else "<"
    native = np.uint16 if layout.type == "u2" else np.float32
    wide = np.ascontiguousarray(rows).view(f"{order}{layout.type}")
    return np.asarray(wide.astype(native).reshape(shape), dtype=native)  # type: ignore[return-value]


def planes(image: RawImage, layout: Planar) -> Planes:
    """The planes of an image whose layout has been checked; views of its data."""
    width, height, step = image.width, image.height, image.step
    columns, rows = _colour_size(image, layout)
    start = step * height

    def view(first: int, stride: int, between: int) -> Bytes:
        return np.lib.stride_tricks.as_strided(image.data[first:], (rows, columns), (stride, between))

    y = np.lib.stride_tricks.as_strided(image.data, (height, width), (step, 1))
    if layout.interleaved:
        stride = step if layout.halves_width else 2 * step
        first, second = view(start, stride, 2), view(start + 1, stride, 2)
    else:
        first, second = view(start, step // 2, 1), view(start + step // 2 * rows, step // 2, 1)
    return Planes(y, second, first) if layout.v_first else Planes(y, first, second)


def _lengths(image: RawImage, layout: Packed | Planar) -> tuple[int, int]:
    """The least bytes that hold all pixels, and the bytes with the padding after the last row.

    That padding carries nothing, and some drivers leave it out.
    """
    start = image.step * image.height
    if isinstance(layout, Packed):
        return start - image.step + image.width * layout.pixel_bytes, start
    columns, rows = _colour_size(image, layout)
    if layout.interleaved:
        stride = image.step if layout.halves_width else 2 * image.step
        return start + stride * (rows - 1) + 2 * columns, start + stride * rows
    return start + image.step // 2 * (2 * rows - 1) + columns, start + image.step * rows


def _colour_size(image: RawImage, layout: Planar) -> tuple[int, int]:
    """Columns and rows of the colour differences."""
    columns = image.width // 2 if layout.halves_width else image.width
    return columns, image.height // 2 if layout.halves_height else image.height


def _check_even(image: RawImage, layout: Packed | Planar) -> None:
    said = f"the {image.width}x{image.height} image of encoding {image.encoding}"
    halves = layout.pairs if isinstance(layout, Packed) else layout.halves_width
    if halves and image.width % 2:
        raise ImageError(f"{said} has an odd width; it must be even")
    if isinstance(layout, Planar) and layout.halves_height and image.height % 2:
        raise ImageError(f"{said} has an odd height; it must be even")
    if isinstance(layout, Planar) and not layout.interleaved and image.step % 2:
        raise ImageError(f"{said} has step {image.step}; it must be even, for the colours' rows are half as long")
