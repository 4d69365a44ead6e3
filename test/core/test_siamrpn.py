"""The SiamRPN tracker against a slow reference, what it searches, and targets at the limits."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core import Box, TrackerGroup, TrackState
from siam_tracker_core.config import read_config, read_yaml
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.many_targets import time_steps
from siam_tracker_core.evaluation.pruning import measure_pruning, measure_updates
from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.networks import AlexNet
from siam_tracker_core.networks.anchors import centred_iou, encode
from siam_tracker_core.networks.rpn import DepthwiseHead, Kernels, Proposals, SiamRPNNetwork
from siam_tracker_core.trackers.confidence import LostConfig, peak_to_sidelobe
from siam_tracker_core.trackers.selection import PEAK_RADIUS, Preference, choose, cosine_window, rank, surrounding
from siam_tracker_core.trackers.siamrpn import CPU_BATCH, SiamRPN, SiamRPNConfig, SiamRPNModel

ANCHORS = ((104, 32), (88, 40), (64, 64), (40, 80), (32, 96))
CPU = torch.device("cpu")
FOLLOW = LostConfig(enabled=False)
# No score is ever good enough, so that a target is lost in its third frame and stays so.
PESSIMIST = LostConfig(uncertain=1.0, lost=1.0, patience=3, recover=1.0)


class Oracle(torch.nn.Module):
    """Proposes what a test tells it to: the network's place in the tracker, without a network.

    Attributes:
        plan: from the number of a call and the cells of its response to logit maps (k, cells, cells) and distances
            (4, k, cells, cells).
    """

    def __init__(self, plan):
        super().__init__()
        inner = SiamRPNNetwork(AlexNet(), DepthwiseHead(256, hidden=8))
        self.backbone, self.head, self.anchors = inner.backbone, inner.head, inner.anchors
        self.plan, self.calls = plan, 0

    def template(self, exemplars):
        return Kernels(torch.zeros(len(exemplars), 1, 1, 1), torch.zeros(len(exemplars), 1, 1, 1))

    def detect(self, searches, kernels):
        logits, distances = self.plan(self.calls, (searches.shape[-1] - 127) // 8 + 1)
        self.calls += 1
        stacked = torch.stack([torch.zeros_like(logits), logits])
        count = len(searches)
        return Proposals(stacked.expand(count, -1, -1, -1, -1), distances.expand(count, -1, -1, -1, -1))


class Seer(Oracle):
    """Proposes exactly the box where the target is, in those windows whose response maps reach it, and nothing else.

    Attributes:
        truth: the target's box in the frame that is looked at, or None.
        tracker: that asks.
    """

    def __init__(self):
        super().__init__(None)
        self.truth = self.tracker = None

    def detect(self, searches, kernels):
        size = searches.shape[-1]
        cells = (size - 127) // 8 + 1
        own = context_size(self.truth.width, self.truth.height) * size / 127 if self.truth else 0
        windows = getattr(self.tracker, "_windows", None) or [Window(*self.truth.centre, own)]
        answers = [self.see(window, size, cells) for window in windows]
        logits, distances = (torch.stack(part) for part in zip(*answers, strict=True))
        return Proposals(torch.stack([torch.zeros_like(logits), logits], dim=1), distances)

    def see(self, window, size, cells):
        logits, distances = torch.full((5, cells, cells), -8.0), torch.zeros(4, 5, cells, cells)
        if self.truth is not None:
            box = window.box_to_crop(self.truth, size)
            column, row = (round((place - size / 2) / 8 + (cells - 1) / 2) for place in box.centre)
            if 0 <= row < cells and 0 <= column < cells:
                target = torch.tensor([*box.centre, box.width, box.height])
                target[:2] -= size / 2
                anchors = self.anchors.grid(cells)[:, row, column]
                best = int(centred_iou(anchors, target).argmax())
                logits[best, row, column] = 8.0
                distances[:, best, row, column] = encode(target, anchors[best])
        return logits, distances


def random_plan(seed):
    generator = torch.Generator().manual_seed(seed)

    def plan(number, cells):
        logits = torch.randn(5, cells, cells, generator=generator) * 2
        distances = torch.randn(4, 5, cells, cells, generator=generator) * 0.3
        seen.append((logits, distances))
        return logits, distances

    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    return plan, seen


def slow_update(box, logits, distances, config, image_size):
    """One frame, anchor by anchor, from section 4.3 and the reference values."""

    def square(width, height):
        margin = (width + height) / 2
        return math.sqrt((width + margin) * (height + margin))

    pixels = square(box[2], box[3]) / 127
    last_width, last_height = box[2] / pixels, box[3] / pixels
    best = None
    size = logits.shape[-1]
    middle = (size - 1) / 2
    hann = np.hanning(size + 2)[1:-1]
    for k, (anchor_width, anchor_height) in enumerate(ANCHORS):
        for row in range(size):
            for column in range(size):
                if config.centre_cells and max(abs(row - middle), abs(column - middle)) > config.centre_cells // 2:
                    continue
                score = 1 / (1 + math.exp(-float(logits[k, row, column])))
                dx, dy, dw, dh = (float(distances[part, k, row, column]) for part in range(4))
                width, height = anchor_width * math.exp(dw), anchor_height * math.exp(dh)
                ratio, last_ratio = height / width, last_height / last_width
                scale, last_scale = square(width, height), square(last_width, last_height)
                change = max(ratio / last_ratio, last_ratio / ratio) * max(scale / last_scale, last_scale / scale)
                penalty = math.exp(-(change - 1) * config.penalty)
                share = config.window_influence
                ranked = penalty * score * (1 - share) + hann[row] * hann[column] * share
                if best is None or ranked > best[0]:
                    x = (column - middle) * 8 + dx * anchor_width
                    y = (row - middle) * 8 + dy * anchor_height
                    best = (ranked, score, penalty, x * pixels, y * pixels, width * pixels, height * pixels)
    _, score, penalty, x, y, width, height = best
    rate = penalty * score * config.size_rate
    new_width = min(max(box[2] * (1 - rate) + width * rate, 10), image_size[0])
    new_height = min(max(box[3] * (1 - rate) + height * rate, 10), image_size[1])
    centre_x = min(max(box[0] + box[2] / 2 + x, 0), image_size[0])
    centre_y = min(max(box[1] + box[3] / 2 + y, 0), image_size[1])
    return np.array([centre_x - new_width / 2, centre_y - new_height / 2, new_width, new_height])


def tracker_with(network, **values):
    config = SiamRPNConfig(**{"lost": FOLLOW, **values})
    return SiamRPN(SiamRPNModel(network, config, CPU, precision="single"))


def tracker_of(plan, **values):
    return tracker_with(Oracle(plan), **values)


def random_tracker(**values):
    torch.manual_seed(0)
    return tracker_with(SiamRPNNetwork(AlexNet(), DepthwiseHead(256, hidden=16)), **values)


# Selection


@pytest.mark.parametrize("cells", [0, 7])
@pytest.mark.parametrize(("seed", "first", "size"), [(0, None, 17), (1, None, 17), (2, (150, 100, 18, 16), 21)])
def test_boxes_equal_the_slow_reference(seed, first, size, cells):
    made = made_sequence(frames=6, size=(320, 240), seed=seed)
    plan, seen = random_plan(seed)
    tracker = tracker_of(plan, centre_cells=cells)
    box = made.boxes[0] if first is None else np.array(first, dtype=float)
    tracker.init(made.frames[0], box)
    for image in made.frames[1:]:
        result = tracker.update(image)
        assert seen[-1][0].shape[-1] == size
        box = slow_update(box, *seen[-1], tracker.config, (320, 240))
        np.testing.assert_allclose(result.box.to_array(), box, atol=1e-3)


def one_peak(row, column, anchor=2, logit=6.0):
    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        if number:  # the first call is init's own look
            logits[anchor, row, column] = logit
        else:
            logits[2, cells // 2, cells // 2] = logit
        return logits, distances

    return plan


def test_only_anchors_of_the_central_cells_are_taken():
    made = made_sequence(frames=2, size=(320, 240))
    centre = Box.from_array(made.boxes[0]).centre
    for cells, moves in ((0, True), (7, False)):
        tracker = tracker_of(one_peak(8, 15), centre_cells=cells, window_influence=0.0, penalty=0.0)
        tracker.init(made.frames[0], made.boxes[0])
        found = tracker.update(made.frames[1]).box.centre
        assert (abs(found[0] - centre[0]) > 20) == moves


@pytest.mark.parametrize(("size", "cells", "taken"), [(17, 7, 7), (17, 8, 9), (24, 8, 8), (24, 7, 8), (17, 99, 17)])
def test_the_central_region_has_as_many_cells_as_asked_for(size, cells, taken):
    proposals = Proposals(torch.zeros(1, 2, 5, size, size), torch.zeros(1, 4, 5, size, size))
    grid = torch.ones(5, size, size, 4)
    ranks = rank(proposals, grid, cosine_window(size, CPU), [Preference(9, 9, cells=cells)]).ranks[0, 0]
    low = (size - taken) // 2
    assert (ranks >= 0).sum() == taken**2
    assert (ranks[low : low + taken, low : low + taken] >= 0).all()


def test_the_box_takes_the_shape_of_the_proposal():
    made = made_sequence(frames=30, size=(640, 480))
    tracker = tracker_of(one_peak(8, 8, anchor=4), penalty=0.0)
    tracker.init(made.frames[0], Box(300, 200, 64, 64))
    for image in made.frames[1:]:
        box = tracker.update(image).box
    assert box.height / box.width == pytest.approx(3, rel=0.05)


def test_the_response_covers_the_search_region():
    tracker = tracker_of(one_peak(8, 8))
    made = made_sequence(frames=2, size=(320, 240))
    tracker.init(made.frames[0], made.boxes[0])
    response = tracker.update(made.frames[1]).response
    assert response.values.shape == (17, 17)
    assert response.values.argmax() == 8 * 17 + 8
    window: Window = tracker._windows[0]
    assert response.box.width == pytest.approx(window.size * 17 * 8 / 255)


def test_candidates_are_the_target_and_its_look_alike():
    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        for column, score in ((8, 5.0), (9, 4.5), (14, 4.0)):  # the second one overlaps with the first
            logits[2, 8, column] = score
        return logits, distances

    made = made_sequence(frames=2, size=(320, 240))
    start = Box(140, 100, 40, 40)
    pixels = 80 / 127  # of the image, for one of the crop: the square around 40x40 and its context has a side of 80
    for cells, expected in ((0, [0, 6 * 8]), (9, [0])):
        tracker = tracker_of(plan, top_k=3, candidate_overlap=0.5, centre_cells=cells)
        tracker.init(made.frames[0], start)
        found = tracker.candidates(made.frames[1])
        assert [candidate.box.centre[0] for candidate in found][: len(expected)] == pytest.approx(
            [160 + shift * pixels for shift in expected], abs=1e-3
        )
        assert len([candidate for candidate in found if candidate.score > 0.9]) == len(expected)
        assert found[0].score == pytest.approx(1 / (1 + math.exp(-5)), abs=1e-5)
        assert found[0].box.width == pytest.approx(64 * pixels)
        assert tracker.box == start
    best = tracker.candidates(made.frames[1])[0].box
    assert tracker.update(made.frames[1]).box.centre == pytest.approx(best.centre, abs=1e-4)


def test_the_surroundings_of_a_cell_are_a_slice_of_the_map():
    maps = torch.arange(2 * 89 * 89.0).view(2, 89, 89)
    rows, columns = torch.tensor([40, 2]), torch.tensor([50, 88])
    parts, row, column = surrounding(maps, rows, columns, 17)
    assert torch.equal(parts[0], maps[0, 32:49, 42:59])
    assert torch.equal(parts[1], maps[1, 0:17, 72:89])
    assert (row.tolist(), column.tolist()) == ([8, 2], [8, 16])
    assert torch.equal(surrounding(maps, rows, columns, 89)[0], maps)


def test_a_peak_stands_out_alike_in_maps_of_any_size():
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 5, 89, 89)
    logits[0, 1, 3, 30, 60] = 9
    proposals = Proposals(logits, torch.zeros(1, 4, 5, 89, 89))
    ranking = rank(proposals, torch.ones(5, 89, 89, 4), cosine_window(89, CPU), [Preference(9, 9)])
    (choice,), maps = choose(ranking, 17)
    usual = peak_to_sidelobe(maps[:, 22:39, 52:69], torch.tensor([8]), torch.tensor([8]), PEAK_RADIUS)
    assert choice.psr == pytest.approx(float(usual[0]), rel=1e-5)
    assert maps.shape == (1, 89, 89)


# Limits


EXTREME = [
    Box(100, 100, 100, 5),
    Box(100, 50, 5, 100),
    Box(-60, 20, 700, 180),
    Box(310, 230, 40, 40),
    Box(5, 5, 1, 1),
    Box(0, 0, 319.5, 240),
]


def check_limits(box, least):
    assert all(math.isfinite(value) for value in box.to_array())
    visible = box.clipped(320, 240)
    for side, seen, shortest, limit in zip(
        (box.width, box.height), (visible.width, visible.height), least, (320, 240), strict=True
    ):
        assert min(shortest, 10) - 1e-6 <= side <= limit
        assert seen >= side / 2 - 1e-6
    assert -box.width / 2 - 1e-6 <= box.x <= 320 - box.width / 2 + 1e-6
    assert -box.height / 2 - 1e-6 <= box.y <= 240 - box.height / 2 + 1e-6


numbers = st.floats(-30, 30) | st.sampled_from([math.inf, -math.inf, math.nan, 0.0])


NEUTRAL = SiamRPNModel(Oracle(None), SiamRPNConfig(lost=FOLLOW), CPU, precision="single")


@given(
    st.sampled_from(EXTREME),
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 16), st.integers(0, 16), *[numbers] * 5), min_size=1, max_size=4
    ),
    st.sampled_from([-6.0, math.nan]),
)
@settings(deadline=None, max_examples=80)
def test_any_proposals_leave_a_box_that_meets_the_image(start, planned, others):
    """Finite, at least half of it in the image along each axis, no side beyond the image's or below the least one."""

    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), others), torch.zeros(4, 5, cells, cells)
        for anchor, row, column, logit, *moves in planned[number - 1 : number] if number else ():
            logits[anchor, row, column] = logit
            distances[:, anchor, row, column] = torch.tensor(moves)
        return logits, distances

    NEUTRAL.network.plan, NEUTRAL.network.calls = plan, 0
    tracker = SiamRPN(NEUTRAL)
    image = np.zeros((240, 320, 3), np.uint8)
    tracker.init(image, start)
    for _ in planned:
        result = tracker.update(image)
        check_limits(result.box, (start.width, start.height))
        assert 0 <= result.score <= 1


@pytest.mark.parametrize("box", EXTREME)
@pytest.mark.parametrize("lost", [FOLLOW, PESSIMIST], ids=["following", "lost"])
def test_extreme_targets_keep_finite_boxes_that_meet_the_image(box, lost):
    """With a random network, also on pictures of one colour."""
    made = made_sequence(frames=3, size=(320, 240))
    flat = [np.full((240, 320, 3), 90, np.uint8)] * 3
    tracker = random_tracker(lost=lost, lost_search="enlarge", lost_size=327)
    for images in (made.frames, flat):
        tracker.init(images[0], box)
        for image in images[1:] + images:
            result = tracker.update(image)
            if result.state is TrackState.LOST and result.box == box:
                continue  # where it was last believed to be: as it was given
            check_limits(result.box, (box.width, box.height))


def test_shipped_settings_are_valid():
    files = sorted((Path(__file__).parents[2] / "config" / "trackers").glob("siamrpn*.yaml"))
    read = {path.stem: read_config(SiamRPNConfig, read_yaml(path), str(path)) for path in files}
    assert read["siamrpn"] == SiamRPNConfig()
    assert read["siamrpn_long_term"] == SiamRPNConfig(lost_search="enlarge", lost_size=831)
    assert [read[f"siamrpn_centre{cells}"].centre_cells for cells in (4, 7, 13)] == [4, 7, 13]


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="enlarges nothing"):
        read_config(SiamRPNConfig, {"lost_search": "enlarge", "lost_size": 255}, "settings")
    with pytest.raises(ConfigError, match="lost_search"):
        read_config(SiamRPNConfig, {"lost_search": "grow"}, "settings")


# Several targets


@pytest.mark.parametrize("lost_search", ["sweep", "enlarge"])
def test_a_group_gives_what_single_trackers_give_whatever_their_states(lost_search):
    """Large and small targets, some lost: crops of two or three sizes, and no more passes than a CPU wants."""
    made = made_sequence(frames=8, size=(320, 240), seed=2)
    tracker = random_tracker(lost=PESSIMIST, lost_search=lost_search, lost_size=319)
    boxes = [Box(40, 60, 50, 40), Box(150, 90, 30, 60), Box(200, 20, 18, 16), Box(90, 150, 80, 30), Box(9, 9, 14, 20)]
    group = TrackerGroup(tracker)
    singles = {}
    states, shapes = set(), []
    tracker.model.network.backbone.register_forward_hook(lambda _, images, __: shapes.append(images[0].shape))
    for index, image in enumerate(made.frames):
        if index:
            shapes.clear()
            together = group.update(image)
            passes = list(shapes)
            wanted: dict[int, int] = {}
            for number, single in singles.items():
                alone = single.update(image)
                states.add(alone.state)
                np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-2)
                assert together[number].score == pytest.approx(alone.score, abs=1e-3)
                assert together[number].state is alone.state
                wanted[single.crop_size] = wanted.get(single.crop_size, 0) + len(single._windows)
            for size, count in wanted.items():
                parts = [shape[0] for shape in passes if shape[-1] == size]
                assert (sum(parts), len(parts)) == (count, math.ceil(count / CPU_BATCH))
            assert {shape[-1] for shape in passes} == set(wanted)
        if index < len(boxes):  # they are given in turn, so that some are lost when others are not
            group.init(index, image, boxes[index])
            singles[index] = tracker.another()
            singles[index].init(image, boxes[index])
    assert states == {TrackState.UNCERTAIN, TrackState.LOST}


def test_the_steps_of_a_frame_are_timed_for_crops_of_several_sizes():
    made = made_sequence(frames=2, size=(320, 240))
    model = random_tracker()
    trackers = [model.another(), model.another()]
    for tracker, box in zip(trackers, (Box(40, 60, 50, 40), Box(200, 20, 18, 16)), strict=True):
        tracker.init(made.frames[0], box)
    same = [tracker.another() for tracker in trackers]
    for tracker, other in zip(trackers, same, strict=True):
        other.init(made.frames[0], tracker.box)
    assert len(time_steps(model, trackers, made.frames[1])) == 5
    for tracker, other in zip(trackers, same, strict=True):
        other.update(made.frames[1])
        np.testing.assert_allclose(tracker.box.to_array(), other.box.to_array(), atol=1e-2)


def test_pruning_is_measured_with_and_without_the_template_branch():
    tracker = random_tracker()
    sizes = []
    tracker.model.network.backbone.register_forward_hook(lambda _, images, __: sizes.append(images[0].shape[-1]))
    cost = measure_pruning(tracker, frames=2, warm_up=1)
    assert (sizes.count(127), sizes.count(255)) == (1 + 3, 2 * 3)
    assert cost.saved == pytest.approx(1 - cost.pruned / cost.whole)
    with pytest.raises(ConfigError, match="frames is 0"):
        measure_pruning(tracker, frames=0)


def test_updates_of_several_trackers_are_measured_in_turn():
    one, other = random_tracker(), random_tracker()
    one.init(np.zeros((240, 320, 3), np.uint8), Box(40, 60, 50, 40))
    order = []
    for name, tracker in (("one", one), ("other", other)):
        hook = partial(lambda name, *_: order.append(name), name)
        tracker.model.network.backbone.register_forward_hook(hook)
    times = measure_updates({"one": one, "other": other}, frames=2, warm_up=0)
    assert min(times.values()) > 0
    assert order[-4:] == ["one", "other"] * 2
    assert one.box == Box(40, 60, 50, 40)


# Lost


def seer_tracker(**values):
    tracker = tracker_with(Seer(), **{"lost": LostConfig(), **values})
    tracker.model.network.tracker = tracker
    return tracker


def show(tracker, image, truth):
    tracker.model.network.truth = truth
    return tracker.update(image)


@pytest.mark.parametrize("lost_search", ["sweep", "enlarge"])
def test_a_target_that_leaves_is_lost_and_found_where_it_returns(lost_search):
    made = made_sequence(kind="leaves", frames=130, size=(480, 360), seed=1)
    truths = [None if np.isnan(row).any() else Box.from_array(row) for row in made.boxes]
    tracker = seer_tracker(lost_search=lost_search)
    tracker.model.network.truth = truths[0]
    tracker.init(made.frames[0], truths[0])
    results = [show(tracker, image, truth) for image, truth in zip(made.frames[1:], truths[1:], strict=True)]
    gone = [number for number, truth in enumerate(truths[1:]) if truth is None]
    states = [result.state for result in results]
    assert all(state is TrackState.TRACKING for state in states[: gone[0]])
    patience = tracker.config.lost.patience
    assert all(state is TrackState.LOST for state in states[gone[0] + patience : gone[-1] + 1])
    sides = {result.response.values.shape[-1] for result in results[gone[0] + patience : gone[-1] + 1]}
    assert sides == ({89} if lost_search == "enlarge" else {17})
    assert TrackState.TRACKING in states[gone[-1] + 1 : gone[-1] + 6]
    back = next(number for number in range(gone[-1] + 1, len(states)) if states[number] is not TrackState.LOST)
    for result, truth in zip(results[back:], truths[back + 1 :], strict=True):
        if truth.centre[0] <= 480:
            assert result.box.centre == pytest.approx(truth.centre, abs=0.05)
    assert results[-1].box.iou(truths[-1]) > 0.7


@pytest.mark.parametrize(("lost_search", "least", "most"), [("enlarge", 1, 1), ("sweep", 6, 7)])
def test_a_lost_target_is_found_far_away(lost_search, least, most):
    """250 px from where it was lost; window and central cells of the search while tracking have no say then.

    The sweep takes three tiles 101 px apart a frame: the eight of ring 1 twice, then that of ring 2 among the first
    three.
    """
    image = np.zeros((480, 640, 3), np.uint8)
    first, then = Box(100, 200, 50, 50), Box(350, 200, 50, 50)
    tracker = seer_tracker(lost_search=lost_search, window_influence=0.9, centre_cells=5, lost_windows=4)
    tracker.model.network.truth = first
    tracker.init(image, first)
    assert show(tracker, image, first).state is TrackState.TRACKING
    for _ in range(7):
        result = show(tracker, image, None)
    assert result.state is TrackState.LOST
    assert result.box.iou(first) > 0.9
    states = []
    while len(states) < 20 and TrackState.UNCERTAIN not in states:
        result = show(tracker, image, then)
        states.append(result.state)
    assert least <= len(states) <= most
    assert result.box.iou(then) > 0.9
    assert show(tracker, image, then).state is TrackState.TRACKING
