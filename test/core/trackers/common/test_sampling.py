"""Boxes drawn around a target, and their scores as a map."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.trackers.common.boxes import scaled_boxes
from siam_tracker_core.trackers.common.sampling import LEAST_SIDE, Spread, draw, splat

PICTURE = (320, 240)
KINDS = ("gaussian", "uniform", "whole")


@st.composite
def targets(draw_):
    width, height = draw_(st.floats(4, 200)), draw_(st.floats(4, 150))
    return Box.from_centre(draw_(st.floats(0, PICTURE[0])), draw_(st.floats(0, PICTURE[1])), width, height)


@settings(max_examples=60, deadline=None)
@given(targets(), st.sampled_from(KINDS), st.floats(0, 3), st.floats(1, 2), st.floats(1, 1.5), st.integers(0, 9))
def test_boxes_keep_to_the_spread(target, kind, translation, scale, aspect, seed):
    boxes = draw(Spread(kind, translation, scale, aspect), target, 50, PICTURE, np.random.default_rng(seed))
    assert boxes.shape == (50, 4)
    centres, sizes = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]
    assert (centres >= -1e-9).all()
    assert (centres <= np.array(PICTURE) + 1e-9).all()
    own = np.array([target.width, target.height])
    largest = np.minimum(own * scale * aspect, PICTURE)
    least = np.maximum(own / scale / aspect, np.minimum(own, LEAST_SIDE))
    assert (sizes <= np.maximum(largest, least) + 1e-9).all()
    assert (sizes >= np.minimum(least, PICTURE) - 1e-9).all()
    if kind == "whole":
        assert (boxes[:, :2] >= -1e-9).all()
        assert (boxes[:, :2] + sizes <= np.array(PICTURE) + 1e-9).all()
    else:
        assert np.abs(centres - target.centre).max() <= translation * own.mean() + 1e-9


@settings(max_examples=60, deadline=None)
@given(targets(), st.sampled_from(KINDS), st.sampled_from([(0.7, 1.0), (0.0, 0.5), (0.0, 0.3), (0.6, 1.0)]))
def test_boxes_have_the_overlap_that_is_asked_for(target, kind, overlap):
    spread, rng = Spread(kind, 0.5, 1.3, 1.1), np.random.default_rng(3)
    boxes = draw(spread, target, 40, PICTURE, rng, overlap=overlap, area=(0.8, 2.0))
    assert len(boxes) <= 40
    overlaps = iou(boxes, target.to_array())
    assert ((overlaps >= overlap[0]) & (overlaps <= overlap[1])).all()
    areas = boxes[:, 2:].prod(axis=1) / (target.width * target.height)
    assert ((areas >= 0.8) & (areas <= 2.0)).all()
    if overlap[1] == 1.0:
        assert len(boxes) > 0, "the target's own box is always within the limits"


def test_the_paper_s_samples_are_found_in_full():
    target, rng = Box(100, 80, 60, 40), np.random.default_rng(0)
    near = draw(Spread("gaussian", 0.1, 1.3), target, 500, PICTURE, rng, overlap=(0.7, 1.0))
    off = draw(Spread("uniform", 1.0, 1.6), target, 2500, PICTURE, rng, overlap=(0.0, 0.5))
    anywhere = draw(Spread("whole", 0.0, 1.6), target, 2500, PICTURE, rng, overlap=(0.0, 0.5))
    corrected = draw(Spread("uniform", 0.3, 1.6, 1.1), target, 1000, PICTURE, rng, overlap=(0.6, 1.0), area=(1.0, 2.0))
    assert [len(boxes) for boxes in (near, off, anywhere, corrected)] == [500, 2500, 2500, 1000]
    # The whole picture is reached, and near boxes are not all the same.
    assert anywhere[:, 0].min() < 10
    assert (anywhere[:, 0] + anywhere[:, 2]).max() > PICTURE[0] - 10
    assert np.unique(near, axis=0).shape == near.shape


def test_gaussian_places_have_half_a_unit_of_deviation_cut_at_one():
    target = Box(140, 100, 30, 50)
    boxes = draw(Spread("gaussian", 0.6, 1.05), target, 20000, (1000, 1000), np.random.default_rng(0))
    units = (boxes[:, :2] + boxes[:, 2:] / 2 - target.centre) / (0.6 * 40)
    rng = np.random.default_rng(7)
    expected = np.clip(0.5 * rng.standard_normal(200000), -1, 1).std()
    np.testing.assert_allclose(units.std(axis=0), expected, rtol=0.02)
    # Two standard deviations are one unit, beyond which lie 4.55 % of a normal distribution.
    np.testing.assert_allclose((np.abs(units) > 1 - 1e-9).mean(axis=0), 0.0455, atol=0.005)
    widened = draw(Spread("gaussian", 0.6, 1.05), target, 500, (1000, 1000), np.random.default_rng(0), widen=1.5)
    moved = np.abs(widened[:, :2] + widened[:, 2:] / 2 - target.centre).max()
    assert 0.6 * 40 < moved <= 1.5 * 40 + 1e-9


def test_one_seed_gives_the_same_boxes():
    spread, target = Spread("uniform", 2.0, 1.3), Box(50, 60, 30, 20)
    first, second, other = (
        draw(spread, target, 30, PICTURE, np.random.default_rng(seed), overlap=(0.0, 0.3)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_target_that_fills_the_picture_leaves_few_negatives():
    target = Box(0, 0, 310, 235)
    none = draw(Spread("uniform", 2.0, 1.3), target, 20, PICTURE, np.random.default_rng(0), overlap=(0.0, 0.01))
    assert none.shape == (0, 4)


def test_scaled_boxes_go_centre_by_centre():
    centres, factors = np.array([[10.0, 20.0], [30.0, 5.0]]), np.array([0.5, 1.0, 2.0])
    expected = [[x - 8 * f / 2, y - 6 * f / 2, 8 * f, 6 * f] for x, y in centres for f in factors]
    np.testing.assert_allclose(scaled_boxes(centres, (8, 6), factors), expected)


def test_the_map_holds_the_best_score_of_each_cell():
    rng = np.random.default_rng(1)
    boxes = np.concatenate([rng.uniform(0, 100, (60, 2)), rng.uniform(5, 20, (60, 2))], axis=1)
    scores = rng.standard_normal(60).astype(np.float32)
    values, region = splat(boxes, scores, 5)
    expected = np.full((5, 5), scores.min())
    for (x, y, width, height), score in zip(boxes, scores, strict=True):
        column = min(4, int(5 * (x + width / 2 - region.x) / region.width))
        row = min(4, int(5 * (y + height / 2 - region.y) / region.height))
        expected[row, column] = max(expected[row, column], score)
    np.testing.assert_array_equal(values, expected.astype(np.float32))
    alone, where = splat(boxes[:1], scores[:1], 3)
    assert alone.max() == scores[0]
    assert where.width > 0
