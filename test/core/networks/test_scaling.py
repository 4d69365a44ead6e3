"""Scaled backbones against scaled features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from siam_tracker_core.networks import DESCRIPTIONS, backbone
from siam_tracker_core.networks.scaling import scale_output


@pytest.mark.parametrize("name", ["alexnet", "alexnet_wide", *DESCRIPTIONS])
def test_features_are_multiplied(name):
    torch.manual_seed(0)
    network = backbone(name).double().eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
            nn.init.normal_(layer.running_mean, 0, 0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    images = 255 * torch.rand(1, 3, 127, 127, dtype=torch.float64)
    with torch.inference_mode():
        before = network(images)
        scale_output(network, 0.05)
        after = network(images)
    # CIR-NeXt normalises the sum, where epsilon is no longer small beside the variance.
    tolerance = 0.02 if name == "ciresnext22" else 1e-9
    torch.testing.assert_close(after, 0.05 * before, rtol=tolerance, atol=tolerance * float(before.std()))
