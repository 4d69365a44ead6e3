"""The contents of image files, by one rule for orientation everywhere.

A camera that is held on its side may store the picture as its sensor lies and note in EXIF how it is to be turned. By
default pictures are turned as viewers and annotation tools show them; ``stored`` leaves them as they lie.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.image_header import promises_too_much

Orientation = Literal["exif", "stored"]
ORIENTATIONS: tuple[Orientation, ...] = ("exif", "stored")


def decode_file(data: NDArray[np.uint8], orientation: Orientation = "exif") -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode the contents of a JPEG, PNG, TIFF, WebP or BMP file.

    Args:
        data: uint8 (n,).
        orientation: ``exif`` or ``stored``.

    Returns:
        (H, W, 3) BGR, uint8, or uint16 where the file has 16 bits a channel.

    Raises:
        ValueError: if it cannot be decoded.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if orientation == "stored":
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    pixels = decoded(data, flags)
    if pixels is None:
        raise ValueError("it is no whole image file of a format that is known here")
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels  # type: ignore[return-value]
    return np.asarray(np.clip(np.nan_to_num(pixels), 0, 1) * 65535, dtype=np.uint16)  # floating-point TIFF


def decoded(data: NDArray[np.uint8], flags: int = cv2.IMREAD_COLOR) -> NDArray[Any] | None:
    """What OpenCV makes of the contents of an image file; None where it is not whole or no image.

    Args:
        data: uint8 (n,).
        flags: OpenCV's.
    """
    if not data.size or promises_too_much(data.data):
        return None
    try:
        return cv2.imdecode(data, flags)
    except cv2.error:
        return None
