"""The networks of SiamDW's Tables 1 and 2 against the counts that they print, and against what can be measured."""

from __future__ import annotations

import pytest
import torch
from made_network import liven

from siam_tracker_core import load_tracker
from siam_tracker_core.analysis.guidelines import padded_cells, receptive_field_of, stride_of
from siam_tracker_core.commands.train import trainable
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import backbone, described_backbone
from siam_tracker_core.networks.inference import fold_batch_norms
from siam_tracker_core.training.engine.export import start_from
from siam_tracker_core.training.siamfc import SiamFCTraining
from siam_tracker_core.training.siamrpn import SiamRPNTraining
from siam_tracker_core.weights import read_weights, save_weights

# Table 1: receptive field, stride, output size, padding, in the paper's order.
ALEX = (
    *((127, 8, 1, False), (111, 8, 3, False), (103, 8, 4, False), (95, 8, 5, False), (87, 8, 6, False)),
    *((87, 8, 16, True), (79, 8, 7, False), (71, 8, 8, False), (103, 16, 2, False), (103, 4, 7, False)),
)
RESNET = (
    *((123, 8, 1, False), (107, 8, 3, False), (99, 8, 4, False), (91, 8, 5, False), (91, 8, 16, True)),
    *((83, 8, 6, False), (75, 8, 7, False), (107, 16, 2, False), (107, 4, 6, False)),
)
TABLE_1 = [(name, *counts) for name in ("alexnet_variant", "vgg10") for counts in ALEX]
TABLE_1 += [(name, *counts) for name in ("resnet33", "inception22") for counts in RESNET]

# Table 2: the largest receptive field, stride, output size.
TABLE_2 = {
    "alexnet": (87, 8, 6),
    "vgg10": (103, 8, 4),
    "inception16": (183, 8, 16),
    "resnet17": (227, 8, 16),
    "inception22": (519, 16, 8),
    "resnet33": (739, 16, 8),
}


def on_meta(name: str, **options) -> tuple[torch.nn.Module, int]:
    """A network without memory, and the cells that it has of an exemplar."""
    with torch.device("meta"):
        network = backbone(name, **options).eval()
        return network, network(torch.zeros(1, 3, 127, 127)).shape[-1]


def test_table_1_is_built_as_printed():
    for name, field, stride, size, padded in TABLE_1:
        network, cells = on_meta(name, receptive_field=field, stride=stride, padded=padded)
        assert (network.receptive_field, network.stride, cells) == (field, stride, size), name


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2_is_built_as_printed(name):
    network, cells = on_meta(name)
    assert (network.receptive_field, network.stride, cells) == TABLE_2[name]


def layers(network: torch.nn.Module) -> int:
    """Convolutions one behind the other: those of shortcuts and of parallel branches count once."""
    names = [name for name, layer in network.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    return len([name for name in names if not any(part in name for part in ("shortcut", "one", "three", "pooled"))])


@pytest.mark.parametrize("name", [name for name in TABLE_2 if name != "alexnet"])
def test_depth_is_what_the_name_says(name):
    assert layers(on_meta(name)[0]) == int("".join(filter(str.isdecimal, name)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alexnet_variant", {"receptive_field": 103, "stride": 16}),
        ("resnet33", {"receptive_field": 83, "stride": 8}),
        ("inception22", {"receptive_field": 91}),
        ("inception22", {"receptive_field": 91, "padded": True}),
    ],
    ids=str,
)
def test_what_a_network_says_of_itself_is_what_is_measured(name, options):
    torch.manual_seed(0)
    network = backbone(name, **options).eval().double()
    liven(network)
    assert receptive_field_of(network, 127) == network.receptive_field
    assert stride_of(network, 127) == network.stride
    assert bool(padded_cells(network, 127, network.stride)) == options.get("padded", False)
    image = torch.rand(1, 3, 127, 127, dtype=torch.float64) * 255
    with torch.inference_mode():
        before = network(image)
        fold_batch_norms(network)
        torch.testing.assert_close(network(image), before)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "vgg10",
            {"receptive_field": 100},
            "receptive_field 100 cannot be had: it is 39 and a multiple of 8 more",
        ),
        ("resnet33", {"receptive_field": 91, "stride": 5}, "stride is 5; use 4, 8 or 16"),
        ("inception22", {"depth": 3}, "backbone 'inception22'"),
    ],
)
def test_networks_that_cannot_be(name, options, message):
    with pytest.raises(ConfigError, match=message):
        backbone(name, **options)


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        ("siamfc", SiamFCTraining(backbone="alexnet_variant", backbone_options={"receptive_field": 79})),
        ("siamrpn", SiamRPNTraining(backbone="ciresnet16", backbone_options={"stride": 16, "last_kernel": 2})),
    ],
)
def test_options_travel_from_the_training_to_the_tracker(kind, recipe, tmp_path):
    torch.manual_seed(0)
    trained = trainable(kind).build(recipe)
    path = tmp_path / f"{kind}.safetensors"
    save_weights(path, trained.network.state_dict(), {**trained.description(), "provenance": {}})
    _, metadata = read_weights(path)
    assert metadata["network"]["backbone_options"] == recipe.backbone_options
    tracker = load_tracker(path, device="cpu", precision="single")
    made = made_sequence(frames=2, size=(320, 240), seed=3)
    tracker.init(made.frames[0], made.boxes[0])
    assert tracker.update(made.frames[1]).box.width > 1
    start_from(trainable(kind).build(recipe), path)
    with pytest.raises(WeightsError, match="does not fit"):
        start_from(trainable(kind).build(type(recipe)(backbone="ciresnet22")), path)


def test_options_of_another_form_are_refused():
    with pytest.raises(WeightsError, match=r"made has \[4\] as its backbone's options, expected a mapping"):
        described_backbone({"backbone": "vgg10", "backbone_options": [4]}, "alexnet", "made")
