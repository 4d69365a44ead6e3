"""Boxes, overlaps and windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.errors import BoxError
from siam_tracker_core.geometry import Box, Window, check_target_box, context_size, iou

coordinates = st.floats(-500, 1500)
lengths = st.floats(1, 800)
boxes = st.builds(Box, coordinates, coordinates, lengths, lengths)
windows = st.builds(Window, coordinates, coordinates, st.floats(4, 2000))


def overlap_by_counting(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """IoU of boxes with whole-numbered edges, by counting pixels."""
    canvas = np.zeros((2, 60, 60), dtype=bool)
    for layer, (x, y, width, height) in zip(canvas, (a, b), strict=True):
        layer[y : y + height, x : x + width] = True
    return float((canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum())


whole_boxes = st.tuples(st.integers(0, 29), st.integers(0, 29), st.integers(1, 30), st.integers(1, 30))


@given(whole_boxes, whole_boxes)
def test_iou_equals_counted_pixels(a, b):
    assert Box(*a).iou(Box(*b)) == pytest.approx(overlap_by_counting(a, b), abs=1e-12)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(a, b):
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert 0 <= a.iou(b) <= 1
    assert a.iou(a) == pytest.approx(1)


def test_iou_broadcasts_and_keeps_nan():
    truth = np.array([[0, 0, 10, 10], [np.nan] * 4, [5, 0, 10, 10]])
    values = iou(truth, [0, 0, 10, 10])
    assert values[0] == 1
    assert np.isnan(values[1])
    assert values[2] == pytest.approx(1 / 3)
    assert iou([0, 0, 0, 0], [0, 0, 0, 0]) == 0


@given(windows, st.integers(16, 400), st.lists(st.tuples(coordinates, coordinates), min_size=1))
def test_crop_and_inverse_agree(window, size, points):
    back = window.to_image(window.to_crop(points, size), size)
    np.testing.assert_allclose(back, points, atol=1e-6)


@given(windows, st.integers(16, 400), boxes)
def test_boxes_map_like_their_corners(window, size, box):
    mapped = window.box_to_crop(box, size)
    corner = window.to_crop([box.right, box.bottom], size)
    assert (mapped.right, mapped.bottom) == pytest.approx(tuple(corner), abs=1e-6)
    back = window.box_to_image(mapped, size)
    np.testing.assert_allclose(back.to_array(), box.to_array(), atol=1e-6)


def test_window_corners_are_crop_corners():
    window = Window(100, 50, 40)
    np.testing.assert_allclose(window.to_crop([[80, 30], [120, 70]], 128), [[0, 0], [128, 128]])


def test_context_of_the_paper():
    # SiamFC section 2.4: s^2 = (w + 2p)(h + 2p) with p = (w + h) / 4
    width, height = 60.0, 20.0
    p = (width + height) / 4
    assert context_size(width, height) == pytest.approx(math.sqrt((width + 2 * p) * (height + 2 * p)))


@given(boxes)
def test_clipped_lies_inside(box):
    part = box.clipped(640, 480)
    assert 0 <= part.x <= part.right <= 640
    assert 0 <= part.y <= part.bottom <= 480
    assert part.area <= box.area + 1e-6


@pytest.mark.parametrize(
    ("box", "word"),
    [
        (Box(math.nan, 0, 10, 10), "not finite"),
        (Box(0, 0, math.inf, 10), "not finite"),
        (Box(10, 10, 0, 10), "empty"),
        (Box(10, 10, -5, 10), "empty"),
        (Box(700, 10, 20, 20), "outside"),
        (Box(-30, 10, 30.5, 20), "outside"),
        (Box(0, 0, 640, 480), "whole"),
        (Box(-5, -5, 700, 500), "whole"),
    ],
)
def test_impossible_targets_are_refused(box, word):
    with pytest.raises(BoxError, match=word):
        check_target_box(box, 640, 480)


def test_possible_targets_pass():
    check_target_box(Box(-5, 3, 40, 40), 640, 480)
    check_target_box(Box(0, 0, 640, 479), 640, 480)


def test_a_box_needs_four_numbers():
    with pytest.raises(BoxError, match="4 numbers"):
        Box.from_array([1, 2, 3])
