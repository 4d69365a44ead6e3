"""A DSiam on random weights, small enough to be tested everywhere."""

from __future__ import annotations

import torch
from made_dsiam import SMALL, small_network

from siam_tracker_core.config import read_config
from siam_tracker_core.trackers.dsiam import DSiamConfig, DSiamModel
from siam_tracker_core.trackers.tracker import Tracker

EASY = {"enabled": False}
ALWAYS = -1e9  # a threshold that every response is above


def small_tracker(layers=("deep",), network=None, **config):
    settings = {**SMALL, "lost": EASY, "threshold": ALWAYS, **config}
    model = DSiamModel(
        network or small_network(layers),
        read_config(DSiamConfig, settings, "test"),
        torch.device("cpu"),
        precision="single",
    )
    return Tracker(model)
