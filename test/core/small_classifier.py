"""A classifier with few samples and rounds, and how one is taught."""

from __future__ import annotations

import torch

from siam_tracker_core.geometry import Box
from siam_tracker_core.networks.mdnet import FEATURES
from siam_tracker_core.trackers.mdnet.classifier import Classifier
from siam_tracker_core.trackers.mdnet.config import ClassifierConfig
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork

CPU = torch.device("cpu")
TARGET, SIZE = Box(60, 40, 40, 30), (160, 120)
SMALL = {
    "init_positives": 6,
    "init_negatives": 12,
    "init_rounds": 2,
    "update_positives": 3,
    "update_negatives": 5,
    "update_rounds": 4,
    "batch_positives": 4,
    "batch_negatives": 6,
    "hard_pool": 10,
    "long_memory": 5,
    "short_memory": 3,
}


def config(**changes) -> ClassifierConfig:
    return ClassifierConfig(**{**SMALL, **changes})


def taught(network: PatchNetwork, seed: int, frames: int = 2, **changes) -> Classifier:
    """A classifier that remembers made-up features, for what needs no picture."""
    classifier = Classifier(network, config(seed=seed, **changes))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(frames):
        near = torch.rand(8, FEATURES, generator=generator) + 0.2
        classifier.remember(near, torch.rand(9, FEATURES, generator=generator))
    return classifier


def parameters(classifier: Classifier) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in classifier.head.parameters])
