"""ResNet-50 and the AlexNets beside SiamFC's against published counts and sizes."""

from __future__ import annotations

import pytest
import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import AlexNetOWT, ResNet50, WideAlexNet, backbone, parameter_count


def with_random_norms(network: torch.nn.Module) -> torch.nn.Module:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def test_parameters_are_the_published_ones():
    """torchvision tells 25,557,032 for ResNet-50 and 61,100,840 for AlexNet, with their classifiers."""
    assert parameter_count(ResNet50(4)) == 25_557_032 - (2048 * 1000 + 1000)
    classifier = (9216 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 1000 + 1000)
    assert parameter_count(AlexNetOWT()) == 61_100_840 - classifier
    assert parameter_count(WideAlexNet()) == pytest.approx(3.75e6, rel=1e-3)


def test_resnet_is_dilated_to_the_stride_that_is_wanted():
    deep, plain = ResNet50(4), ResNet50(4, max_stride=32)
    assert (deep.stride, plain.stride, deep.out_channels) == (8, 32, 2048)
    # 7x7 and the pooling, and then every 3x3 by its stride: each stage's first and the others
    expected = 7 + 2 * 2 + 3 * 2 * 4 + (2 * 4 + 3 * 2 * 8) + (2 * 8 + 5 * 2 * 16) + (2 * 16 + 2 * 2 * 32)
    assert plain.receptive_field == expected
    network = ResNet50().eval()
    assert (network.stride, network.out_channels, network.first_centre) == (8, 1024, 0)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 65, 65)).shape == (1, 1024, 9, 9)


@pytest.mark.parametrize("size", [64, 75])
@pytest.mark.parametrize(
    ("dilated", "strided"),
    [(lambda: ResNet50(), lambda: ResNet50(max_stride=16)), (lambda: AlexNetOWT(), lambda: AlexNetOWT(16))],
    ids=["resnet50", "alexnet"],
)
def test_every_second_cell_of_the_dilated_network_is_a_cell_of_the_strided(dilated, strided, size):
    torch.manual_seed(0)
    wide, narrow = with_random_norms(dilated()), strided().eval()
    narrow.load_state_dict(wide.state_dict())
    images = torch.rand(1, 3, size, size) * 255
    with torch.inference_mode():
        expected = narrow(images)
        torch.testing.assert_close(wide(images)[..., ::2, ::2], expected, rtol=1e-4, atol=1e-4 * expected.abs().max())


def test_alexnet_of_torchvision_sees_where_it_says():
    network = AlexNetOWT().eval()
    assert (network.stride, network.out_channels) == (8, 256)
    image = torch.rand(1, 3, 255, 255, requires_grad=True)
    network(image)[0, :, 14, 14].sum().backward()
    seen = torch.nonzero(image.grad[0].abs().sum(0))
    middle = (seen.min().item() + seen.max().item()) / 2
    assert middle == pytest.approx(network.first_centre + 14 * network.stride, abs=2)


@pytest.mark.parametrize(("name", "units"), [("resnet50", 14), ("alexnet_owt", 5), ("vgg16", 13), ("vgg_m", 3)])
def test_units_are_the_whole_network_from_front_to_back(name, units):
    network = backbone(name)
    assert len(network.units()) == units
    ordered = [parameter for unit in network.units() for parameter in unit.parameters()]
    assert [id(parameter) for parameter in ordered] == [id(parameter) for parameter in network.parameters()]


def test_wide_alexnet_has_the_published_sizes():
    network = WideAlexNet().eval()
    assert (network.stride, network.receptive_field, network.out_channels) == (8, 87, 256)
    with torch.inference_mode():
        for size, cells in ((127, 6), (255, 22), (271, 24)):
            assert network(torch.zeros(1, 3, size, size)).shape == (1, 256, cells, cells)
    assert WideAlexNet(2).out_channels == 512


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda: ResNet50(5), "layers 1 to 4, not 5"), (lambda: AlexNetOWT(4), "8 or 16, not 4")],
)
def test_impossible_options(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
