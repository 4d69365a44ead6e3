"""SRT networks and trackers with random weights, and footage for them; use with the fixture ``narrow_vgg``."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.networks.srt import SRTLayers, SRTNetwork
from siam_tracker_core.trackers.srt import SRTConfig, SRTModel
from siam_tracker_core.trackers.tracker import Tracker

CPU = torch.device("cpu")
# Candidates of up to 30 pixels: a fifth of the usual number of cells.
SMALL = SRTConfig(exemplar_size=112, search_size=160, regression_samples=60)
BOTH = SRTLayers(hidden=8, outputs=8)


def made_network(layers: SRTLayers = BOTH, seed: int = 0) -> SRTNetwork:
    """With random weights that keep the size of features from layer to layer."""
    torch.manual_seed(seed)
    network = SRTNetwork(layers)
    for unit in network.backbone.units():
        nn.init.kaiming_normal_(unit.weight, nonlinearity="relu")
        nn.init.normal_(unit.bias, std=0.1)
    for irnn in network.irnn:
        nn.init.normal_(irnn.input.weight, std=0.05)
    return network.eval()


def made_tracker(config: SRTConfig = SMALL, layers: SRTLayers = BOTH) -> Tracker:
    return Tracker(SRTModel(made_network(layers), config, CPU, precision="single"))


def footage(frames: int = 6, seed: int = 3):
    return made_sequence(frames=frames, size=(320, 240), seed=seed)
