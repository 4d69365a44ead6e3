"""Scores, states, and the search for a lost target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Window
from siam_tracker_core.trackers.common.calibration import Calibration, evidence_vector, log_odds
from siam_tracker_core.trackers.common.lost import FOLLOWED, Confidence, LostConfig, LostSearch
from siam_tracker_core.trackers.common.response import peak_to_sidelobe
from siam_tracker_core.trackers.results import TrackState

CONFIG = LostConfig(uncertain=0.5, lost=0.25, patience=3, recover=0.7)


def states(scores: list[float], config: LostConfig = CONFIG) -> str:
    confidence, seen = Confidence(), ""
    for score in scores:
        confidence = confidence.after(score, config)
        seen += confidence.state.value[0]
    return seen


def test_states_follow_the_scores():
    assert states([0.9, 0.5, 0.49, 0.3, 0.9]) == "ttuut"
    assert states([0.2, 0.2, 0.9]) == "uut"
    assert states([0.2, 0.2, 0.2, 0.6, 0.69]) == "uulll"
    assert states([0.2, 0.2, 0.5, 0.2, 0.2, 0.2]) == "uutuul"


def test_a_score_between_the_thresholds_takes_no_doubt_away():
    """As over the demo's meadow, where a target that is gone has scores of 0.01 to 0.15: it was UNCERTAIN for ever."""
    assert states([0.2, 0.3, 0.2, 0.49, 0.2]) == "uuuul"
    meadow = [0.03, 0.001, 0.0, 0.001, 0.059, 0.030, 0.043, 0.039]
    assert states(meadow, LostConfig(uncertain=0.5, lost=0.05, patience=7, recover=0.9)) == "uuuuuuul"


def test_a_find_is_on_trial_until_the_next_frame():
    assert states([0.1, 0.1, 0.1, 0.7, 0.5, 0.9]) == "uulutt"
    assert states([0.1, 0.1, 0.1, 0.7, 0.49, 0.49]) == "uulull"


def test_what_is_not_familiar_is_never_found():
    lost = Confidence(TrackState.LOST)
    assert lost.after(0.99, CONFIG, familiar=False) == lost
    found = lost.after(0.99, CONFIG)
    assert found.on_trial
    assert found.after(0.99, CONFIG, familiar=False).state is TrackState.LOST
    assert found.after(0.99, CONFIG).after(0.99, CONFIG, familiar=False).state is TrackState.TRACKING


def test_what_is_not_recognised_after_doubt_leads_to_loss_whatever_its_score():
    """A look-alike at the other side of a pillar has a score where the target has none."""
    doubt = Confidence().after(0.2, CONFIG)
    assert doubt.after(0.9, CONFIG) == Confidence()
    stranger = doubt.after(0.9, CONFIG, recognised=False)
    assert (stranger.state, stranger.doubtful) == (TrackState.UNCERTAIN, 2)
    assert "after doubt, something with score 0.90" in stranger.reason(0.9, CONFIG)
    assert stranger.after(0.9, CONFIG, recognised=False).state is TrackState.LOST


def test_nothing_is_asked_of_a_target_that_no_frame_spoke_against():
    assert Confidence().after(0.9, CONFIG, recognised=False) == Confidence()
    assert Confidence().after(0.4, CONFIG).after(0.9, CONFIG, recognised=False) == Confidence()
    # Between the thresholds a frame says nothing, recognised or not.
    assert Confidence().after(0.2, CONFIG).after(0.4, CONFIG, recognised=False).doubtful == 1


def test_each_state_but_tracking_has_its_reason():
    confidence, told = Confidence(), []
    for score in (0.9, 0.2, 0.2, 0.2, 0.7):
        confidence = confidence.after(score, CONFIG)
        told.append(confidence.reason(score, CONFIG))
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


def first_seen(search: LostSearch, places: np.ndarray, count: int, frames: int) -> np.ndarray:
    """The frame, from 1, in which each place first lies in a window's share of the picture; by trying all of them."""
    seen = np.full(len(places), frames + 1)
    for frame in range(1, frames + 1):
        for window in search.windows(count):
            away = np.abs(places - [window.centre_x, window.centre_y]).max(axis=1)
            seen[(away <= search.step / 2 + 1e-6) & (seen > frame)] = frame
        search = search.after(count)
    return seen


@pytest.mark.parametrize("home", [(960, 540), (1425, 585), (500, 500), (1880, 40)])
def test_far_places_of_full_hd_are_seen_within_three_seconds(home):
    """160 px windows 80 px apart, three a frame: all places up to 640 px away in 90 frames, all others in 150."""
    x, y = np.meshgrid(np.arange(0.0, 1921, 24), np.arange(0.0, 1081, 24))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    seen = first_seen(LostSearch.around(Window(*home, 160), 80, (1920, 1080)), places, 3, 150)
    assert seen.max() <= 150, "the whole picture"
    near = np.hypot(*(places - home).T)
    assert seen[near <= 300].max() <= 30
    assert seen[near <= 640].max() <= 90


def test_a_corner_700_px_away_is_seen_within_three_seconds():
    """From wherever a target was lost at that distance of a corner of a full HD picture."""
    corner = np.array([[1920.0, 1080.0]])
    for angle in np.radians(np.arange(180, 271, 5)):
        home = corner[0] + 700 * np.array([np.cos(angle), np.sin(angle)])
        search = LostSearch.around(Window(*home, 160), 80, (1920, 1080))
        assert first_seen(search, corner, 3, 90)[0] <= 90, f"{np.degrees(angle):.0f} degrees"


def test_near_places_are_seen_more_often():
    search, home = LostSearch.around(Window(500, 500, 160), 80, (1920, 1080)), (500, 500)
    looks = {"home": 0, "beside": 0, "all": 0}
    for _ in range(320):
        for window in search.windows(3):
            away = max(abs(window.centre_x - home[0]), abs(window.centre_y - home[1]))
            looks["home"] += away == 0
            looks["beside"] += 0 < away <= 80
            looks["all"] += 1
        search = search.after(3)
    assert looks["all"] == 960, "what a frame costs stays"
    assert looks["home"] == 320 / 4
    assert looks["beside"] / 8 > 3 * looks["all"] / len(search.tiles)


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, -1.0), (0.6, 0.8)])
def test_where_a_moving_target_would_be_is_seen_every_fourth_frame(direction):
    """One window a frame; the target goes on behind something at 3 px a frame, and comes out after 12 to 30 frames."""
    home = np.array([320.0, 240.0])
    search = LostSearch.around(Window(*home, 160), 80, (640, 480), (3 * direction[0], 3 * direction[1]), doubtful=7)
    looked = []
    for frame in range(60):
        (window,) = search.windows(1)
        out = home + np.array(direction) * 3 * min(7 + frame, 30)
        if np.abs(out - [window.centre_x, window.centre_y]).max() <= 1e-6:
            looked.append(frame)
        search = search.after(1)
    assert len(looked) == 15
    assert np.diff(looked).max() <= 4


@pytest.mark.parametrize("count", [1, 3])
def test_what_may_be_the_target_is_looked_at_again_from_the_middle_for_three_frames(count):
    search = LostSearch.around(Window(300, 200, 160), 80, (640, 480)).after(count)
    undisturbed = search
    for _ in range(FOLLOWED):
        search = search.noticing((510.0, 77.0))
        first, *others = search.windows(count)
        assert (first.centre_x, first.centre_y, first.size) == (510, 77, 160)
        assert len(others) == count - 1
        search = search.after(count)
    search = search.noticing((510.0, 77.0))
    assert search.candidate is None
    if count == 1:  # the search goes on where it was
        assert search.windows(1) == undisturbed.windows(1)
    assert search.after(count).noticing((510.0, 77.0)).candidate == (510, 77)


def test_a_second_look_from_the_middle_needs_a_higher_score():
    config, lost = LostConfig(recover=0.8), Confidence(TrackState.LOST)
    assert lost.after(0.85, config).state is TrackState.UNCERTAIN
    assert lost.after(0.85, config.for_second_look()).state is TrackState.LOST
    assert lost.after(0.9, config.for_second_look()).state is TrackState.UNCERTAIN


def test_a_target_that_stood_still_is_looked_for_on_all_sides_alike():
    still, drifting = (
        LostSearch.around(Window(300, 200, 160), 80, (640, 480), velocity) for velocity in ((0.0, 0.0), (1.0, 0.5))
    )
    for _ in range(80):
        assert still.windows(1) == drifting.windows(1)
        still, drifting = still.after(1), drifting.after(1)


@pytest.mark.parametrize(
    ("step", "size", "count"),
    [(120, (640, 480), 1), (100, (640, 480), 1), (60, (640, 480), 2), (80, (1920, 1080), 5)],
)
def test_a_lost_frame_has_as_few_windows_as_show_the_picture_in_three_seconds(step, size, count):
    search = LostSearch.around(Window(300, 200, 2 * step), step, size)
    assert search.budget(1, 25) == count
    assert search.budget(3, 3) == 3
    places = np.stack(np.meshgrid(np.arange(0.0, size[0], 24), np.arange(0.0, size[1], 24)), axis=-1).reshape(-1, 2)
    assert first_seen(search, places, count, 90).max() <= 90
    if count > 1:
        assert first_seen(search, places, count - 1, 90).max() > 90


@given(
    st.tuples(st.floats(0, 700), st.floats(0, 500)),
    st.floats(5, 900),
    st.tuples(st.integers(1, 700), st.integers(1, 500)),
    st.integers(1, 5),
    st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
)
def test_windows_of_a_lost_target_stay_in_the_picture(home, step, size, count, velocity):
    home = min(home[0], size[0]), min(home[1], size[1])
    search = LostSearch.around(Window(*home, 2 * step), step, size, velocity)
    for _ in range(12):
        windows = search.windows(count)
        assert windows == search.windows(count), "a question changes nothing"
        assert len(windows) == count
        assert all(0 <= window.centre_x <= size[0] and 0 <= window.centre_y <= size[1] for window in windows)
        search = search.after(count)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"uncertain": 0.9, "recover": 0.7}, "for ever"), ({"lost": 0.8, "recover": 0.7}, "one score")],
)
def test_thresholds_that_flip_a_target_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        LostConfig(**values)


def test_the_states_have_the_words_of_the_messages():
    assert [state.value for state in TrackState] == ["tracking", "uncertain", "lost"]


@given(st.floats(0.001, 0.999))
def test_log_odds_are_the_inverse_of_the_logistic_function(probability):
    assert 1 / (1 + math.exp(-log_odds(probability))) == pytest.approx(probability)


def test_log_odds_of_certainty_are_finite():
    assert -14 < log_odds(0.0) < -13
    assert 13 < log_odds(1.0) < 14
