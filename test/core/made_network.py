"""Weights files made by the tests, so that they depend on no training."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.weights import save_weights


def random_weights(path: Path, seed: int = 0, **metadata: object) -> Path:
    """A SiamFC weights file with random convolutions; even these match a texture with itself."""
    torch.manual_seed(seed)
    network = SiamFCNetwork(backbone("alexnet"))
    content = {"tracker": "siamfc", "network": {"backbone": "alexnet", "gain": 1e-3}, "config": {}, "provenance": {}}
    save_weights(path, network.state_dict(), {**content, **metadata})
    return path


def liven(module: nn.Module) -> nn.Module:
    """Double precision, evaluation mode, and normalisations that do something."""
    generator = torch.Generator().manual_seed(5)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor, low in ((layer.weight, 0.5), (layer.bias, -1.0), (layer.running_mean, -1.0)):
                tensor.data = low + torch.rand(tensor.shape, generator=generator)
            layer.running_var = 0.5 + torch.rand(layer.running_var.shape, generator=generator)
    return module.double().eval().requires_grad_(False)
