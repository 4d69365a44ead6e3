"""DSiam as it tracks: adaptation does its work, and what it survives."""

from __future__ import annotations

import numpy as np
import torch
from made_dsiam import CELLS, scene, small_network, texture
from small_dsiam import small_tracker

from siam_tracker_core import Box, TrackerGroup, TrackState
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.dsiam import DSiamNetwork
from siam_tracker_core.trackers.tracker import Tracker

# The response


# What adaptation is for


def changing(frames, changed):
    """A target whose texture turns into another one in ``changed`` frames while it walks, and its boxes."""
    first, last = texture(1, 32, 8), texture(2, 32, 8)
    pictures, boxes = [], []
    for number in range(frames):
        share = min(number / (changed - 1), 1)
        x, y = round(20 + 130 * number / frames), round(36 + 50 * number / frames)
        pictures.append(scene(((1 - share) * first + share * last, x, y), clutter=0.5))
        boxes.append([x, y, 32, 32])
    return pictures, np.array(boxes, dtype=float)


def overlaps(tracker, pictures, boxes):
    tracker.init(pictures[0], boxes[0])
    found = (tracker.update(picture).box for picture in pictures[1:])
    return np.array([box.iou(Box.from_array(truth)) for box, truth in zip(found, boxes[1:], strict=True)])


def test_a_target_that_changes_gradually_is_held():
    pictures, boxes = changing(40, 30)

    def of(**config):
        sizes = {"exemplar_size": 80, "search_size": 176, "scales": 1}
        return overlaps(small_tracker(network=small_network(cells=13), **sizes, **config), pictures, boxes)

    static, adapted = of(appearance="off", suppression=False), of()
    assert static[:10].min() > 0.7, "the static tracker follows as long as the target looks as it did"
    assert static[-8:].max() < 0.4, "and has lost it when it does not"
    assert static.min() < 0.05
    assert adapted.min() > 0.5


def test_a_look_alike_is_suppressed():
    """Beside the target stands its double: both peaks are equally high until W has learned from one frame."""
    both = scene((texture(1), 70, 60), (texture(1), 102, 60))

    def beside(**config):
        tracker = small_tracker(appearance="off", scales=1, windowed=False, border_window=False, **config)
        tracker.init(both, [70, 60, 24, 24])
        tracker.update(both)
        response = tracker.update(both).response
        columns = (np.array([82, 114]) - response.box.x) / response.box.width * CELLS - 0.5
        target, double = (response.values[:, round(column)].max() for column in columns)
        return double / target

    assert beside(suppression=False) > 0.8
    suppressed = beside(suppression_rate=1.0, suppression_ridge=1e-3, weighting_sigma=15.0)
    assert suppressed < 0.5


def test_the_target_needs_no_pass_of_its_own_without_padding():
    """With AlexNet its features are the middle of its neighbourhood's; padded layers do not allow it."""
    torch.manual_seed(0)
    network = DSiamNetwork(backbone("alexnet"), ("conv5", "conv4")).eval()
    images = torch.rand(1, 3, 255, 255, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        expected = network.embed(images[..., 64:191, 64:191])
        got = network.cut_exemplars(network.embed(images), 255, 127)
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    assert network.cut_exemplars(expected, 255, 128) is None
    assert network.cut_exemplars(expected, 253, 127) is None
    assert small_network().cut_exemplars(expected[:1], 112, 48) is None


# When it learns


def test_only_confident_frames_teach():
    """With a threshold between the responses of the target and of nothing; after nothing, V and W are off."""
    shown, empty = scene((texture(1), 80, 60)), scene()
    for after_doubt, expected in (("off", False), ("keep", True)):
        tracker = small_tracker(threshold=0.5, after_doubt=after_doubt)
        tracker.init(shown, [80, 60, 24, 24])
        assert not tracker.state.target.is_adapted
        assert "learns V and W" in tracker.update(shown).learning
        assert tracker.state.target.is_adapted
        learned = tracker.state.target.adaptation
        assert "not above 0.5" in tracker.update(empty).learning
        assert tracker.state.target.is_adapted is expected
        assert tracker.state.target.adaptation is learned


def test_the_learned_bias_moves_the_threshold():
    network = small_network()
    shown = scene((texture(1), 80, 60))
    tracker = small_tracker(network=network, threshold=0.0)
    tracker.init(shown, [80, 60, 24, 24])
    tracker.update(shown)
    assert tracker.state.target.is_adapted
    own = tracker.state.evidence[0] * tracker.state.own_peak
    with torch.no_grad():
        network.correlation.bias.fill_(-1.01 * own)
    doubtful = small_tracker(network=network, threshold=0.0)
    doubtful.init(shown, [80, 60, 24, 24])
    doubtful.update(shown)
    assert not doubtful.state.target.is_adapted


def same(first, second):
    return all(torch.equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))


def test_what_was_learned_survives_a_lost_phase():
    shown, empty = scene((texture(1), 80, 60)), scene()
    lost = {"patience": 2, "recover": 0.6}
    tracker, twin = (small_tracker(threshold=0.5, lost=lost) for _ in range(2))
    for one in (tracker, twin):
        one.init(shown, [80, 60, 24, 24])
        one.update(shown)
    exemplar, before = tracker.state.target.first, tracker.state.target.adaptation
    copies = [[layer.clone() for layer in part] for part in before]
    states = [tracker.update(empty).state for _ in range(6)]  # the next frame looks at the place of loss
    assert states[-1] is TrackState.LOST
    assert not tracker.state.target.is_adapted
    assert tracker.state.target.adaptation is before
    assert same(before, copies)
    found = tracker.update(shown)
    assert found.state is not TrackState.LOST
    # It learns from the first frame's exemplar again, as one that was never lost.
    twin.update(shown)
    assert tracker.state.target.first is exemplar
    assert tracker.state.target.is_adapted
    assert tracker.state.target.adaptation is not before
    for mine, other in zip(
        tracker.state.target.adaptation.features, twin.state.target.adaptation.features, strict=True
    ):
        assert torch.nn.functional.cosine_similarity(mine.flatten(), other.flatten(), dim=0) > 0.95


def test_group_gives_what_single_trackers_give():
    """Three targets, of which one is never confident, and one is not there for a while."""
    tracker = small_tracker(("deep", "shallow"), threshold=0.5)
    with torch.no_grad():
        tracker.model.weights = torch.rand(2, CELLS, CELLS)
    starts = [[30, 40, 24, 24], [100, 90, 24, 24], [150, 20, 24, 24]]
    pictures = [
        scene(*((texture(n), x + at, y + at) for n, (x, y, *_) in enumerate(starts[:2]) if n == 0 or step != 3))
        for step, at in enumerate([0, 8, 0, 8, 8, 0])  # by the stride, for random features know no other likeness
    ]
    group, singles = TrackerGroup(tracker), [Tracker(tracker.model) for _ in starts]
    for number, (single, box) in enumerate(zip(singles, starts, strict=True)):
        group.init(number, pictures[0], box)
        single.init(pictures[0], box)
    adapted = []
    for picture in pictures[1:]:
        together = group.update(picture)
        for number, single in enumerate(singles):
            alone = single.update(picture)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-3)
            np.testing.assert_allclose(together[number].response.values, alone.response.values, atol=1e-4)
        adapted.append([single.state.target.is_adapted for single in singles])
    assert adapted[0] == [True, True, False]
    assert [True, False, False] in adapted


# Variants and weights


# Pictures
