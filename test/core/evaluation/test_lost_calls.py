"""What is said of a target that is gone, counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from siam_tracker_core.evaluation.lost_calls import lost_calls
from siam_tracker_core.evaluation.results import SequenceResult

BOX = [10.0, 10.0, 20.0, 20.0]
ELSEWHERE = [80.0, 10.0, 20.0, 20.0]


def result_of(words: str, boxes: str, truth: str, **more) -> SequenceResult:
    """One letter a frame: state t(racking) or l(ost), box o(n target) or e(lsewhere), truth s(een) or h(idden)."""
    states = tuple({"t": "tracking", "l": "lost"}[letter] for letter in words)
    predicted = np.array([BOX if letter == "o" else ELSEWHERE for letter in boxes])
    rows = np.array([BOX if letter == "s" else [np.nan] * 4 for letter in truth])
    return SequenceResult("made", rows, predicted, states=states, **more)


def test_an_absence_is_counted_after_ten_frames_and_its_return_within_fifteen():
    # 5 seen, 14 hidden, 20 seen: LOST from the eighth hidden frame to the third seen one, on the target from then on
    words = "t" * 5 + "t" * 7 + "l" * 7 + "l" * 3 + "t" * 17
    boxes = "o" * 5 + "e" * 17 + "o" * 17
    calls = lost_calls([result_of(words, boxes, "s" * 5 + "h" * 14 + "s" * 20)])
    assert (calls.in_sight, calls.called_lost) == (25, 3)
    assert (calls.hidden, calls.noticed) == (4, 4)
    assert (calls.returns, calls.found, calls.delay) == (1, 1, 3.0)
    assert calls.false_calls == pytest.approx(3 / 25)
    assert calls.true_calls == calls.found_again == 1


def test_a_return_that_is_found_too_late_or_by_a_lost_box_is_not_found():
    hidden = "s" * 2 + "h" * 12 + "s" * 20
    late = result_of("t" * 14 + "t" * 20, "o" * 2 + "e" * 12 + "e" * 15 + "o" * 5, hidden)
    lost = result_of("t" * 14 + "l" * 20, "o" * 34, hidden)
    calls = lost_calls([late, lost])
    assert (calls.returns, calls.found) == (2, 0)
    assert math.isnan(calls.delay)
    assert calls.figures()["delay"] is None


def test_short_absences_and_those_without_an_end_are_no_returns():
    calls = lost_calls([result_of("t" * 15 + "l" + "t" * 14, "o" * 30, "s" * 5 + "h" * 10 + "s" * 3 + "h" * 12)])
    assert calls.returns == 0
    assert calls.found_again is None
    assert (calls.hidden, calls.noticed) == (2, 0)


def test_scores_without_states_are_judged_at_the_threshold_of_few_false_calls():
    truth = np.array([BOX] * 101 + [[np.nan] * 4] * 20 + [BOX] * 20)
    scores = np.concatenate([[np.nan], np.linspace(0.5, 1.0, 100), np.full(20, 0.1), np.full(20, 0.9)])
    result = SequenceResult("made", truth, np.array([BOX] * 141), scores=scores)
    calls = lost_calls([result])
    assert calls == lost_calls([replace(result, states=("tracking",) * 141)])
    assert calls.true_calls == 1
    assert calls.called_lost == pytest.approx(0.02 * 120, abs=1)
    assert lost_calls([SequenceResult("made", truth, np.array([BOX] * 141))]) is None
