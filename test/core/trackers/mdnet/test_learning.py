"""How a classifier learns: a budget of rounds, several targets at once, one seed, and aside from the frame."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from small_classifier import CPU, SIZE, TARGET, config, parameters, taught

from siam_tracker_core.crop import Frame
from siam_tracker_core.networks.mdnet import FEATURES
from siam_tracker_core.trackers.mdnet.classifier import Classifier, Term, scores_together
from siam_tracker_core.trackers.mdnet.update import Learner, OnlineUpdate, begin, run_pending, run_rounds


def test_several_targets_learn_as_each_alone(network):
    together = [taught(network, seed) for seed in (1, 2, 3)]
    alone = [taught(network, seed) for seed in (1, 2, 3)]
    settings = together[0].sgd(1e-2)
    before = parameters(together[0]).clone()
    run_rounds(together, 3, settings)
    for classifier in alone:
        run_rounds([classifier], 3, settings)
    features = torch.rand(3, 10, FEATURES)
    said = scores_together(together, features)
    for one, other, mine, answer in zip(together, alone, features, said, strict=True):
        torch.testing.assert_close(parameters(one), parameters(other), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(answer, other.scores(mine), rtol=1e-3, atol=1e-3)
    assert (parameters(together[0]) - before).abs().max() > 1e-4


def test_a_budget_spreads_rounds_over_frames(network):
    whole, spread = (taught(network, 1, update_rounds=5) for _ in range(2))
    for classifier in (whole, spread):
        classifier.request(Term.LONG)
    run_pending([whole])
    left = []
    for _ in range(4):
        run_pending([spread], budget=2)
        left.append(spread.rounds_left)
    assert left == [3, 1, 0, 0]
    torch.testing.assert_close(parameters(whole), parameters(spread), rtol=0, atol=0)


def test_targets_with_different_rounds_left_learn_as_alone(network):
    together, alone = ([taught(network, seed, update_rounds=3) for seed in (1, 2)] for _ in range(2))
    for pair in (together, alone):
        pair[0].request(Term.LONG)
        run_pending(pair, budget=1)
        pair[1].request(Term.SHORT)
    run_pending(together)
    for classifier in alone:
        run_pending([classifier])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(parameters(one), parameters(other), rtol=1e-4, atol=1e-6)


def test_what_never_saw_a_negative_does_not_learn(network):
    classifier = Classifier(network, config())
    classifier.remember(torch.rand(3, FEATURES), torch.empty(0, FEATURES))
    before = parameters(classifier).clone()
    classifier.request(Term.SHORT)
    run_pending([classifier])
    assert torch.equal(parameters(classifier), before)


def test_one_seed_learns_the_same_whatever_the_mode(network, picture, seen):
    frame = Frame.upload(picture, CPU)
    classifiers = [Classifier(network, config()) for _ in range(2)]
    for classifier, inside in zip(classifiers, (True, False), strict=True):
        with torch.inference_mode(inside):
            begin(classifier, frame, TARGET, np.random.default_rng(0))
    first, second = classifiers
    assert torch.equal(parameters(first), parameters(second))
    assert sum(seen) == 2 * (6 + 12), "each box goes through the convolutions once"
    assert (len(first.positives), len(first.negatives)) == (6, 5)


@pytest.mark.parametrize("in_worker", [False, True])
def test_updates_look_at_each_box_once_and_remember_it(network, picture, seen, in_worker):
    learner = Learner(network, in_worker, 0)
    classifier = taught(network, 0, frames=1)
    known = len(classifier.positives)
    samples = classifier.samples(TARGET, SIZE, np.random.default_rng(0))
    learner.teach(Frame.upload(picture, CPU), [OnlineUpdate(classifier, samples, Term.LONG)])
    learner.teach(Frame.upload(picture, CPU), [OnlineUpdate(classifier, None, Term.SHORT)])
    learner.close()
    assert sum(seen) == len(samples.positives) + len(samples.negatives)
    assert len(classifier.positives) == known + len(samples.positives)
    assert classifier.rounds_left == 0


def test_learning_aside_equals_learning_at_once(network, picture):
    """With two targets, a budget, and pictures that change after the frame was handed over."""
    ends = []
    for in_worker in (False, True):
        learner, rng = Learner(network, in_worker, 3), np.random.default_rng(0)
        classifiers = [taught(network, seed, frames=1) for seed in (1, 2)]
        for number, term in enumerate((Term.LONG, None, Term.SHORT)):
            image = np.roll(picture, 3 * number, axis=1).copy()
            updates = [OnlineUpdate(each, each.samples(TARGET, SIZE, rng), term) for each in classifiers]
            learner.teach(Frame.upload(image, CPU), updates)
            image[:] = 0
        learner.close()
        ends.append([parameters(classifier) for classifier in classifiers])
    for one, other in zip(*ends, strict=True):
        assert torch.equal(one, other)


def test_a_frame_is_learned_once_though_learning_fails_for_all_together(network, picture, monkeypatch):
    """The guard of an update asks for each target alone then, with the same frame."""
    learner, frame = Learner(network, False, 0), Frame.upload(picture, CPU)
    pair = [taught(network, seed, frames=1) for seed in (1, 2)]
    twin = taught(network, 1, frames=1)
    known = [len(each.positives) for each in pair]
    boxes = pair[0].samples(TARGET, SIZE, np.random.default_rng(0))
    updates = [OnlineUpdate(each, boxes, Term.LONG) for each in pair]

    def fail(some, *settings):
        if pair[1] in some:
            raise RuntimeError("no convergence")
        run_rounds(some, *settings)

    monkeypatch.setattr("siam_tracker_core.trackers.mdnet.update.run_rounds", fail)
    for some in (updates, updates[:1], updates[:1], updates[1:]):
        with contextlib.suppress(RuntimeError):
            learner.teach(frame, some)
    Learner(network, False, 0).teach(frame, [OnlineUpdate(twin, boxes, Term.LONG)])
    assert torch.equal(parameters(pair[0]), parameters(twin))
    assert [len(each.positives) - before for each, before in zip(pair, known, strict=True)] == [
        len(boxes.positives)
    ] * 2
    learner.teach(Frame.upload(picture, CPU), updates[:1])
    assert not torch.equal(parameters(pair[0]), parameters(twin)), "another frame is learned"


def test_what_fails_in_the_worker_is_told(network, picture):
    learner = Learner(network, True, 0)
    classifier = taught(network, 0, frames=1)
    classifier.config = None  # breaks the rounds
    learner.teach(Frame.upload(picture, CPU), [OnlineUpdate(classifier, None, Term.LONG)])
    with pytest.raises(AttributeError):
        learner.wait()
    learner.close()


def test_it_learns_to_tell_the_target_from_the_rest(network, picture):
    settings = config(init_positives=16, init_negatives=32, init_rounds=12, hard_pool=32)
    classifier = Classifier(network, settings)
    frame = Frame.upload(picture, CPU)
    begin(classifier, frame, TARGET, np.random.default_rng(0))
    boxes = np.array([[61, 41, 40, 30], [58, 38, 42, 31], [5, 5, 40, 30], [110, 80, 40, 30]], dtype=float)
    scores = classifier.scores(network.look(frame, boxes))[:, 1]
    assert scores[:2].min() > 0 > scores[2:].max()
