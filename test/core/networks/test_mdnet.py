"""MDNet against its published size and a forward pass written from the published layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from siam_tracker_core.networks import MDNet, backbone, parameter_count


def test_published_size():
    network = MDNet()
    assert parameter_count(network) == pytest.approx(4.43e6, rel=1e-3)
    assert (network.backbone.stride, network.backbone.receptive_field) == (16, 75)
    crops = torch.zeros(2, 3, 107, 107)
    sizes = []
    with torch.inference_mode():
        features = crops
        for stage in (network.backbone.conv1, network.backbone.conv2, network.backbone.conv3):
            for layer in stage:
                features = layer(features)
                sizes.append(features.shape[-1])
    assert sorted(set(sizes), reverse=True) == [51, 25, 11, 5, 3]
    assert backbone("vgg_m").out_channels == 512


def local_response(features: torch.Tensor) -> torch.Tensor:
    """Response normalisation over each channel and the one before it, as PyTorch's of size 2: k 1, alpha 1e-4."""
    squares = features.square()
    before = torch.cat([torch.zeros_like(squares[:, :1]), squares[:, :-1]], dim=1)
    return features / (1 + 1e-4 * (squares + before) / 2) ** 0.75


def test_forward_is_the_published_one():
    torch.manual_seed(0)
    network = MDNet(domains=2).eval()
    state = network.state_dict()
    for name in state:  # so that the logits differ from zero
        if name.startswith("fc"):
            state[name].normal_(0, 0.05)
    crops = torch.rand(3, 3, 107, 107) * 255
    features = crops - 128
    for stage in ("conv1", "conv2"):
        weight, bias = state[f"backbone.{stage}.0.weight"], state[f"backbone.{stage}.0.bias"]
        features = functional.conv2d(features, weight, bias, stride=2).relu()
        features = functional.max_pool2d(local_response(features), 3, 2)
    features = functional.conv2d(features, state["backbone.conv3.0.weight"], state["backbone.conv3.0.bias"]).relu()
    flat = features.reshape(3, 4608)
    hidden = functional.linear(flat, state["fc4.0.weight"], state["fc4.0.bias"]).relu()
    hidden = functional.linear(hidden, state["fc5.1.weight"], state["fc5.1.bias"]).relu()
    with torch.inference_mode():
        torch.testing.assert_close(network.features(crops), flat, rtol=1e-4, atol=1e-4)
        for domain in (0, 1):
            expected = functional.linear(hidden, state[f"fc6.{domain}.1.weight"], state[f"fc6.{domain}.1.bias"])
            torch.testing.assert_close(network(crops, domain), expected, rtol=1e-3, atol=1e-4)
        assert not torch.equal(network(crops, 0), network(crops, 1))


def test_domains_are_added_with_weights_of_their_own_seed():
    shared = MDNet(domains=0)
    assert not [name for name in shared.state_dict() if name.startswith("fc6")]
    assert shared.add_domain(torch.Generator().manual_seed(1)) == 0
    assert shared.add_domain(torch.Generator().manual_seed(2)) == 1
    again = MDNet(domains=0)
    again.add_domain(torch.Generator().manual_seed(1))
    torch.testing.assert_close(again.fc6[0][1].weight, shared.fc6[0][1].weight)
    assert not torch.equal(shared.fc6[0][1].weight, shared.fc6[1][1].weight)
    assert shared.fc6[0][1].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert shared.fc6[0][1].bias.abs().sum() == 0


def test_dropout_is_at_work_in_training_only():
    torch.manual_seed(0)
    network = MDNet()
    features = torch.rand(4, 4608)
    assert not torch.equal(network.train().classify(features), network.classify(features))
    network.eval()
    assert torch.equal(network.classify(features), network.classify(features))
