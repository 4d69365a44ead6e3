"""What anchor-free trackers do with a map of scores and boxes: a penalty, a cosine window, a size that follows slowly.

As in SiamRPN (section 4.3, equation 13) and Ocean, of which NanoTrack and FEAR are descendants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Following:
    """How a tracker follows.

    Attributes:
        penalty: k of equation 13, on changes of scale and ratio.
        window: share of the cosine window in the final score, 0..1.
        size_rate: how fast the size follows, times score and penalty, 0..1.
    """

    penalty: float
    window: float
    size_rate: float


class Found(NamedTuple):
    """The cell that is taken.

    Attributes:
        score: its probability of "target".
        dx, dy: the box's centre from the crop's middle, in crop pixels.
        width, height: new size in crop pixels, already mixed with the last one.
    """

    score: float
    dx: float
    dy: float
    width: float
    height: float


def points(cells: int, stride: int, middle: float) -> Array:
    """Where the cells of a map lie from the crop's middle along one axis, in crop pixels.

    Args:
        cells: along the axis.
        stride: distance of the cells in crop pixels.
        middle: the cell, perhaps between two, that lies in the crop's middle.
    """
    return np.asarray((np.arange(cells) - middle) * stride, dtype=np.float64)


def boxes_of(distances: Array, along: Array) -> Array:
    """Boxes of distances to left, top, right and bottom.

    Args:
        distances: (4, n, n) in crop pixels.
        along: (n,), the cells' points from the crop's middle in crop pixels.

    Returns:
        (4, n, n): centre from the crop's middle, width, height.
    """
    left, top, right, bottom = distances
    return np.stack(
        [along[None, :] + (right - left) / 2, along[:, None] + (bottom - top) / 2, left + right, top + bottom]
    )


def follow(scores: Array, boxes: Array, size: tuple[float, float], how: Following) -> Found:
    """Take one cell of a map.

    Args:
        scores: (n, n), probability of "target".
        boxes: (4, n, n) as by ``boxes_of``.
        size: the last width and height in crop pixels.
        how: the settings.
    """
    width, height = size
    change = _relative(_padded(boxes[2], boxes[3]) / _padded(*size)) * _relative(
        boxes[2] / np.maximum(boxes[3], 1e-6) / (width / height)
    )
    factors = np.exp(-how.penalty * (change - 1))
    hann = np.hanning(len(scores))
    ranks = scores * factors * (1 - how.window) + np.outer(hann, hann) * how.window
    row, column = np.unravel_index(int(ranks.argmax()), ranks.shape)
    score = float(scores[row, column])
    rate = how.size_rate * score * float(factors[row, column])
    dx, dy, found_width, found_height = (float(part[row, column]) for part in boxes)
    return Found(score, dx, dy, width * (1 - rate) + found_width * rate, height * (1 - rate) + found_height * rate)


def _relative(ratio: Array) -> Array:
    """A ratio or its inverse, whichever is at least 1."""
    ratio = np.maximum(ratio, 1e-6)
    return np.maximum(ratio, 1 / ratio)


def _padded(width: Array | float, height: Array | float) -> Array:
    """The side of the context square of a size (equation 13's s)."""
    margin = (np.asarray(width, dtype=np.float64) + height) / 2
    product: Array = np.asarray((width + margin) * (height + margin), dtype=np.float64)
    return np.sqrt(np.maximum(product, 1e-6))
