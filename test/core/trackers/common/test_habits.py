"""Means of what is usual, against a sum over all frames, and what a lost target is looked for with."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core import Box, load_tracker
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.trackers.common.habits import RATE, Habits

SIDES = st.floats(1, 500)
BOXES = st.builds(Box.from_centre, st.floats(-100, 900), st.floats(-100, 900), SIDES, SIDES)


@given(boxes=st.lists(BOXES, min_size=1, max_size=30))
def test_habits_are_sums_in_which_older_frames_fade(boxes):
    habits = Habits.of(boxes[0])
    for before, box in itertools.pairwise(boxes):
        habits = habits.after(before, box)
    rows = np.array([[*box.centre, box.width, box.height] for box in boxes])
    steps = np.diff(rows[:, :2], axis=0, prepend=rows[:1, :2])
    weights = RATE * (1 - RATE) ** np.arange(len(boxes) - 1, -1, -1.0)
    weights[0] = (1 - RATE) ** (len(boxes) - 1)
    np.testing.assert_allclose(habits.velocity, weights @ steps, atol=1e-9)
    np.testing.assert_allclose(habits.size, weights @ rows[:, 2:], rtol=1e-9)


@pytest.mark.parametrize(("seen", "looked_for"), [(0.5, 1.0), (0.66, 1.0), (0.68, 0.68), (1.2, 1.2)])
@pytest.mark.parametrize("name", ["siamrpn_mobilenetv2", "siamfc"])
def test_a_lost_target_of_which_a_part_was_seen_last_is_looked_for_as_large_as_it_was(name, seen, looked_for):
    """As one that goes behind a wall; one that is hardly smaller than usual is as large as it looks."""
    made = made_sequence(frames=2, size=(320, 240))
    tracker = load_tracker(name, device="cpu", runtime="torch")
    tracker.init(made.frames[0], made.boxes[0])
    state = tracker.state
    whole = state.box
    part = Box.from_centre(*whole.centre, seen * whole.width, whole.height)
    side = state.search_side * np.sqrt(seen)
    lost = tracker.model.lose(replace(state, box=part, confident_box=part, confident_side=side))
    assert (lost.box.width, lost.box.height) == pytest.approx((looked_for * whole.width, whole.height))
    assert lost.search_window.size == pytest.approx(np.sqrt(looked_for) * state.search_side)
    assert tracker.model.search(lost).windows[0].size == pytest.approx(lost.search_window.size)
