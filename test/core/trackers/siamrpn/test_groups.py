"""SiamRPN with several targets against single trackers, and how its steps are timed."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from made_siamrpn import PESSIMIST, random_tracker

from siam_tracker_core import Box, TrackerGroup, TrackState
from siam_tracker_core.benchmarks.many_targets import time_steps
from siam_tracker_core.benchmarks.pruning import measure_pruning, measure_updates
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.siamrpn.model import CPU_BATCH
from siam_tracker_core.trackers.tracker import Tracker, start
from siam_tracker_core.trackers.update import update_targets


@pytest.mark.parametrize("lost_search", ["sweep", pytest.param("enlarge", marks=pytest.mark.slow)])
def test_a_group_gives_what_single_trackers_give_whatever_their_states(lost_search):
    """Large and small targets, some lost: crops of two or three sizes, and no more passes than a CPU wants."""
    made = made_sequence(frames=7, size=(320, 240), seed=2)
    tracker = random_tracker(lost=PESSIMIST, lost_search=lost_search, lost_size=319)
    boxes = [Box(40, 60, 50, 40), Box(150, 90, 30, 60), Box(200, 20, 18, 16), Box(90, 150, 80, 30), Box(9, 9, 14, 20)]
    group = TrackerGroup(tracker)
    singles = {}
    states, shapes = set(), []
    tracker.model.backend.network.backbone.register_forward_hook(lambda _, images, __: shapes.append(images[0].shape))
    for index, image in enumerate(made.frames):
        if index:
            shapes.clear()
            together = group.update(image)
            passes = list(shapes)
            wanted: dict[int, int] = {}
            for number, single in singles.items():
                request = tracker.model.search(single.state)
                alone = single.update(image)
                states.add(alone.state)
                np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-2)
                assert together[number].score == pytest.approx(alone.score, abs=1e-3)
                assert together[number].state is alone.state
                wanted[request.crop_size] = wanted.get(request.crop_size, 0) + len(request.windows)
            for size, count in wanted.items():
                parts = [shape[0] for shape in passes if shape[-1] == size]
                assert (sum(parts), len(parts)) == (count, math.ceil(count / CPU_BATCH))
            assert {shape[-1] for shape in passes} == set(wanted)
        if index < len(boxes):  # they are given in turn, so that some are lost when others are not
            group.init(index, image, boxes[index])
            singles[index] = Tracker(tracker.model)
            singles[index].init(image, boxes[index])
    assert states == {TrackState.UNCERTAIN, TrackState.LOST}


def test_the_steps_of_a_frame_are_timed_for_crops_of_several_sizes():
    made = made_sequence(frames=2, size=(320, 240))
    tracker = random_tracker()
    model = tracker.model
    states = [start(model, made.frames[0], box) for box in (Box(40, 60, 50, 40), Box(200, 20, 18, 16))]
    moved, seconds = time_steps(model, states, made.frames[1])
    assert len(seconds) == 5
    expected = update_targets(model, states, tracker.upload(made.frames[1]))
    for state, (other, _) in zip(moved, expected, strict=True):
        np.testing.assert_allclose(state.box.to_array(), other.box.to_array(), atol=1e-2)


def test_pruning_is_measured_with_and_without_the_template_branch():
    tracker = random_tracker()
    sizes = []
    tracker.model.backend.network.backbone.register_forward_hook(
        lambda _, images, __: sizes.append(images[0].shape[-1])
    )
    cost = measure_pruning(tracker.model, frames=2, warm_up=1)
    assert (sizes.count(127), sizes.count(255)) == (1 + 3, 2 * 3)
    assert cost.saved == pytest.approx(1 - cost.pruned / cost.whole)
    with pytest.raises(ConfigError, match="frames is 0"):
        measure_pruning(tracker.model, frames=0)


def test_updates_of_several_trackers_are_measured_in_turn():
    one, other = random_tracker(), random_tracker()
    one.init(np.zeros((240, 320, 3), np.uint8), Box(40, 60, 50, 40))
    order = []
    for name, tracker in (("one", one), ("other", other)):
        hook = partial(lambda name, *_: order.append(name), name)
        tracker.model.backend.network.backbone.register_forward_hook(hook)
    times = measure_updates({"one": one, "other": other}, frames=2, warm_up=0)
    assert min(times.values()) > 0
    assert order[-4:] == ["one", "other"] * 2
    assert one.box == Box(40, 60, 50, 40)
