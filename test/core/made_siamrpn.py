"""SiamRPN trackers whose networks propose what a test tells them to, or anything at random."""

from __future__ import annotations

import torch

from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.networks import AlexNet
from siam_tracker_core.networks.anchors import centred_iou, encode
from siam_tracker_core.networks.rpn import DepthwiseHead, Kernels, Proposals, SiamRPNNetwork
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig, SiamRPNModel
from siam_tracker_core.trackers.tracker import Tracker

CPU = torch.device("cpu")
FOLLOW = LostConfig(enabled=False)
# No score is ever good enough, so that a target is lost in its third frame and stays so.
PESSIMIST = LostConfig(uncertain=1.0, lost=1.0, patience=3, recover=1.0)


class Oracle(SiamRPNNetwork):
    """Proposes what a test tells it to: the network's place in the tracker, without a network.

    Attributes:
        plan: from the number of a call and the cells of its response to logit maps (k, cells, cells) and distances
            (4, k, cells, cells).
    """

    def __init__(self, plan):
        super().__init__(AlexNet(), DepthwiseHead(256, hidden=8))
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
        asked: the windows that are looked at; none for the target's own in its first frame.
    """

    def __init__(self):
        super().__init__(None)
        self.truth, self.asked = None, ()

    def detect(self, searches, kernels):
        size = searches.shape[-1]
        cells = (size - 127) // 8 + 1
        own = context_size(self.truth.width, self.truth.height) * size / 127 if self.truth else 0
        windows = self.asked or [Window(*self.truth.centre, own)]
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


def tracker_with(network, **values):
    config = SiamRPNConfig(**{"lost": FOLLOW, **values})
    return Tracker(SiamRPNModel.from_network(network, config, CPU, precision="single"))


def tracker_of(plan, **values):
    return tracker_with(Oracle(plan), **values)


def random_tracker(**values):
    torch.manual_seed(0)
    return tracker_with(SiamRPNNetwork(AlexNet(), DepthwiseHead(256, hidden=16)), **values)
