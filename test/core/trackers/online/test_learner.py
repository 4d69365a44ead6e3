"""What is learned of a frame, for one target and for many, without any network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.trackers.online import Learner, OnlineConfig
from siam_tracker_core.trackers.online.filter import gaussians
from siam_tracker_core.trackers.online.peaks import response_at, rival, wanted_at

STRIDE, SIZE, CHANNELS = 8, 9, 6
CONFIG = OnlineConfig(enabled=True, channels=4, kernel=3, targets=2)


def scene(place, seed=0, noise=0.3):
    """Features (CHANNELS, SIZE, SIZE) of noise with a target of one cell, x and y from the middle."""
    rng = np.random.default_rng(seed)
    features = rng.normal(scale=noise, size=(CHANNELS, SIZE, SIZE)).astype(np.float32)
    features[:, SIZE // 2 + place[1], SIZE // 2 + place[0]] += np.linspace(-2, 2, CHANNELS)
    return torch.from_numpy(features)


def begun(learner, seed=0):
    places = [(0, 0), (2, 0), (0, -2), (-3, 1)]
    features = torch.stack([scene(place, seed=10 * seed + number) for number, place in enumerate(places)])
    centres = [(x * STRIDE, y * STRIDE) for x, y in places]
    return learner.begin(features, centres, SIZE, (STRIDE, STRIDE), 0.9)


def decided(learner, state, place, seed, scores=(0.9, 0.9), other=0.0):
    seen = learner.look([state], scene(place, seed)[None], SIZE)[0]
    return learner.decide(state, seen, (place[0] * STRIDE, place[1] * STRIDE), scores, other)


def test_the_response_is_highest_at_the_target():
    learner = Learner(CONFIG, STRIDE)
    state = begun(learner)
    for seed, place in enumerate([(1, 1), (-2, 3), (3, -1)]):
        response = learner.look([state], scene(place, 50 + seed)[None], SIZE)[0].response
        assert divmod(int(response.argmax()), SIZE) == (SIZE // 2 + place[1], SIZE // 2 + place[0])


@pytest.mark.parametrize(
    ("scores", "other", "learned"),
    [
        ((0.9, 0.9), 0.0, True),
        ((0.9, 0.41), 0.49, True),
        ((0.9, 0.39), 0.0, False),  # below the least
        ((0.9, 0.9), 0.51, True),  # another peak, both scores near their means
        ((0.7, 0.9), 0.51, False),  # below 0.8 of 0.9
        ((0.73, 0.61), 0.51, True),
        ((0.9, 0.59), 0.51, False),  # below 0.6 of 1
    ],
)
def test_the_gate_on_both_sides_of_each_threshold(scores, other, learned):
    learner = Learner(CONFIG, STRIDE)
    state = decided(learner, begun(learner), (0, 0), 1, scores, other)
    assert state.decision.learn is learned
    assert (state.lesson is not None) is learned
    (after,) = learner.learn([state])
    assert after.notebook.lessons.count == learned
    assert after.lesson is None


def test_many_targets_learn_what_single_ones_do():
    learner = Learner(replace(CONFIG, targets=3), STRIDE)
    states = [decided(learner, begun(learner, seed), (seed, 1), 30 + seed) for seed in range(3)]
    together = learner.learn(states)
    for state, learned in zip(states, together, strict=True):
        (alone,) = learner.learn([state])
        torch.testing.assert_close(learned.notebook.lessons.weights, alone.notebook.lessons.weights)
        assert not torch.equal(learned.notebook.lessons.weights, state.notebook.lessons.weights)


def test_more_targets_than_there_is_time_for_take_turns():
    learner = Learner(CONFIG, STRIDE)
    states = [begun(learner, seed) for seed in range(5)]
    for frame in range(10):
        states = learner.learn([decided(learner, state, (0, 0), frame) for state in states])
        assert sum(bool(state.passed_over) for state in states) == 3
        told = [decided(learner, state, (0, 0), 99).told for state in states if state.passed_over]
        assert all("the turn of 2 targets" in words for words in told)
        assert max(state.notebook.waited for state in states) <= 2
    assert sum(state.notebook.lessons.count for state in states) == 20


def test_features_that_are_no_numbers_harm_their_own_target_only():
    learner = Learner(CONFIG, STRIDE)
    states = [begun(learner, seed) for seed in range(2)]
    features = torch.stack([scene((0, 0), 1), torch.full((CHANNELS, SIZE, SIZE), torch.nan)])
    good, bad = learner.look(states, features, SIZE)
    assert (good.share, bad.share) == (pytest.approx(CONFIG.share), 0.0)
    assert good.response.isfinite().all()
    judged = [
        learner.decide(state, seen, (0.0, 0.0), (0.9, 0.9), 0.0)
        for state, seen in zip(states, (good, bad), strict=True)
    ]
    fine, harmed = learner.learn(judged)
    assert fine.notebook.lessons.count == 1
    assert harmed.notebook.lessons is states[1].notebook.lessons
    assert "not finite" in harmed.decision.reason


def test_what_was_learned_in_doubt_is_taken_back_with_a_word():
    learner = Learner(replace(CONFIG, keep_every=2, undo_after=3), STRIDE)
    state = begun(learner)
    for frame in range(6):
        (state,) = learner.learn([decided(learner, state, (0, 0), frame)])
    for frame in range(3):
        assert state.notebook.lessons.count == 6
        state = decided(learner, state, (0, 0), frame, (0.9, 0.1))
    assert state.notebook.lessons.count == 4
    assert str(state.decision).endswith("; the last 2 lessons are taken back")


@pytest.mark.slow
def test_ten_thousand_lessons_take_the_memory_of_a_few():
    learner = Learner(CONFIG, STRIDE)
    state = begun(learner)
    frames = [scene((0, 0), seed) for seed in range(8)]

    def held(state):
        notebook = state.notebook
        parts = {}
        for lessons in (notebook.lessons, notebook.safe, notebook.young):
            for part in (*lessons.first, *lessons.recent, lessons.weights):
                storage = part.untyped_storage()
                parts[storage.data_ptr()] = storage.nbytes()
        return sum(parts.values())

    sizes = []
    for frame in range(10_000):
        seen = learner.look([state], frames[frame % 8][None], SIZE)[0]
        (state,) = learner.learn([learner.decide(state, seen, (0.0, 0.0), (0.9, 0.9), 0.0)])
        if frame in (45, 9_995):
            sizes.append(held(state))
    assert sizes[0] == sizes[1]
    assert state.notebook.lessons.count == 10_000


def test_what_else_there_is_on_a_map():
    scores = torch.zeros(9, 9)
    scores[4, 4], scores[4, 5], scores[1, 8], scores[7, 2] = 1.0, 0.9, 0.4, 0.6
    assert rival(scores, (0.0, 0.0), (1.0, 1.0)) == pytest.approx(0.6)
    assert rival(scores, (-2.0, 3.0), (1.0, 1.0)) == 1.0
    assert rival(scores, (0.0, 0.0), (9.0, 9.0)) == 0.0
    assert response_at(scores, (0.0, 1.0)) == 1.0
    assert response_at(scores, (-30.0, 30.0)) == 0.0
    assert response_at(scores, (3.0, -2.0)) == pytest.approx(0.4)


@given(x=st.floats(-4, 4), y=st.floats(-4, 4), width=st.floats(0.5, 4), height=st.floats(0.5, 4))
def test_a_response_as_it_is_wanted_is_one_wherever_it_lies_between_the_cells(x, y, width, height):
    response = gaussians(torch.tensor([[x, y]]), torch.tensor([[width, height]]), 11)[0]
    wanted = wanted_at(11, (x, y), (width, height))
    assert response_at(response, (x, y)) / wanted == pytest.approx(1.0, abs=1e-4)
    assert response_at(0.6 * response, (x, y)) / wanted == pytest.approx(0.6, abs=1e-4)
