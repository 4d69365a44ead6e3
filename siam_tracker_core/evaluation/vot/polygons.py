"""Overlap of regions, which are boxes or polygons.

A region is a float64 array: (4,) ``x, y, width, height``, or (corners, 2) of ``x, y``, in pixels; None where there is
none.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.vot import box_corners
from siam_tracker_core.evaluation.vot.raster import raster_overlap
from siam_tracker_core.geometry import iou

FloatArray = NDArray[np.float64]
Region = FloatArray
Rule = Literal["exact", "raster"]


def overlaps(
    first: Many[Region | None],
    second: Many[Region | None],
    size: tuple[int, int] | None = None,
    rule: Rule = "exact",
) -> FloatArray:
    """Intersection over union of each pair of regions.

    Pairs of boxes go through one vectorised computation. Polygons are intersected by shapely; one that crosses itself
    counts with the area that it encloses.

    Args:
        first, second: N regions each.
        size: width and height of the image in pixels. If given, only what lies inside the image counts, of both
            regions, as in vot-toolkit (``bounded``, its default for every year; the MATLAB toolkit of VOT-2013 to 2015
            did not crop, see votchallenge/toolkit-legacy:stacks/stack_vot2015.m).
        rule: ``exact`` areas, or ``raster`` for vot-toolkit's way of counting whole pixels (see ``raster``).

    Returns:
        float64 (N,) in 0..1; NaN where a region is missing, 0 where neither has any area.
    """
    count = len(first)
    values = np.full(count, np.nan)
    given = [row for row in range(count) if first[row] is not None and second[row] is not None]
    if rule == "raster":
        for row in given:
            values[row] = raster_overlap(first[row], second[row], size)  # type: ignore[arg-type]
        return values
    upright = [row for row in given if first[row].ndim == 1 and second[row].ndim == 1]  # type: ignore[union-attr]
    if upright:
        boxes = (np.stack([regions[row] for row in upright]) for regions in (first, second))  # type: ignore[misc]
        values[upright] = iou(*(_cropped(part, size) for part in boxes))
    others = sorted(set(given) - set(upright))
    if others:
        values[others] = _polygon_overlaps([first[row] for row in others], [second[row] for row in others], size)  # type: ignore[misc]
    return values


def overlap(first: Region, second: Region, size: tuple[int, int] | None = None, rule: Rule = "exact") -> float:
    """Intersection over union of two regions, in 0..1; see ``overlaps``."""
    return float(overlaps([first], [second], size, rule)[0])


def _cropped(boxes: FloatArray, size: tuple[int, int] | None) -> FloatArray:
    if size is None:
        return boxes
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], low, size)
    return np.concatenate([low, high - low], axis=1)


def _polygon_overlaps(first: list[Region], second: list[Region], size: tuple[int, int] | None) -> FloatArray:
    import shapely  # here, since boxes need none and an installation without the extra has none

    a, b = _geometries(first, size), _geometries(second, size)
    common = shapely.area(shapely.intersection(a, b))
    union = shapely.area(a) + shapely.area(b) - common
    ratio = np.divide(common, union, out=np.zeros(len(first)), where=union > 0)
    return np.clip(ratio, 0.0, 1.0)


def _geometries(regions: list[Region], size: tuple[int, int] | None) -> NDArray[np.object_]:
    import shapely

    rings = list(regions)
    if upright := [row for row, region in enumerate(regions) if region.ndim == 1]:
        for row, ring in zip(upright, box_corners(np.stack([regions[row] for row in upright])), strict=True):
            rings[row] = ring
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    corners = np.concatenate(rings)
    geometries = shapely.polygons(shapely.linearrings(corners, indices=owners))
    crossed = ~shapely.is_valid(geometries)
    geometries[crossed] = shapely.make_valid(geometries[crossed])
    if size is not None:
        leaving = np.unique(owners[((corners < 0) | (corners > size)).any(axis=1)])
        geometries[leaving] = shapely.intersection(geometries[leaving], shapely.box(0, 0, *size))
    return geometries  # type: ignore[no-any-return]
