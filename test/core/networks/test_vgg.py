"""VGG against its published counts, sizes and order of layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.importers import load_vgg16
from siam_tracker_core.networks import VGG, backbone, parameter_count
from siam_tracker_core.networks.normalise import CAFFE


def test_parameters_are_the_published_ones():
    """torchvision tells 138,357,544 for VGG-16 and 143,667,240 for VGG-19, 123,642,856 of them in the classifier."""
    assert parameter_count(backbone("vgg16")) == 138_357_544 - 123_642_856
    assert parameter_count(backbone("vgg19")) == 143_667_240 - 123_642_856


@pytest.mark.parametrize(
    ("options", "stride", "cells", "channels"),
    [
        ({}, 16, 6, 512),
        ({"last": "conv4_3"}, 8, 12, 512),
        ({"last": "conv3_2"}, 4, 25, 256),
        ({"pools": ("conv1_2", "conv2_2")}, 4, 25, 512),
        ({"depth": 19, "last": "conv4_4"}, 8, 12, 512),
        ({"pools": ()}, 1, 101, 512),
    ],
)
def test_strides_and_sizes(options, stride, cells, channels):
    network = VGG(**options).eval()
    assert (network.stride, network.out_channels) == (stride, channels)
    size = 101 if stride > 1 else 20
    with torch.inference_mode():
        features = network(torch.zeros(1, 3, size, size))
    assert features.shape == (1, channels, *[cells if stride > 1 else size] * 2)


def test_receptive_field_and_first_centre_are_what_a_cell_really_sees():
    network = VGG(last="conv3_2").eval()
    image = torch.rand(1, 3, 81, 81, requires_grad=True)
    network(image)[0, :, 9, 9].sum().backward()
    seen = torch.nonzero(image.grad[0].abs().sum(0))
    first, last = seen.min().item(), seen.max().item()
    assert last - first + 1 <= network.receptive_field
    assert last - first + 1 > network.receptive_field - 4
    assert (first + last) / 2 == pytest.approx(network.first_centre + 9 * network.stride, abs=2)


def test_receptive_fields_of_the_literature():
    """Araujo et al. (2019) give 212 for the last pooling, which adds its stride of 16 to that of conv5_3."""
    assert VGG().receptive_field == 212 - 16
    assert VGG(last="conv4_3").receptive_field == 92
    assert VGG(last="conv3_3").receptive_field == 40


def test_features_at_several_layers_are_those_of_the_networks_that_end_there():
    torch.manual_seed(0)
    network = VGG(19).eval()
    shallow = VGG(19, last="conv4_4").eval()
    shallow.load_state_dict({name: network.state_dict()[name] for name in shallow.state_dict()})
    images = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        deep, middle = network.features_at(images, ("conv5_4", "conv4_4"))
        torch.testing.assert_close(deep, network(images))
        torch.testing.assert_close(middle, shallow(images))
        assert middle.min() >= 0


def test_a_pooling_that_is_left_out_keeps_the_names():
    assert VGG().state_dict().keys() == VGG(pools=("conv1_2",)).state_dict().keys()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 11}, "no VGG-11"),
        ({"last": "conv3_4"}, "no conv3_4"),
        ({"pools": ("pool3",)}, "no pool3"),
        ({"pools": ("conv3_1",)}, "not conv3_1"),
    ],
)
def test_impossible_options(options, words):
    with pytest.raises(ConfigError, match=words):
        VGG(**options)


def test_features_of_a_convolution_that_is_not_there():
    with pytest.raises(ConfigError, match="no conv5_1; it ends with conv1_2"):
        VGG(last="conv1_2").features_at(torch.zeros(1, 3, 8, 8), ["conv5_1", "conv1_1"])


def test_the_shared_convolutions_load_and_answer_as_caffe_would(shared_data):
    """Its input is BGR less a mean; the first convolution of that, against the network's, which takes RGB."""
    from safetensors.torch import load_file

    path = shared_data / "backbones" / "vgg16_hed_fp16.safetensors"
    network = load_vgg16(path, pools=("conv1_2", "conv2_2"))
    assert network.stride == 4
    tensors = load_file(path)
    rgb = torch.rand(1, 3, 24, 24) * 255
    bgr = rgb.flip(1) - torch.tensor([104.007, 116.669, 122.679]).view(1, 3, 1, 1)
    weight, bias = tensors["features.0.weight"].float(), tensors["features.0.bias"].float()
    expected = functional.conv2d(bgr, weight, bias, padding=1).relu()
    with torch.inference_mode():
        torch.testing.assert_close(network.features_at(rgb, ["conv1_1"])[0], expected, rtol=1e-3, atol=1e-2)


def test_an_input_that_is_not_known_is_told(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "vgg.safetensors"
    save_file(VGG(convention=CAFFE).state_dict(), path, metadata={"input": "HSV"})
    with pytest.raises(WeightsError, match=r"vgg.safetensors is for an input of 'HSV'; known are 'RGB"):
        load_vgg16(path)
