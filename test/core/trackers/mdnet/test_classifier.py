"""The online classifier: its memory, hard negatives, its descent, and the patches that it looks at."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from small_classifier import CPU, config
from torch.nn import functional

from siam_tracker_core.crop import Frame
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
from siam_tracker_core.trackers.mdnet.classifier import Classifier, Term
from siam_tracker_core.trackers.mdnet.memory import FrameMemory
from siam_tracker_core.trackers.mdnet.patches import with_margin

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
