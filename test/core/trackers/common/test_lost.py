"""Scores, states, and the search for a lost target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.geometry import Window
from siam_tracker_core.trackers.base import TrackState
from siam_tracker_core.trackers.confidence import (
    Calibration,
    LostConfig,
    StateMachine,
    evidence_vector,
    log_odds,
    peak_to_sidelobe,
)
from siam_tracker_core.trackers.lost_search import LostSearch, ring

CONFIG = LostConfig(uncertain=0.5, lost=0.25, patience=3, recover=0.7)


def states(scores: list[float], config: LostConfig = CONFIG) -> str:
    machine = StateMachine(config)
    return "".join(machine.see(score).value[0] for score in scores)


def test_states_follow_the_scores():
    assert states([0.9, 0.5, 0.49, 0.3, 0.9]) == "ttuut"
    assert states([0.2, 0.2, 0.9]) == "uut"
    assert states([0.2, 0.2, 0.2, 0.6, 0.69]) == "uulll"
    assert states([0.2, 0.3, 0.2, 0.2, 0.2]) == "uuuul"


def test_a_find_is_on_trial_until_the_next_frame():
    assert states([0.1, 0.1, 0.1, 0.7, 0.5, 0.9]) == "uulutt"
    assert states([0.1, 0.1, 0.1, 0.7, 0.49, 0.49]) == "uulull"


def test_each_state_but_tracking_has_its_reason():
    machine = StateMachine(CONFIG)
    told = []
    for score in (0.9, 0.2, 0.2, 0.2, 0.7):
        machine.see(score)
        told.append(machine.reason(score))
    assert told == [
        "",
        "score 0.20 is below 0.5",
        "score 0.20 is below 0.5",
        "no response with score 0.7 or more, the best has 0.20",
        "found again with score 0.70, to be confirmed by the next frame",
    ]


@pytest.mark.parametrize("evidence", [(math.nan, 1.0), (1.0, math.nan), (math.inf, -math.inf)])
def test_evidence_that_is_no_number_speaks_for_nothing(evidence):
    assert Calibration().score(*evidence) == 0.0


def test_without_the_switch_nothing_is_ever_lost():
    assert states([0.0] * 20, LostConfig(enabled=False)) == "u" * 20


@given(st.floats(-3, 3), st.floats(0, 100), st.floats(0, 3))
def test_scores_are_probabilities_that_grow_with_the_evidence(peak, psr, more):
    calibration = Calibration()
    low = calibration.score(*evidence_vector(peak, 1.0, psr))
    high = calibration.score(*evidence_vector(peak + more, 1.0, psr + more))
    assert 0 <= low <= high <= 1


def test_peak_to_sidelobe_equals_its_definition():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 17, 17))
    rows, columns = np.array([8, 0, 16]), np.array([8, 3, 15])
    expected = []
    for map_, row, column in zip(maps, rows, columns, strict=True):
        map_[row, column] = 9
        sidelobe = [map_[y, x] for y in range(17) for x in range(17) if max(abs(y - row), abs(x - column)) > 3]
        expected.append((9 - np.mean(sidelobe)) / np.std(sidelobe))
    found = peak_to_sidelobe(*(torch.from_numpy(array) for array in (maps, rows, columns)), radius=3)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_rings_are_whole(radius):
    cells = ring(radius)
    assert len(cells) == len(set(cells)) == 8 * radius
    assert all(max(abs(x), abs(y)) == radius for x, y in cells)


def test_lost_search_grows_over_the_whole_image_and_keeps_to_it():
    home = Window(100, 90, 80)
    search = LostSearch(home, step=40, image_size=(320, 240))
    seen: list[tuple[float, float]] = []
    for _ in range(150):
        windows = search.windows(3)
        assert len(windows) == 3
        assert windows[0] == home
        seen += [(window.centre_x, window.centre_y) for window in windows]
    assert all(0 <= x <= 320 and 0 <= y <= 240 for x, y in seen)
    wanted = {(x, y) for x in range(20, 321, 40) for y in range(10, 241, 40)}
    assert wanted <= set(seen)
    first_ring = {(100 + 40 * x, 90 + 40 * y) for x, y in ring(1)}
    assert set(seen[:12]) <= first_ring | {(100, 90)}


def test_lost_search_ends_nowhere_even_without_tiles():
    home = Window(5, 5, 4000)
    assert LostSearch(home, 2000, (10, 10)).windows(3) == [home] * 3


def test_the_states_have_the_words_of_the_messages():
    assert [state.value for state in TrackState] == ["tracking", "uncertain", "lost"]


@given(st.floats(0.001, 0.999))
def test_log_odds_are_the_inverse_of_the_logistic_function(probability):
    assert 1 / (1 + math.exp(-log_odds(probability))) == pytest.approx(probability)


def test_log_odds_of_certainty_are_finite():
    assert -14 < log_odds(0.0) < -13
    assert 13 < log_odds(1.0) < 14
