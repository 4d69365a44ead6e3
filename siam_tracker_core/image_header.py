"""The size that a compressed image says it has, read before any memory is taken for its pixels."""

from __future__ import annotations

import io
import struct
import warnings

from PIL import Image, UnidentifiedImageError

from siam_tracker_core.errors import ImageError

# What OpenCV decodes and a camera may send; its other decoders are left alone, for they would be open to anybody.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")

MAX_PIXELS = 64_000_000

_PNG = b"\x89PNG\r\n\x1a\n"


def image_size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height in pixels that the header of a compressed image gives, without turning it by EXIF.

    Args:
        data: a whole file of one of ``FORMATS``; only its header is read.

    Raises:
        ImageError: if it is no image of these formats.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the caller sets the limit
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(
            f"the compressed image ({len(data)} bytes) cannot be decoded; expected a whole file of "
            f"{', '.join(FORMATS)} ({type(error).__name__})"
        ) from None


def check_pixels(width: int, height: int, limit: int = MAX_PIXELS) -> None:
    """Refuse an image that is larger than a limit.

    Args:
        width, height: in pixels.
        limit: the most pixels that an image may have.

    Raises:
        ImageError: if it has more.
    """
    if width * height > limit:
        raise ImageError(
            f"the {width}x{height} image has {width * height / 1e6:.1f} million pixels; at most {limit / 1e6:.1f} "
            "million are accepted"
        )


def promises_too_much(data: bytes | memoryview) -> bool:
    """Whether a PNG has a chunk that says it is longer than what is left of the file.

    OpenCV takes memory for as many bytes as a chunk says it has, before it reads them: 47 bytes took 4 GB.

    Args:
        data: a whole file of any format.
    """
    if bytes(data[: len(_PNG)]) != _PNG:
        return False
    place, kind = len(_PNG), b""
    while kind != b"IEND" and place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if place + 8 + length > len(data):
            return True
        place += 12 + length  # its length, its kind and its checksum have four bytes each
    return False
