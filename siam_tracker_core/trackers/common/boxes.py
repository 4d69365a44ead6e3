"""Boxes that trackers make: bounded, damped, and in several scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.geometry import Box

FloatArray = NDArray[np.float64]


def damped(last: Box, width: float, height: float, rate: float) -> tuple[float, float]:
    """Width and height when a share of the change from the last box is taken over: all with a ``rate`` of 1."""
    return (1 - rate) * last.width + rate * width, (1 - rate) * last.height + rate * height


def bounded(box: Box, last: Box, least_side: float, image_size: tuple[int, int]) -> Box:
    """A box of finite size within the limits of a target's box.

    Each side is at least ``least_side``, or the last box's where that was shorter, and at most the image's; then the
    centre is moved into the image. So at least half of each side is in the picture, and no corner is further outside
    than half a side.

    Args:
        box: in pixels; its place need not be finite.
        last: the box of the frame before, whose place and sides are finite.
        least_side: in pixels.
        image_size: width and height in pixels.
    """
    sides = [
        min(max(side, min(least_side, old)), float(limit))
        for side, old, limit in zip((box.width, box.height), (last.width, last.height), image_size, strict=True)
    ]
    centre = [min(max(place, 0.0), float(limit)) for place, limit in zip(box.centre, image_size, strict=True)]
    return Box.from_centre(*centre, *sides)


def scale_factors(count: int, step: float) -> FloatArray:
    """(count,) factors around 1, ``step`` times the one before."""
    return np.power(step, np.arange(count, dtype=np.float64) - (count - 1) / 2)


def scaled_boxes(centres: FloatArray, size: tuple[float, float], factors: FloatArray) -> FloatArray:
    """Boxes of a size in several scales around several centres.

    Args:
        centres: (n, 2) in pixels.
        size: width and height in pixels.
        factors: (s,) on both.

    Returns:
        (n * s, 4) of ``x, y, width, height`` in pixels, those of the first centre first.
    """
    extents = np.asarray(factors)[None, :, None] * np.asarray(size)
    extents = np.broadcast_to(extents, (len(centres), *extents.shape[1:]))
    return np.concatenate([np.asarray(centres)[:, None] - extents / 2, extents], axis=2).reshape(-1, 4)
