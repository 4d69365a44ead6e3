"""SiamRPN's AlexNet made of SiamFC's, against the latter's own answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siam_tracker_core.commands.make_ungrouped import make_ungrouped
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.ungrouped import without_groups
from siam_tracker_core.weights import read_weights, save_weights


def random_alexnet() -> torch.nn.Module:
    """With statistics and factors of its normalisations, too."""
    torch.manual_seed(0)
    network = backbone("alexnet").eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.bias):
                tensor.data.normal_()
            for tensor in (layer.running_var, layer.weight):
                tensor.data.uniform_(0.5, 2.0)
    return network


def test_it_computes_the_same_and_can_learn_what_groups_kept_apart() -> None:
    given, made = random_alexnet(), backbone("alexnet_wide").eval()
    made.load_state_dict(without_groups(given.state_dict()))
    images = torch.rand(1, 3, 127, 127) * 255
    features = made(images)
    torch.testing.assert_close(features, given(images), rtol=1e-4, atol=1e-3)
    features.square().sum().backward()
    for unit in (made.conv2, made.conv4, made.conv5):
        apart = unit[0].weight == 0
        assert apart.float().mean() == 0.5
        assert unit[0].weight.grad[apart].abs().max() > 0


def test_the_command_keeps_head_settings_and_provenance(tmp_path: Path) -> None:
    state = {f"backbone.{name}": tensor for name, tensor in random_alexnet().state_dict().items()}
    state["correlation.bias"] = torch.tensor([-3.0])
    told = {
        "tracker": "siamfc",
        "network": {"backbone": "alexnet", "gain": 0.001},
        "config": {"scale_lr": 0.4},
        "provenance": {"steps": 7},
    }
    path, out = tmp_path / "siamfc.safetensors", tmp_path / "wide.safetensors"
    save_weights(path, state, told)
    make_ungrouped(path, out)
    after, metadata = read_weights(out)
    assert after["correlation.bias"] == -3
    assert metadata["network"] == {"backbone": "alexnet_wide", "gain": 0.001}
    assert (metadata["config"], metadata["provenance"]["start"]) == ({"scale_lr": 0.4}, {"steps": 7})
    backbone("alexnet_wide").load_state_dict(
        {name.removeprefix("backbone."): tensor for name, tensor in after.items() if name.startswith("backbone.")}
    )
    with pytest.raises(ConfigError, match="exists already"):
        make_ungrouped(path, out)
    with pytest.raises(WeightsError, match="no SiamFC or SiamRPN on alexnet"):
        make_ungrouped(out, tmp_path / "again.safetensors")
