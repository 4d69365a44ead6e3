"""The gate of section 3.3: both sides of each threshold, and both readings of its mixed-up sentence."""

from __future__ import annotations

import numpy as np
import pytest

from siam_tracker_core.trackers.common.gate import Gate, GateConfig

EDGE = 1e-9


def gate(**changes):
    """A gate that has seen six frames with a matching score of 0.9 and a classification score of 0.95."""
    made = Gate(GateConfig(**changes), ((0.9, 0.95),))
    for _ in range(5):
        made = made.after(0.9, 0.95)
    return made


@pytest.mark.parametrize(("ratio", "learn"), [(0.8 - EDGE, True), (0.8, True), (0.8 + EDGE, False), (1.0, False)])
def test_another_peak_above_gamma_m_asks_for_more(ratio, learn):
    """Low scores do not matter while no other peak *exceeds* 0.8 of the highest."""
    decision = gate().decide(0.1, 0.1, [0.3, ratio])
    assert decision.learn is learn
    assert ("no other peak is above 0.8" in str(decision)) is learn


@pytest.mark.parametrize(("distractor", "learn"), [(0.8, True), (0.75, False)])
def test_a_peak_between_both_gammas_is_where_the_readings_differ(distractor, learn):
    assert gate(distractor=distractor).decide(0.1, 0.1, [0.78]).learn is learn


@pytest.mark.parametrize(
    ("matching", "classification", "learn", "named"),
    [
        (0.72 + EDGE, 0.57 + EDGE, True, "both scores are near their means"),
        (0.72 - EDGE, 0.57 + EDGE, False, "the matching score 0.72 is not above 0.8 of its mean 0.90"),
        (0.72 + EDGE, 0.57 - EDGE, False, "the classification score 0.57 is not above 0.6 of its mean 0.95"),
        (0.72 - EDGE, 0.57 - EDGE, False, "0.90 and the classification score"),
    ],
)
def test_both_scores_must_exceed_their_share_of_the_mean(matching, classification, learn, named):
    decision = gate().decide(matching, classification, [0.9])
    assert decision.learn is learn
    assert named in decision.reason
    assert str(decision).startswith("learned: 1 other peak is" if learn else "not learned: 1 other peak is")


def test_a_score_exactly_at_its_share_does_not_exceed_it():
    made = Gate(GateConfig(frames=1, matching=0.5, classification=0.5), ((0.5, 0.5),))
    assert not made.decide(0.25, 0.5, [1.0]).learn
    made = Gate(GateConfig(frames=1, matching=0.5, classification=0.5), ((0.5, 0.5),))
    assert made.decide(0.25 + EDGE, 0.5, [1.0]).learn


def test_means_are_over_the_last_frames_before_this_one():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (30, 2))
    made = Gate(GateConfig(frames=6), (tuple(scores[0]),))
    for index in range(1, 30):
        before = scores[max(0, index - 6) : index]
        assert made.means == pytest.approx(tuple(before.mean(axis=0)))
        others = [1.0] * (index % 3)
        expected = not others or (
            scores[index, 0] > 0.8 * before[:, 0].mean() and scores[index, 1] > 0.6 * before[:, 1].mean()
        )
        assert made.decide(*scores[index], others).learn is bool(expected)
        made = made.after(*scores[index])


def test_frames_that_were_not_learned_from_are_remembered_too():
    made = gate()
    for _ in range(6):
        made = made.after(0.3, 0.2)
    assert made.means == pytest.approx((0.3, 0.2))
    assert made.decide(0.3, 0.2, [1.0]).learn


@pytest.mark.parametrize("policy", ["always", "never"])
def test_without_the_gate(policy):
    for others in ([], [1.0]):
        decision = gate(policy=policy).decide(0.1, 0.1, others)
        assert decision.learn is (policy == "always")
        assert policy in decision.reason


@pytest.mark.parametrize(("score", "learn"), [(0.5 - EDGE, False), (0.5, True)])
def test_a_least_score_can_be_asked_for(score, learn):
    decision = gate(least=0.5).decide(0.9, score, [])
    assert decision.learn is learn
    assert ("below the least" in decision.reason) is not learn


def test_several_peaks_are_counted():
    assert "2 other peaks are above 0.8 of the highest" in gate().decide(0.9, 0.95, [0.95, 0.7, 0.85]).reason
