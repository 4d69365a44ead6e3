"""Overlap of regions in whole pixels, as vot-toolkit counts it.

Published VOT figures come from regions that were drawn into masks first (votchallenge/toolkit:vot/region/raster.py):
numbers are rounded to whole pixels; a rectangle covers the ``width`` columns from ``x`` on; a polygon covers, in each
row from its first to its last corner, the pixels from its left to its right border, both included, where a border
between two pixels belongs to the left one. A polygon is thus about a pixel larger than the plane figure of the same
corners. Only convex polygons are drawn so, which the four corners of VOT's annotations are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def raster_overlap(first: FloatArray, second: FloatArray, size: tuple[int, int] | None = None) -> float:
    """Shared over all covered pixels of two regions, in 0..1.

    Args:
        first, second: a box (4,) or a convex polygon (corners, 2), in pixels.
        size: width and height of the image; if given, pixels outside it do not count.
    """
    regions = _whole_pixels(first), _whole_pixels(second)
    left, top, right, bottom = _bounds(*regions, size)
    if left >= right or top >= bottom:  # vot-toolkit gives up on a strip one pixel wide
        return 0.0
    rows = np.arange(top, bottom + 1)
    a, b = (_spans(region, rows, left, right) for region in regions)
    common = _lengths(np.maximum(a[0], b[0]), np.minimum(a[1], b[1])).sum()
    union = _lengths(*a).sum() + _lengths(*b).sum() - common
    return float(common / union) if union > 0 else 0.0


def _whole_pixels(region: FloatArray) -> IntArray:
    """Rounded, from the single precision in which vot-toolkit keeps regions."""
    return np.round(region.astype(np.float32)).astype(np.int64)


def _bounds(first: IntArray, second: IntArray, size: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """The first and last column and row that count: left, top, right, bottom."""
    ends = [
        (region[:2], region[:2] + region[2:] - 1) if region.ndim == 1 else (region.min(axis=0), region.max(axis=0))
        for region in (first, second)
    ]
    low, high = np.minimum(ends[0][0], ends[1][0]), np.maximum(ends[0][1], ends[1][1])
    if size is not None:
        low, high = np.maximum(low, 0), np.minimum(high, np.array(size) - 1)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _spans(region: IntArray, rows: IntArray, left: int, right: int) -> tuple[IntArray, IntArray]:
    """First and last column that a region covers in each row, last before first where there is none."""
    if region.ndim == 1:
        inside = (rows >= region[1]) & (rows < region[1] + region[3])
        first = np.full(len(rows), region[0])
        last = np.where(inside, region[0] + region[2] - 1, region[0] - 1)
    else:
        first, last = _polygon_spans(region, rows, left)
    return np.maximum(first, left), np.minimum(last, right)


def _polygon_spans(corners: IntArray, rows: IntArray, left: int) -> tuple[IntArray, IntArray]:
    """Where the borders of a convex polygon cross each row: its edges are closed, flat ones count with their ends.

    Edges are followed from each corner to the one before it, and columns are counted from ``left`` on: as in
    vot-toolkit, that decides how a crossing that lies exactly on a pixel is rounded.
    """
    start, end = corners, np.roll(corners, 1, axis=0)
    run, rise = (end - start).T[:, :, None]
    below = rows[None, :] - start[:, 1, None]
    along = np.divide(below, rise, out=np.zeros(below.shape), where=rise != 0)
    crossed = (along >= 0) & (along <= 1) & ((rise != 0) | (below == 0))
    column = np.trunc(start[:, 0, None] - left + along * run)
    first = np.where(crossed, column, np.inf).min(axis=0)
    last = np.where(crossed, column, -np.inf).max(axis=0)
    covered = np.isfinite(first)
    return np.where(covered, first + left, 0).astype(np.int64), np.where(covered, last + left, -1).astype(np.int64)


def _lengths(first: IntArray, last: IntArray) -> IntArray:
    return np.maximum(last - first + 1, 0)
