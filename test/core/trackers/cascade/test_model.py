"""The cascade: what it is for, and that it is bounded and repeatable."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from made_cascade import BLUE, RED, SIDE, Actor, follow, made, staged

from siam_tracker_core import Box, TrackerGroup, TrackState


@pytest.fixture(scope="module")
def crossing():
    """A blue look-alike crosses below the red target, which has become a little paler in brightness."""
    frames = 24
    red = Actor(RED, [(100 + 2 * t, 100, 0.75 if t >= 6 else 1.0, 1.0) for t in range(frames)])
    blue = Actor(BLUE, [(230 - 5 * t, 142, 1.0, 1.0) for t in range(frames)])
    return red, blue, staged(blue, red)


@pytest.mark.slow
def test_matching_alone_jumps_to_a_look_alike_and_the_cascade_stays(crossing):
    red, blue, images = crossing
    alone = follow(made("siamfc"), images, red)
    assert alone[4].box.iou(red.box(5)) > 0.8
    assert alone[-1].box.iou(blue.box(23)) > 0.5
    both = follow(made(), images, red)
    overlaps = [result.box.iou(red.box(moment)) for moment, result in enumerate(both, start=1)]
    assert min(overlaps) > 0.7


@pytest.mark.slow
def test_learning_from_the_wrong_patch_breaks_it_and_the_gate_keeps_it_whole(hiding):
    red, images = hiding
    gated = follow(made(), images, red)
    hidden = [result.learning for result in gated[2:7]]
    assert all(said.startswith("not learned: ") and "classification score" in said for said in hidden)
    assert [result.box.iou(red.box(0)) > 0.7 for result in gated] == [True] * 2 + [False] * 5 + [True] * 8
    without = follow(made(gate={"policy": "always"}), images, red)
    assert all(result.learning.startswith("learned: ") for result in without)
    assert [result.box.iou(red.box(0)) > 0.7 for result in without[:2]] == [True] * 2
    assert max(result.box.iou(red.box(0)) for result in without[7:]) < 0.1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_boxes_also_where_a_worker_learns(hiding):
    red, images = hiding
    first, again = (follow(made(), images[:4], red) for _ in range(2))
    worker = {"mdnet": {"classifier": {"learning": "worker"}}}
    later = follow(made(**worker), images[:4], red)
    other = follow(made(mdnet={"classifier": {"seed": 1}}), images[:4], red)
    boxes = [[(result.box, result.score, result.learning) for result in run] for run in (first, again, later, other)]
    assert boxes[0] == boxes[1] == boxes[2]
    assert boxes[0] != boxes[3]


def test_group_gives_what_single_trackers_give(hiding):
    red, images = hiding
    starts = [red.box(0), Box(20, 30, 50, 36)]
    changes = {"patch_scales": 3, "gate": {"policy": "always"}}
    group, singles = TrackerGroup(made(**changes)), [made(**changes) for _ in starts]
    for number, (single, box) in enumerate(zip(singles, starts, strict=True)):
        group.init(number, images[0], box)
        single.init(images[0], box)
    for image in images[1:4]:
        together = group.update(image)
        for number, single in enumerate(singles):
            alone = single.update(image)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=0.01)
            assert together[number].score == pytest.approx(alone.score, abs=0.01)
            assert together[number].learning == alone.learning


def test_patches_are_of_three_scales_at_each_peak(hiding):
    red, images = hiding
    tracker = made(patch_scales=3)
    tracker.init(images[0], red.box(0))
    seen = []
    judge = tracker.model.judge
    tracker.model.judge = lambda classifiers, frame, boxes: seen.append(boxes) or judge(classifiers, frame, boxes)
    tracker.update(images[1])
    boxes = seen[0][0].reshape(-1, 3, 4)
    np.testing.assert_allclose(boxes[:, :, 2] / SIDE, np.tile([1 / 1.02, 1, 1.02], (len(boxes), 1)))
    centres = boxes[..., :2] + boxes[..., 2:] / 2
    np.testing.assert_allclose(centres, np.repeat(centres[:, :1], 3, axis=1))
    for actor in (red.box(0), Box(188, 100, SIDE, SIDE), Box(110, 145, SIDE, SIDE)):
        assert np.hypot(*(centres[:, 0] - actor.centre).T).min() < 4


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_a_share_of_a_change_of_size_is_taken_over(hiding, rate):
    red, images = hiding
    tracker = made(patch_scales=5, patch_step=1.2, size_lr=rate)
    tracker.init(images[0], red.box(0))
    judge = tracker.model.judge

    def largest(classifiers, frame, boxes):
        best, chances = judge(classifiers, frame, boxes)
        return [best[0] // 5 * 5 + 4], chances

    tracker.model.judge = largest
    box = tracker.update(images[1]).box
    assert box.width == pytest.approx(SIDE * (1 + rate * (1.2**2 - 1)))
    assert box.height == pytest.approx(box.width)


def test_a_classifier_of_no_numbers_loses_its_target_alone(hiding):
    red, images = hiding
    group = TrackerGroup(made(lost={"enabled": True}))
    group.init("broken", images[0], red.box(0))
    group.init("whole", images[0], Box(188, 100, SIDE, SIDE))
    for parameter in group.state("broken").target.classifier.head.parameters:
        parameter.fill_(torch.nan)
    results = group.update(images[1])
    assert results["broken"].state is TrackState.LOST
    assert results["broken"].reason == "the network's answer is not finite"
    assert results["broken"].box.iou(red.box(0)) > 0.99
    assert results["whole"].state is TrackState.TRACKING


@pytest.fixture(scope="module")
def leaving():
    """The target is gone for thirteen frames, and its look-alike is alone."""
    red = Actor(RED, [(140, 100, float(not 3 <= t < 16), 1.0) for t in range(22)])
    blue = Actor(BLUE, [(188, 100, 1.0, 1.0)] * 22)
    return red, blue, staged(blue, red)


def test_a_target_that_is_gone_is_lost_not_learned_and_found_again(leaving):
    red, _, images = leaving
    results = follow(made(lost={"enabled": True, "patience": 3}, gate={"least": 0.5}), images, red)
    states = [result.state for result in results]
    assert states[:2] == [TrackState.TRACKING] * 2
    assert TrackState.LOST in states[2:8]
    assert all(result.learning.startswith("not learned: ") for result in results[2:15])
    lost = [result for result in results if result.state is TrackState.LOST]
    assert all(result.learning == "not learned: the target is lost" for result in lost)
    assert states[-1] is TrackState.TRACKING
    assert results[-1].box.iou(red.box(0)) > 0.7
    trial = results[states.index(TrackState.LOST) + len(lost)]
    assert trial.learning.startswith("not learned: the target has just been found again")


def test_the_paper_s_gate_learns_a_look_alike_that_is_alone(leaving):
    """The gate asks about scores only beside another peak; ``gate.least`` is for this."""
    red, blue, images = leaving
    results = follow(made(lost={"enabled": True, "patience": 3}), images[:8], red)
    assert all(result.learning == "learned: no other peak is above 0.8 of the highest" for result in results[2:])
    assert results[-1].box.iou(blue.box(0)) > 0.7
    assert results[-1].state is TrackState.TRACKING


def held():
    """How many objects there are, and the bytes of all tensors among them."""
    gc.collect()
    objects = gc.get_objects()
    tensors = [thing for thing in objects if issubclass(type(thing), torch.Tensor)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return len(objects), sum(storages.values())


@pytest.fixture
def one_thread():
    """Of PyTorch: with tiny tensors more of them wait for each other, and on a busy machine for minutes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_ten_thousand_frames_take_no_more_memory_than_a_few(one_thread):
    """Small frames of a target that comes and goes beside a look-alike; the memories fill and turn over."""
    classifier = {"init_positives": 4, "init_negatives": 8, "init_rounds": 1, "update_positives": 1}
    classifier |= {
        "update_negatives": 2,
        "update_rounds": 1,
        "batch_positives": 2,
        "batch_negatives": 2,
        "hard_pool": 2,
    }
    changes = {
        "exemplar_size": 32,
        "search_size": 64,
        "siamfc": {"response_up": 2},
        "update_every": 1000,
        "failure": 0.0,
    }
    tracker = made(**changes, peaks={"most": 2}, mdnet={"classifier": classifier | {"budget": 1}})
    ground = np.full((48, 64, 3), 60, np.uint8)
    images = [ground.copy() for _ in range(4)]
    for moment, image in enumerate(images):
        image[16:32, 40:52] = (200, 90, 60)
        if moment:
            image[16:32, 16 + moment : 28 + moment] = (60, 90, 220)
    tracker.init(images[1], Box(17, 16, 12, 16))
    for number in range(10_000):
        tracker.update(images[number % 4])
        if number == 200:
            objects, size = held()
    assert tracker.state.target.classifier.positives.frames == 100
    assert tracker.state.target.classifier.negatives.frames == 30
    later = held()
    assert later[0] < objects + 500
    assert later[1] == size
