"""The online classifier: memory, hard negatives, descent, several targets at once, and learning aside."""

from __future__ import annotations

import contextlib
import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box
from siam_tracker_core.networks.mdnet import FEATURES, PY_MDNET_CONTEXT, MDNet
from siam_tracker_core.trackers.mdnet.batched_head import (
    Head,
    SGDConfig,
    hardest,
    logits,
    sgd_step,
    stacked,
    write_back,
)
from siam_tracker_core.trackers.mdnet.classifier import Classifier, Term, scores_together
from siam_tracker_core.trackers.mdnet.config import ClassifierConfig
from siam_tracker_core.trackers.mdnet.memory import FrameMemory
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork, with_margin
from siam_tracker_core.trackers.mdnet.update import Learner, OnlineUpdate, begin, run_pending, run_rounds
from siam_tracker_core.training.mdnet import initialise

CPU = torch.device("cpu")
SMALL = {
    "init_positives": 6,
    "init_negatives": 12,
    "init_rounds": 2,
    "update_positives": 3,
    "update_negatives": 5,
    "update_rounds": 4,
    "batch_positives": 4,
    "batch_negatives": 6,
    "hard_pool": 10,
    "long_memory": 5,
    "short_memory": 3,
}


def config(**changes) -> ClassifierConfig:
    return ClassifierConfig(**{**SMALL, **changes})


@pytest.fixture(scope="module")
def network() -> PatchNetwork:
    torch.manual_seed(0)
    made = MDNet(domains=0)
    initialise(made.backbone)
    return PatchNetwork(made, CPU, precision="single")


@pytest.fixture
def seen(network):
    """How many patches went through the convolutions, call by call."""
    counts: list[int] = []
    hook = network.network.backbone.register_forward_hook(lambda _, args, __: counts.append(len(args[0])))
    yield counts
    hook.remove()


@pytest.fixture(scope="module")
def picture():
    """Noise with a bright square in it."""
    image = np.random.default_rng(0).integers(0, 90, (120, 160, 3)).astype(np.uint8)
    image[40:70, 60:100] = 230
    return image


TARGET, SIZE = Box(60, 40, 40, 30), (160, 120)


def taught(network: PatchNetwork, seed: int, frames: int = 2, **changes) -> Classifier:
    """A classifier that remembers made-up features, for what needs no picture."""
    classifier = Classifier(network, config(seed=seed, **changes))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(frames):
        near = torch.rand(8, FEATURES, generator=generator) + 0.2
        classifier.remember(near, torch.rand(9, FEATURES, generator=generator))
    return classifier


def parameters(classifier: Classifier) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in classifier.head.parameters])


# Memory


def test_memory_keeps_the_last_frames_and_no_more():
    """Ten thousand frames against a list that is cut; the space is the same from first to last."""
    rng, frames, rows = np.random.default_rng(0), 7, 40
    memory = FrameMemory(frames, rows, 3, torch.float32, CPU)
    known: list[torch.Tensor] = []
    space = memory._rows.untyped_storage().nbytes(), memory._rows.data_ptr()
    for number in range(10_000):
        count = int(rng.integers(0, 12))
        features = torch.full((count, 3), float(number)) + torch.arange(count)[:, None] / 100
        memory.push(features)
        if count:
            known.append(features)
        known = known[-frames:]
        while sum(len(part) for part in known) > rows:
            known.pop(0)
        assert len(memory) == sum(len(part) for part in known)
        assert memory.rows_of_last(2) == sum(len(part) for part in known[-2:])
        if number % 50 == 0 and known:
            whole = torch.cat(known)
            places = torch.from_numpy(rng.permutation(len(whole)))
            torch.testing.assert_close(memory.take(places), whole[places], rtol=0, atol=0)
    assert memory.frames <= frames
    assert (memory._rows.untyped_storage().nbytes(), memory._rows.data_ptr()) == space


def test_a_classifier_s_memory_is_that_of_its_frames(network):
    classifier = Classifier(network, config())
    space = classifier.positives._rows.shape[0], classifier.negatives._rows.shape[0]
    assert space == (6 + 4 * 3, 3 * 5)
    for number in range(40):
        classifier.remember(torch.full((3, FEATURES), float(number)), torch.full((5, FEATURES), float(number)))
    assert (classifier.positives.frames, classifier.negatives.frames) == (5, 3)
    oldest = classifier.positives.take(torch.tensor([0]))[0, 0], classifier.negatives.take(torch.tensor([0]))[0, 0]
    assert [float(value) for value in oldest] == [35.0, 37.0]


def test_what_is_no_number_is_not_remembered(network):
    classifier = Classifier(network, config())
    features = torch.rand(4, FEATURES)
    features[1, 5], features[2, 0] = torch.nan, torch.inf
    classifier.remember(features, features[1:3])
    assert (len(classifier.positives), len(classifier.negatives)) == (2, 0)


def test_short_term_updates_take_positives_of_recent_frames_only(network):
    classifier = Classifier(network, config(batch_positives=200, short_memory=2))
    for number in range(5):
        classifier.remember(torch.full((3, FEATURES), float(number)), torch.rand(5, FEATURES))
    for term, expected in ((Term.SHORT, {3.0, 4.0}), (Term.LONG, {0.0, 1.0, 2.0, 3.0, 4.0})):
        classifier.request(term)
        positives, _, _ = classifier.batch()
        assert set(positives[:, 0].tolist()) == expected


# Heads


def test_hard_negatives_are_those_that_score_highest(network):
    classifiers = [Classifier(network, config(seed=seed)) for seed in (1, 2)]
    stack = stacked([classifier.head for classifier in classifiers])
    pool = torch.rand(2, 30, FEATURES, generator=torch.Generator().manual_seed(3)) * 20
    again = torch.zeros(2, 30, dtype=torch.bool)
    again[:, 20:] = True
    found = hardest(stack, pool, again, 7)
    for classifier, mine, chosen in zip(classifiers, pool, found, strict=True):
        scores = [float(classifier.scores(row[None])[0, 1]) for row in mine[:20]]
        order = sorted(range(20), key=lambda place: -scores[place])[:7]
        torch.testing.assert_close(chosen, mine[order])


def test_repeated_rows_are_chosen_last(network):
    stack = stacked([Classifier(network, config()).head])
    pool = torch.rand(1, 4, FEATURES).repeat(1, 3, 1)
    again = torch.arange(12)[None] >= 4
    chosen = hardest(stack, pool, again, 5)[0]
    assert len(torch.unique(chosen, dim=0)) == 4


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_step_is_that_of_pytorch(clip):
    """The same layers as modules, with an optimiser of PyTorch, one target at a time."""
    network = MDNet(domains=0)
    network.eval()
    heads = [Head(network, torch.Generator().manual_seed(seed), CPU) for seed in (1, 2)]
    modules = []
    for seed in (1, 2):
        module = copy.deepcopy(network)
        module.add_domain(torch.Generator().manual_seed(seed))
        modules.append(module.eval())  # no dropout
    settings = SGDConfig(1e-2, 10.0, 0.9, 5e-4, clip)
    generator = torch.Generator().manual_seed(5)
    steps = [(torch.rand(2, 3, FEATURES, generator=generator), torch.rand(2, 5, FEATURES, generator=generator))]
    steps = steps * 3
    stack, momenta = stacked(heads), stacked(heads, "momenta")
    whole = [torch.ones(2, 8, 512)] * 2
    for positives, negatives in steps:
        sgd_step(stack, momenta, positives, negatives, whole, settings)
    write_back(heads, stack)
    for place, module in enumerate(modules):
        groups = [
            {"params": [*module.fc4.parameters(), *module.fc5.parameters()], "lr": 1e-2},
            {"params": module.fc6.parameters(), "lr": 1e-1},
        ]
        learned = [*module.fc4.parameters(), *module.fc5.parameters(), *module.fc6.parameters()]
        optimiser = torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4)
        for positives, negatives in steps:
            said = module.classify(torch.cat((positives[place], negatives[place])))
            optimiser.zero_grad()
            functional.cross_entropy(said, torch.tensor([1] * 3 + [0] * 5)).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(learned, clip)
            optimiser.step()
        for own, parameter in zip(heads[place].parameters, learned, strict=True):
            torch.testing.assert_close(own, parameter.detach().t() if own.dim() == 2 else parameter.detach())


def test_dropout_leaves_out_half_and_keeps_the_mean(network):
    classifier = Classifier(network, config())
    masks = classifier.dropout_masks(400)
    assert [set(mask.unique().tolist()) for mask in masks] == [{0.0, 2.0}] * 2
    assert [float(mask.mean()) for mask in masks] == pytest.approx([1.0, 1.0], abs=0.02)
    assert not torch.equal(*masks)


# Learning


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


def test_patches_show_sixteen_pixels_around_their_box(network):
    image = np.zeros((300, 300, 3), np.uint8)
    image[100:175, 80:155] = 255
    patch = network.patches(Frame.upload(image, CPU), np.array([[80.0, 100.0, 75.0, 75.0]]))
    assert patch.shape == (1, 3, 107, 107)
    inside = np.zeros((107, 107), bool)
    inside[16:91, 16:91] = True
    np.testing.assert_array_equal(patch[0, 0].numpy() > 127, inside)
    np.testing.assert_allclose(with_margin(np.array([[80.0, 100, 75, 75]]), 107 / 75), [[64, 84, 107, 107]])


def test_py_mdnet_s_patches_have_sixteen_107ths_of_the_box_around_it():
    # crop_image2 of modules/utils.py: w += 2 * padding * w / img_size, around the same middle.
    x, y, w, h, padding = 80.0, 100.0, 53.5, 214.0, 16
    expected = [x - padding * w / 107, y - padding * h / 107, w + 2 * padding * w / 107, h + 2 * padding * h / 107]
    np.testing.assert_allclose(with_margin(np.array([[x, y, w, h]]), PY_MDNET_CONTEXT), [expected])


def test_no_patches_have_no_features(network):
    assert network.features(torch.empty(0, 3, 107, 107)).shape == (0, FEATURES)
    assert logits(stacked([Classifier(network, config()).head]), torch.empty(1, 0, FEATURES)).shape == (1, 0, 2)
