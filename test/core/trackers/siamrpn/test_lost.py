"""When SiamRPN gives a target up for lost, and where it finds it again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_siamrpn import Seer, tracker_of, tracker_with

from siam_tracker_core import Box, TrackState
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.trackers.common.lost import LostConfig


def seer_tracker(**values):
    return tracker_with(Seer(), **{"lost": LostConfig(), **values})


def begin(tracker, image, truth):
    seer = tracker.model.backend.network
    seer.truth, seer.asked = truth, ()
    tracker.init(image, truth)


def show(tracker, image, truth):
    seer = tracker.model.backend.network
    seer.truth, seer.asked = truth, tracker.model.search(tracker.state).windows
    return tracker.update(image)


@pytest.mark.parametrize("lost_search", ["sweep", "enlarge"])
def test_a_target_that_leaves_is_lost_and_found_where_it_returns(lost_search):
    made = made_sequence(kind="leaves", frames=130, size=(480, 360), seed=1)
    truths = [None if np.isnan(row).any() else Box.from_array(row) for row in made.boxes]
    tracker = seer_tracker(lost_search=lost_search)
    begin(tracker, made.frames[0], truths[0])
    results = [show(tracker, image, truth) for image, truth in zip(made.frames[1:], truths[1:], strict=True)]
    gone = [number for number, truth in enumerate(truths[1:]) if truth is None]
    states = [result.state for result in results]
    assert all(state is TrackState.TRACKING for state in states[: gone[0]])
    patience = tracker.config.lost.patience
    assert all(state is TrackState.LOST for state in states[gone[0] + patience : gone[-1] + 1])
    sides = {result.response.values.shape[-1] for result in results[gone[0] + patience : gone[-1] + 1]}
    assert sides == ({89} if lost_search == "enlarge" else {17})
    assert TrackState.TRACKING in states[gone[-1] + 1 : gone[-1] + 6]
    back = next(number for number in range(gone[-1] + 1, len(states)) if states[number] is not TrackState.LOST)
    for result, truth in zip(results[back:], truths[back + 1 :], strict=True):
        if truth.centre[0] <= 480:
            assert result.box.centre == pytest.approx(truth.centre, abs=0.05)
    assert results[-1].box.iou(truths[-1]) > 0.7


@pytest.mark.parametrize(("lost_search", "least", "most"), [("enlarge", 1, 1), ("sweep", 6, 48)])
def test_a_lost_target_is_found_far_away(lost_search, least, most):
    """250 px from where it was lost; window and central cells of the search while tracking have no say then.

    The sweep has one window a frame, as tracking has, and a tile in every other frame: 24 tiles in 48 frames at most.
    """
    image = np.zeros((480, 640, 3), np.uint8)
    first, then = Box(100, 200, 50, 50), Box(350, 200, 50, 50)
    tracker = seer_tracker(lost_search=lost_search, window_influence=0.9, centre_cells=5, lost_windows=4)
    begin(tracker, image, first)
    assert show(tracker, image, first).state is TrackState.TRACKING
    for _ in range(7):
        result = show(tracker, image, None)
    assert result.state is TrackState.LOST
    assert result.box.iou(first) > 0.9
    states = []
    while len(states) < 90 and TrackState.UNCERTAIN not in states:
        result = show(tracker, image, then)
        states.append(result.state)
    assert least <= len(states) <= most
    assert result.box.iou(then) > 0.9
    assert show(tracker, image, then).state is TrackState.TRACKING


def test_a_lost_target_is_not_taken_for_something_of_another_shape():
    """Equation 13 still counts: of two proposals far from the middle the surer one is four times as wide."""
    image = np.zeros((480, 640, 3), np.uint8)

    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -8.0), torch.zeros(4, 5, cells, cells)
        if number == 0:
            logits[2, cells // 2, cells // 2] = 8.0
        if number > 5:
            logits[2, 2, 2], logits[2, 14, 14] = 7.0, 6.5
            distances[2, 2, 2, 2] = np.log(4)
        return logits, distances

    tracker = tracker_of(plan, lost=LostConfig(patience=3, recover=0.5), small_share=0.0)
    tracker.init(image, Box(300, 220, 40, 40))
    states = [tracker.update(image).state for _ in range(5)]
    assert states[-1] is TrackState.LOST
    found = tracker.update(image)
    assert found.state is TrackState.UNCERTAIN
    assert found.box.width == pytest.approx(40)
    assert found.box.centre[0] > found.response.box.centre[0]


@pytest.mark.parametrize(("lost_search", "again"), [("sweep", True), ("enlarge", False)])
def test_only_the_sweep_looks_a_second_time(lost_search, again):
    """The enlarged crop shows the same place each time, so nothing is seen from the middle, nor more asked of it."""
    image, box = np.zeros((480, 640, 3), np.uint8), Box(100, 200, 50, 50)
    never_sure = LostConfig(uncertain=0.0, lost=0.0, recover=1.0)
    tracker = seer_tracker(lost_search=lost_search, lost=never_sure)
    begin(tracker, image, box)
    tracker._state = tracker.model.lose(tracker.state)
    assert show(tracker, image, None).state is TrackState.LOST
    assert (tracker.state.lost_search.candidate is not None) is again
