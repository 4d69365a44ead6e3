"""Weights files made by the tests, so that they depend on no training."""

from __future__ import annotations

from pathlib import Path

import torch

from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.weights import save_weights


def random_weights(path: Path, seed: int = 0, **metadata: object) -> Path:
    """A SiamFC weights file with random convolutions; even these match a texture with itself."""
    torch.manual_seed(seed)
    network = SiamFCNetwork(backbone("alexnet"))
    content = {"tracker": "siamfc", "network": {"backbone": "alexnet", "gain": 1e-3}, "config": {}, "provenance": {}}
    save_weights(path, network.state_dict(), {**content, **metadata})
    return path
