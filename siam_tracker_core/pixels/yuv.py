"""YUV to BGR by the standards' own formulas: ITU-R BT.601-7 and BT.709-6.

``E'_Y = K_R R + K_G G + K_B B`` (BT.601-7 item 2.5.1, BT.709-6 item 3.2), with the differences scaled to one half.
In video range 8-bit luma lies in 16..235 and the differences in 16..240 (BT.601-7 item 2.5.3); in full range, as JPEG
has it, all of 0..255 is used.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = Literal["bt601", "bt709"]
Range = Literal["video", "full"]
Plane = NDArray[np.uint8]

_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # K_R and K_B


class Planes(NamedTuple):
    """Luma (H, W), and the two colour differences with as many rows and columns, or half of either; uint8."""

    y: Plane
    u: Plane
    v: Plane


def planes_to_bgr(planes: Planes, matrix: Matrix, span: Range) -> NDArray[np.uint8]:
    """Convert planes; each colour difference goes to all pixels that share it.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    size = (planes.y.shape[1], planes.y.shape[0])
    colours = [_enlarged(plane, size) for plane in (planes.u, planes.v)]
    merged = cv2.merge([np.ascontiguousarray(planes.y), *colours])
    return np.asarray(cv2.transform(merged, yuv_to_bgr(matrix, span)), dtype=np.uint8)


def yuv_to_bgr(matrix: Matrix, span: Range) -> NDArray[np.float64]:
    """The (3, 4) matrix from ``(Y, U, V, 1)`` in 0..255 to ``(B, G, R)`` in 0..255."""
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    luma, colour, black = (255 / 219, 255 / 224, 16.0) if span == "video" else (1.0, 1.0, 0.0)
    to_blue, to_red = 2 * (1 - blue) * colour, 2 * (1 - red) * colour
    rows = np.array(
        [
            [luma, to_blue, 0.0],
            [luma, -to_blue * blue / green, -to_red * red / green],
            [luma, 0.0, to_red],
        ]
    )
    return np.concatenate([rows, -rows @ np.array([[black], [128.0], [128.0]])], axis=1)


def _enlarged(plane: Plane, size: tuple[int, int]) -> Plane:
    if (plane.shape[1], plane.shape[0]) == size:
        return np.ascontiguousarray(plane)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
