"""The metrics against got10k's published formulas, re-derived frame by frame, and on hand-made borderline cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_otb import Rows, absent, boxes, make_result, slow_error, slow_iou, slow_scores

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation import otb


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.one_of(boxes, absent), st.one_of(boxes, absent)), min_size=1, max_size=25), boxes)
def test_curves_agree_with_the_published_formulas(pairs: list[tuple[list[float], list[float]]], first: Rows) -> None:
    truth = [first, *(real for real, _ in pairs)]
    predicted = [first, *(box for _, box in pairs)]
    result = make_result(truth, predicted)  # type: ignore[arg-type]
    scores = otb.score_sequence(result)
    success, precision = slow_scores(truth, predicted)  # type: ignore[arg-type]
    np.testing.assert_allclose(scores.success, success, rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores.precision, precision, rtol=0, atol=1e-9)
    assert scores.success_auc == pytest.approx(sum(success) / 21, abs=1e-9)
    assert scores.precision_20 == pytest.approx(precision[20], abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(boxes, boxes)
def test_overlap_and_distance_agree_with_the_published_formulas(real: list[float], box: list[float]) -> None:
    result = make_result([real, real], [real, box])
    assert otb.overlaps(result)[1] == pytest.approx(slow_iou(box, real), abs=1e-9)
    assert otb.distances(result)[1] == pytest.approx(slow_error(box, real), abs=1e-9)


def test_success_is_strict() -> None:
    """An IoU of exactly one half is not above the threshold of one half."""
    scores = otb.score_sequence(make_result([[0, 0, 2, 1]], [[0, 0, 1, 1]]), force_first=False)
    assert scores.success[:10].tolist() == [1.0] * 10
    assert scores.success[10:].tolist() == [0.0] * 11


def test_no_overlap_is_not_above_zero() -> None:
    scores = otb.score_sequence(make_result([[0, 0, 2, 2]], [[2, 0, 2, 2]]), force_first=False)
    assert scores.success_auc == 0.0


def test_a_perfect_tracker_scores_20_of_21() -> None:
    scores = otb.score_sequence(make_result([[5, 5, 9, 9]] * 3, [[5, 5, 9, 9]] * 3))
    assert scores.success_auc == pytest.approx(20 / 21)
    assert scores.precision_20 == 1.0


def test_rounding_does_not_push_equal_boxes_above_one() -> None:
    box = [0.0, 1.0, 2.0, 3.188]
    assert otb.score_sequence(make_result([box], [box])).success[20] == 0.0


def test_precision_is_not_strict() -> None:
    """Exactly 20 pixels off is still precise at 20."""
    off = make_result([[0, 0, 10, 10]] * 2, [[0, 0, 10, 10], [20, 0, 10, 10]])
    assert otb.score_sequence(off).precision_20 == 1.0
    assert otb.score_sequence(off).precision[19] == 0.5
    further = make_result([[0, 0, 10, 10]] * 2, [[0, 0, 10, 10], [20.001, 0, 10, 10]])
    assert otb.score_sequence(further).precision_20 == 0.5


def test_centres_are_compared_not_corners() -> None:
    result = make_result([[0, 0, 10, 10]] * 2, [[0, 0, 10, 10], [-5, -5, 20, 20]])
    assert otb.distances(result)[1] == 0.0


def test_the_first_prediction_is_the_truth_unless_told_otherwise() -> None:
    result = make_result([[0, 0, 10, 10]] * 2, [[50, 50, 10, 10], [50, 50, 10, 10]])
    assert otb.overlaps(result).tolist() == [1.0, 0.0]
    assert otb.overlaps(result, force_first=False).tolist() == [0.0, 0.0]
    assert result.predicted[0, 0] == 50, "the result itself is not changed"


def test_absent_frames_do_not_count_and_missing_boxes_do() -> None:
    nan = [math.nan] * 4
    box = [0.0, 0.0, 10.0, 10.0]
    scores = otb.score_sequence(make_result([box, nan, nan, box], [box, box, nan, nan]))
    assert scores.success_auc == pytest.approx(20 / 21 / 2), "two frames count, one of them without a box"
    assert scores.precision[50] == 0.5


@pytest.mark.parametrize("bad", [[math.inf, 0, 10, 10], [0, 0, math.inf, 10], [0, math.nan, 10, 10]])
def test_a_box_that_is_not_finite_is_no_box(bad: list[float]) -> None:
    result = make_result([[0, 0, 10, 10]] * 2, [[0, 0, 10, 10], bad])
    assert otb.overlaps(result)[1] == 0.0
    assert otb.distances(result)[1] == math.inf


def test_a_sequence_without_the_target_is_refused() -> None:
    with pytest.raises(DatasetError, match="sequence made: the truth is NaN in every frame"):
        otb.score_sequence(make_result([[math.nan] * 4] * 2, [[0, 0, 1, 1]] * 2))


def test_the_mean_weighs_sequences_not_frames() -> None:
    good = make_result([[0, 0, 10, 10]] * 2, [[0, 0, 10, 10]] * 2, [0.1, 0.1])
    bad = make_result([[0, 0, 10, 10]] * 99, [[0, 0, 10, 10]] + [[50, 50, 1, 1]] * 98, [0.05] * 99)
    scores = otb.score([good, bad])
    assert scores.success_auc == pytest.approx((20 / 21 + 20 / 21 / 99) / 2)
    assert scores.fps == pytest.approx(15.0)


def test_no_sequence_has_no_mean() -> None:
    with pytest.raises(DatasetError, match="no sequence"):
        otb.score([])


def test_speed_is_the_mean_of_rates_and_skips_what_was_not_measured() -> None:
    assert otb.frames_per_second(np.array([math.nan, 0.1, 0.0, 0.05])) == pytest.approx(15.0)
    assert math.isnan(otb.frames_per_second(np.array([math.nan, 0.0])))


def test_speed_ignores_sequences_without_a_time() -> None:
    timed = make_result([[0, 0, 10, 10]], [[0, 0, 10, 10]], [0.1])
    untimed = make_result([[0, 0, 10, 10]], [[0, 0, 10, 10]])
    assert otb.score([timed, untimed]).fps == pytest.approx(10.0)
    assert math.isnan(otb.score([untimed]).fps)


def test_lost_frames_are_those_with_a_target_and_without_overlap_or_answer() -> None:
    box, away, nan = [0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 10.0, 10.0], [math.nan] * 4
    result = make_result(
        [box, box, box, box, nan], [away, box, away, box, away], missed=np.array([False, False, False, True, True])
    )
    assert otb.lost_frames(result).tolist() == [False, False, True, True, False]
