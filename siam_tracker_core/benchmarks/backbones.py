"""What deeper backbones cost in tracking: updates of SiamFC and SiamRPN with each, beside AlexNet (SiamDW, Table 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from siam_tracker_core.benchmarks.pruning import measure_updates
from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.networks.rpn import DepthwiseHead, SiamRPNNetwork
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.siamfc import SiamFCConfig, SiamFCModel
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig, SiamRPNModel
from siam_tracker_core.trackers.tracker import Tracker

# Frames/s of SiamFC and SiamRPN on a GeForce GTX 1080, SiamDW's Table 4; AlexNet first.
PUBLISHED = {
    "alexnet": (101, 190),
    "ciresnet16": (75, 160),
    "ciresnet19": (73, 155),
    "ciresnet22": (70, 150),
    "ciresinception22": (67, 145),
    "ciresnext22": (72, 155),
    "ciresnet43": (35, 75),
}
# With random weights a target would be lost now and then, and the sweep for it is no update.
_NEVER_LOST = LostConfig(enabled=False)


@dataclass(frozen=True)
class BackboneCost:
    """Median milliseconds of an update with one target, and the paper's frames per second.

    Attributes:
        backbone: its name.
        siamfc, siamrpn: milliseconds, three scales and one.
        published: frames per second of both in the paper.
    """

    backbone: str
    siamfc: float
    siamrpn: float
    published: tuple[int, int]


def measure_backbones(device: torch.device, frames: int = 40, precision: str = "auto") -> list[BackboneCost]:
    """Time updates of both trackers with every backbone, all taking turns in each frame of one run.

    The weights are random: they do not change what a frame costs. Both trackers of a row have the same backbone, in the
    first one SiamFC's AlexNet; SiamDW gives SiamRPN the wide one there, which costs a tenth more (docs/siamrpn.md).

    Args:
        device: where the networks run.
        frames: that the medians are over.
        precision: as for ``SiameseModel``.

    Raises:
        ConfigError: if ``frames`` is below 1.
    """
    trackers: dict[str, Tracker] = {}
    for name in PUBLISHED:
        trackers[f"siamfc {name}"] = _siamfc(name, device, precision)
        trackers[f"siamrpn {name}"] = _siamrpn(name, device, precision)
    times = measure_updates(trackers, frames)
    return [
        BackboneCost(name, times[f"siamfc {name}"], times[f"siamrpn {name}"], published)
        for name, published in PUBLISHED.items()
    ]


def _siamfc(name: str, device: torch.device, precision: str) -> Tracker:
    network = SiamFCNetwork(backbone(name), 1e-3 if name == "alexnet" else 0.1)
    return Tracker(SiamFCModel.from_network(network, SiamFCConfig(lost=_NEVER_LOST), device, precision=precision))


def _siamrpn(name: str, device: torch.device, precision: str) -> Tracker:
    features = backbone(name)
    network = SiamRPNNetwork(features, DepthwiseHead(features.out_channels, 5))
    return Tracker(SiamRPNModel.from_network(network, SiamRPNConfig(lost=_NEVER_LOST), device, precision=precision))
