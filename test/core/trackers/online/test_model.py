"""A tracker that learns, with the weights that ship, on made footage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core import Box, TrackerGroup, load_tracker
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.networks.siamese import WithFeatures
from siam_tracker_core.trackers.tracker import Tracker

NAMES = ("siamban_mobilenetv2", "siamrpn_mobilenetv2")


def learning(name, **online):
    return load_tracker(
        name, device="cpu", runtime="torch", precision="single", config={"online": {"enabled": True, **online}}
    )


@pytest.fixture(scope="module")
def made():
    return made_sequence(frames=6, size=(320, 240))


@pytest.mark.parametrize("name", NAMES)
def test_the_features_lie_beside_the_map(name):
    """What a network sees at a shifted place is in its features where the map says that it is."""
    network = learning(name).model.backend.network
    assert isinstance(network, WithFeatures)
    rng = np.random.default_rng(0)
    patch = torch.from_numpy(rng.integers(0, 255, (3, 64, 64))).float()
    stride = network.backbone.stride
    template = network.template(torch.full((1, 3, 127, 127), 114.0))
    blank = torch.full((1, 3, 255, 255), 114.0)
    nothing = network.search(template, blank)[2]
    peaks = []
    for cells in (0, 3):
        image = blank.clone()
        left = 127 - 32 + cells * stride
        image[0, :, 95:159, left : left + 64] = patch
        scores, _, features = network.search(template, image)
        energy = (features - nothing).square().sum(dim=1)[0]
        total = energy.sum()
        steps = torch.arange(energy.shape[-1]) - (energy.shape[-1] - 1) / 2
        peaks.append(
            (float((energy.sum(dim=0) * steps).sum() / total), float((energy.sum(dim=1) * steps).sum() / total))
        )
        assert (features.shape[-1] - scores.shape[-1]) % 2 == 0
    assert peaks[0] == pytest.approx((0, 0), abs=0.6)
    assert peaks[1][0] - peaks[0][0] == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("name", NAMES)
def test_many_targets_are_followed_and_learned_like_single_ones(name, made):
    tracker = learning(name)
    boxes = [made.boxes[0], made.boxes[0] + [6, 4, 0, 0]]
    group, singles = TrackerGroup(tracker), []
    for number, box in enumerate(boxes):
        group.init(number, made.frames[0], box)
        singles.append(Tracker(tracker.model))
        singles[-1].init(made.frames[0], box)
    for image in made.frames[1:]:
        together = group.update(image)
        for number, single in enumerate(singles):
            alone = single.update(image)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-2)
            assert together[number].learning == alone.learning
            assert alone.learning.startswith(("to be learned", "not learned"))


def test_what_is_learned_after_the_answer_is_what_is_learned_with_it(made):
    tracker = learning("siamrpn_mobilenetv2")
    at_once, later = TrackerGroup(tracker), TrackerGroup(tracker)
    for group in (at_once, later):
        group.init(1, made.frames[0], made.boxes[0])
    for image in made.frames[1:]:
        expected, found = at_once.update(image)[1], later.update(image, learn=False)[1]
        assert found.box == expected.box
        before = later.state(1).target.online.notebook.lessons
        later.learn()
        learned = later.state(1).target.online.notebook.lessons
        assert learned.count == before.count + found.learning.startswith("to be learned")
        assert torch.equal(learned.weights, at_once.state(1).target.online.notebook.lessons.weights)


def test_what_there_was_no_time_for_is_passed_over_and_said(made):
    group = TrackerGroup(learning("siamrpn_mobilenetv2"))
    group.init(1, made.frames[0], made.boxes[0])
    assert group.update(made.frames[1], learn=False)[1].learning.startswith("to be learned")
    assert "passed over: the next image came before it" in group.update(made.frames[2], learn=False)[1].learning
    group.pass_over("an image was waiting")
    assert "passed over: an image was waiting" in group.update(made.frames[3])[1].learning
    assert "passed over" not in group.update(made.frames[4])[1].learning
    assert group.state(1).target.online.notebook.lessons.count == 2


def test_a_box_of_numpys_numbers_is_learned_like_one_of_pythons(made):
    tracker = learning("siamban_mobilenetv2")
    weights = []
    for box in (Box(*made.boxes[0].tolist()), Box(*made.boxes[0])):
        tracker.init(made.frames[0], box)
        tracker.update(made.frames[1])
        weights.append(tracker.state.target.online.notebook.lessons.weights)
    assert torch.equal(*weights)


def test_nothing_is_learned_where_learning_is_off(made):
    tracker = load_tracker("siamban_mobilenetv2", device="cpu", runtime="torch")
    tracker.init(made.frames[0], made.boxes[0])
    assert tracker.update(made.frames[1]).learning == ""
    assert tracker.state.target.online is None
