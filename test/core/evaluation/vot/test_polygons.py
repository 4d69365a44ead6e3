"""Overlap of boxes and polygons against known areas, brute force, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_vot import rotated

from siam_tracker_core.datasets.vot import box_corners
from siam_tracker_core.evaluation.vot import overlap, overlaps
from siam_tracker_core.evaluation.vot.raster import raster_overlap

boxes = st.tuples(*[st.floats(-50, 120)] * 2, *[st.floats(1, 80)] * 2).map(np.array)


@given(boxes, boxes, st.sampled_from([None, (100, 70)]))
def test_polygons_and_boxes_are_measured_alike(first: np.ndarray, second: np.ndarray, size) -> None:
    expected = overlap(first, second, size)
    for a, b in ((box_corners(first), second), (first, box_corners(second)), (box_corners(first), box_corners(second))):
        assert overlap(a, b, size) == pytest.approx(expected, abs=1e-9)


@given(boxes, boxes)
def test_boxes_of_whole_pixels_are_counted_by_pixel(first: np.ndarray, second: np.ndarray) -> None:
    """The slow reference: draw both, and count."""
    first, second = np.round(first), np.round(second)
    drawn = []
    for x, y, width, height in (first, second):
        mask = np.zeros((400, 400), bool)
        mask[int(y) + 100 : int(y + height) + 100, int(x) + 100 : int(x + width) + 100] = True
        drawn.append(mask)
    expected = (drawn[0] & drawn[1]).sum() / (drawn[0] | drawn[1]).sum()
    assert overlap(first, second) == pytest.approx(expected, abs=1e-12)
    inside = [mask[100:170, 100:200] for mask in drawn]
    union = (inside[0] | inside[1]).sum()
    assert overlap(first, second, (100, 70)) == pytest.approx((inside[0] & inside[1]).sum() / union if union else 0)


def test_known_areas() -> None:
    diamond = np.array([[10.0, 0], [20, 10], [10, 20], [0, 10]])
    square = np.array([0.0, 0, 20, 20])
    assert overlap(diamond, square) == pytest.approx(200 / 400)
    assert overlap(diamond, diamond) == 1.0
    assert overlap(diamond, diamond + 40) == 0.0
    assert overlap(diamond, square, (10, 20)) == pytest.approx(100 / 200)
    assert overlap(diamond, square, (5, 5)) == 0.0, "the corner that is inside the image shows no diamond"
    turned = rotated(np.array([[0.0, 0, 20, 20]] * 2))[1]  # by 1/9 rad; the two squares share an octagon
    octagon = 20**2 * 2 / (1 + np.sin(1 / 9) + np.cos(1 / 9))
    assert overlap(turned, square) == pytest.approx(octagon / (800 - octagon))


def test_missing_and_empty_regions() -> None:
    square, empty = np.array([0.0, 0, 5, 5]), np.array([2.0, 2, 0, 0])
    found = overlaps([None, square, square, empty, square], [square, None, square, empty, empty])
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1, 0, 0])
    line = np.array([[0.0, 0], [5, 0], [9, 0]])
    assert overlap(line, square) == 0.0


def test_a_polygon_that_crosses_itself_counts_with_what_it_encloses() -> None:
    bow_tie = np.array([[0.0, 0], [10, 10], [10, 0], [0, 10]])
    assert overlap(bow_tie, np.array([0.0, 0, 10, 10])) == pytest.approx(0.5)


def test_polygons_by_sampling() -> None:
    """Brute force: the share of a fine grid's points that lie in both."""
    rng = np.random.default_rng(11)
    grid = np.stack(np.meshgrid(np.arange(0, 60, 0.1), np.arange(0, 60, 0.1)), axis=-1) + 0.05

    def holds(corners: np.ndarray) -> np.ndarray:
        following = np.roll(corners, -1, axis=0)
        side = [
            (b[0] - a[0]) * (grid[..., 1] - a[1]) - (b[1] - a[1]) * (grid[..., 0] - a[0])
            for a, b in zip(corners, following, strict=True)
        ]
        return np.all(np.array(side) >= 0, axis=0)

    for _ in range(6):
        first, second = rotated(np.column_stack([rng.uniform(5, 25, (2, 2)), rng.uniform(10, 30, (2, 2))]))
        a, b = holds(first), holds(second)
        expected = (a & b).sum() / (a | b).sum()
        inside = overlap(first, second, (60, 60))
        assert inside == pytest.approx(expected, abs=0.01)


def test_raster_counts_whole_pixels() -> None:
    assert raster_overlap(np.array([0.4, 0.4, 10.4, 10.4]), np.array([0.0, 0, 10, 10])) == 1.0
    # A polygon covers its border's pixels: 11 columns by 11 rows of the same corners.
    square = np.array([0.0, 0, 10, 10])
    assert raster_overlap(box_corners(square), square) == pytest.approx(100 / 121)
    diamond = np.array([[3.0, 0], [6, 3], [3, 6], [0, 3]])  # 1 + 3 + 5 + 7 + 5 + 3 + 1 pixels
    assert raster_overlap(diamond, np.array([0.0, 0, 7, 7])) == pytest.approx(25 / 49)
    assert raster_overlap(diamond, np.array([0.0, 0, 7, 7]), (4, 7)) == pytest.approx(16 / 28)
    assert overlap(diamond, np.array([0.0, 0, 7, 7]), (4, 7), rule="raster") == pytest.approx(16 / 28)
