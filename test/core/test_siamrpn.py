"""The SiamRPN tracker against a slow reference, and targets at the limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from siam_tracker_core import Box, TrackerGroup, TrackState
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.geometry import Window
from siam_tracker_core.networks import AlexNet
from siam_tracker_core.networks.rpn import DepthwiseHead, Kernels, Proposals, SiamRPNNetwork
from siam_tracker_core.trackers.confidence import LostConfig
from siam_tracker_core.trackers.siamrpn import SiamRPN, SiamRPNConfig, SiamRPNModel

ANCHORS = ((104, 32), (88, 40), (64, 64), (40, 80), (32, 96))


class Oracle(torch.nn.Module):
    """Proposes what a test tells it to: the network's place in the tracker, without a network.

    Attributes:
        plan: from the number of a call to (logit maps (k, 17, 17), distances (4, k, 17, 17)).
    """

    def __init__(self, plan):
        super().__init__()
        inner = SiamRPNNetwork(AlexNet(), DepthwiseHead(256, hidden=8))
        self.backbone, self.head, self.anchors = inner.backbone, inner.head, inner.anchors
        self.plan, self.calls = plan, 0

    def template(self, exemplars):
        return Kernels(torch.zeros(len(exemplars), 1, 1, 1), torch.zeros(len(exemplars), 1, 1, 1))

    def detect(self, searches, kernels):
        logits, distances = self.plan(self.calls)
        self.calls += 1
        stacked = torch.stack([torch.zeros_like(logits), logits])
        count = len(searches)
        return Proposals(stacked.expand(count, -1, -1, -1, -1), distances.expand(count, -1, -1, -1, -1))


def random_plan(seed):
    generator = torch.Generator().manual_seed(seed)

    def plan(number):
        logits = torch.randn(5, 17, 17, generator=generator) * 2
        distances = torch.randn(4, 5, 17, 17, generator=generator) * 0.3
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
    hann = np.hanning(19)[1:-1]
    for k, (anchor_width, anchor_height) in enumerate(ANCHORS):
        for row in range(17):
            for column in range(17):
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
                    x = (column - 8) * 8 + dx * anchor_width
                    y = (row - 8) * 8 + dy * anchor_height
                    best = (ranked, score, penalty, x * pixels, y * pixels, width * pixels, height * pixels)
    _, score, penalty, x, y, width, height = best
    rate = penalty * score * config.size_rate
    new_width = min(max(box[2] * (1 - rate) + width * rate, 10), image_size[0])
    new_height = min(max(box[3] * (1 - rate) + height * rate, 10), image_size[1])
    centre_x = min(max(box[0] + box[2] / 2 + x, 0), image_size[0])
    centre_y = min(max(box[1] + box[3] / 2 + y, 0), image_size[1])
    return np.array([centre_x - new_width / 2, centre_y - new_height / 2, new_width, new_height])


def tracker_of(plan, **settings):
    config = SiamRPNConfig(lost=LostConfig(enabled=False), **settings)
    return SiamRPN(SiamRPNModel(Oracle(plan), config, torch.device("cpu"), precision="single"))


@pytest.mark.parametrize("seed", range(3))
def test_boxes_equal_the_slow_reference(seed):
    made = made_sequence(frames=6, size=(320, 240), seed=seed)
    plan, seen = random_plan(seed)
    tracker = tracker_of(plan)
    tracker.init(made.frames[0], made.boxes[0])
    box = made.boxes[0]
    for image in made.frames[1:]:
        result = tracker.update(image)
        box = slow_update(box, *seen[-1], tracker.config, (320, 240))
        np.testing.assert_allclose(result.box.to_array(), box, atol=1e-3)


def one_peak(row, column, anchor=2, logit=6.0):
    def plan(number):
        logits, distances = torch.full((5, 17, 17), -6.0), torch.zeros(4, 5, 17, 17)
        if number:  # the first call is init's own look
            logits[anchor, row, column] = logit
        else:
            logits[2, 8, 8] = logit
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


def test_the_box_takes_the_shape_of_the_proposal():
    made = made_sequence(frames=30, size=(640, 480))
    tracker = tracker_of(one_peak(8, 8, anchor=4), penalty=0.0)
    tracker.init(made.frames[0], Box(300, 200, 64, 64))
    for image in made.frames[1:]:
        box = tracker.update(image).box
    assert box.height / box.width == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    "box",
    [Box(100, 100, 100, 5), Box(100, 50, 5, 100), Box(-60, 20, 700, 180), Box(310, 230, 40, 40), Box(5, 5, 1, 1)],
)
def test_extreme_targets_keep_finite_boxes_that_meet_the_image(box):
    made = made_sequence(frames=5, size=(320, 240))
    plan, _ = random_plan(1)
    tracker = tracker_of(plan)
    tracker.init(made.frames[0], box)
    for image in made.frames[1:]:
        found = tracker.update(image).box
        assert all(math.isfinite(value) for value in found.to_array())
        assert 0 <= found.centre[0] <= 320
        assert 0 <= found.centre[1] <= 240
        assert found.width <= 320
        assert found.height <= 240
        assert min(found.width, found.height) > 0


def random_tracker():
    torch.manual_seed(0)
    network = SiamRPNNetwork(AlexNet(), DepthwiseHead(256, hidden=16))
    return SiamRPN(SiamRPNModel(network, SiamRPNConfig(), torch.device("cpu"), precision="single"))


def test_a_group_gives_what_single_trackers_give_whatever_their_states():
    made = made_sequence(frames=12, size=(320, 240), seed=2)
    tracker = random_tracker()
    boxes = [Box(40, 60, 50, 40), Box(150, 90, 30, 60), Box(200, 20, 80, 30)]
    group = TrackerGroup(tracker)
    singles = [tracker.another() for _ in boxes]
    for number, (single, box) in enumerate(zip(singles, boxes, strict=True)):
        group.init(number, made.frames[0], box)
        single.init(made.frames[0], box)
    states = set()
    for image in made.frames[1:]:
        together = group.update(image)
        for number, single in enumerate(singles):
            alone = single.update(image)
            states.add(alone.state)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-2)
            assert together[number].state is alone.state
    assert states


def test_a_lost_target_is_looked_for_in_several_windows_and_found_again():
    made = made_sequence(frames=20, size=(320, 240))

    def plan(number):
        logits, distances = torch.full((5, 17, 17), -8.0), torch.zeros(4, 5, 17, 17)
        if number in (0, 1, 2) or number > 12:
            logits[2, 8, 8] = 8.0
        return logits, distances

    model = SiamRPNModel(Oracle(plan), SiamRPNConfig(), torch.device("cpu"), precision="single")
    tracker = SiamRPN(model)
    tracker.init(made.frames[0], made.boxes[0])
    states, counts = [], []
    for image in made.frames[1:]:
        counts.append(len(tracker.windows()))
        states.append(tracker.update(image).state)
    assert states[0] is TrackState.TRACKING
    assert TrackState.LOST in states
    assert states[-1] is TrackState.TRACKING
    assert {1, 3} <= set(counts)


def test_the_response_covers_the_search_region():
    tracker = tracker_of(one_peak(8, 8))
    made = made_sequence(frames=2, size=(320, 240))
    tracker.init(made.frames[0], made.boxes[0])
    response = tracker.update(made.frames[1]).response
    assert response.values.shape == (17, 17)
    assert response.values.argmax() == 8 * 17 + 8
    window: Window = tracker._windows[0]
    assert response.box.width == pytest.approx(window.size * 17 * 8 / 255)
