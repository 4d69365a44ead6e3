"""Backbones and correlation against published counts and slow references."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import pytest
import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import Correlation, SiamFCNetwork, backbone, cross_correlation, parameter_count
from siam_tracker_core.networks.inference import fold_batch_norms
from siam_tracker_core.networks.siamban import anchor_free
from siam_tracker_core.networks.siamese import WithFeatures, gathered


def test_alexnet_has_the_published_shape():
    network = backbone("alexnet").eval()
    assert parameter_count(network) == pytest.approx(2.336e6, rel=1e-3)
    assert (network.stride, network.receptive_field, network.out_channels) == (8, 87, 256)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 127, 127)).shape == (1, 256, 6, 6)
        assert network(torch.zeros(1, 3, 255, 255)).shape == (1, 256, 22, 22)


def test_receptive_field_is_what_a_cell_really_sees():
    network = backbone("alexnet").eval()
    image = torch.rand(1, 3, 151, 151, requires_grad=True)
    network(image)[0, :, 3, 3].abs().sum().backward()
    seen = torch.nonzero(image.grad[0].abs().sum(0))
    first, last = seen.min(0).values, seen.max(0).values
    assert (first >= 3 * network.stride).all()
    assert (last < 3 * network.stride + network.receptive_field).all()


def test_alexnet_shifts_with_its_input():
    """Without padding, shifting the input by the stride shifts the features by one cell, exactly."""
    network = backbone("alexnet").eval()
    image = torch.rand(1, 3, 143, 135) * 255
    with torch.inference_mode():
        here, there = network(image[:, :, :135]), network(image[:, :, 8:])
    torch.testing.assert_close(here[:, :, 1:], there[:, :, :-1], rtol=1e-3, atol=1e-4)


def test_mobilenet_is_dilated_to_stride_eight():
    network = backbone("mobilenetv2").eval()
    assert (network.stride, network.out_channels) == (8, 64)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 255, 255)).shape == (1, 64, 32, 32)


def test_unknown_backbone_is_named():
    with pytest.raises(ConfigError, match=r"resnet9000.*alexnet"):
        backbone("resnet9000")


def correlate_by_loops(exemplar: np.ndarray, search: np.ndarray) -> np.ndarray:
    """Equation 1 of SiamFC, cell by cell."""
    rows, columns = search.shape[1] - exemplar.shape[1] + 1, search.shape[2] - exemplar.shape[2] + 1
    out = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            part = search[:, row : row + exemplar.shape[1], column : column + exemplar.shape[2]]
            out[row, column] = (part * exemplar).sum()
    return out


@pytest.mark.parametrize(("targets", "each"), [(1, 1), (1, 3), (4, 1), (3, 3)])
def test_cross_correlation_equals_loops(targets, each):
    torch.manual_seed(0)
    exemplars, searches = torch.randn(targets, 5, 3, 3), torch.randn(targets * each, 5, 8, 7)
    responses = cross_correlation(exemplars, searches)
    assert responses.shape == (targets * each, 1, 6, 5)
    for number, response in enumerate(responses):
        expected = correlate_by_loops(exemplars[number // each].numpy(), searches[number].numpy())
        np.testing.assert_allclose(response[0].numpy(), expected, rtol=1e-4, atol=1e-4)


def test_correlation_learns_its_bias_and_both_branches():
    layer = Correlation(gain=0.5)
    exemplar, search = torch.randn(2, 4, 2, 2, requires_grad=True), torch.randn(2, 4, 5, 5, requires_grad=True)
    response = layer(exemplar, search)
    torch.testing.assert_close(response, cross_correlation(exemplar, search) * 0.5 + layer.bias)
    response.square().sum().backward()
    assert layer.bias.grad.abs() > 0
    assert exemplar.grad.abs().sum() > 0
    assert search.grad.abs().sum() > 0


@pytest.mark.parametrize("side", [3, 4, 5, 6])
def test_features_beside_a_map_are_where_its_templates_have_their_middle(side):
    """Features that tell their own place: a template of ones has the mean place of its cells as its response."""
    network = WithFeatures(SiamFCNetwork(backbone("alexnet"), gain=1 / side**2))
    column, row = torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="xy")
    features = torch.stack([column, row])[None]
    for channel in range(2):
        template = torch.zeros(1, 2, side, side)
        template[:, channel] = 1
        response, beside = network.compare((template,), features)
        size = response.shape[-1]
        margin = (beside.shape[-1] - size) // 2
        assert (beside.shape[-1] - size) % 2 == 0
        middle = beside[0, channel, margin : margin + size, margin : margin + size]
        torch.testing.assert_close(middle, response[0, 0])


@pytest.mark.parametrize("given", [(6, 4), (5, 3), (7, 5)])
def test_a_finer_grid_becomes_channels_of_a_coarser_one(given):
    """By loops; where the fine grid is too small, its last cells go on."""
    features = torch.arange(2.0 * given[0] * given[1]).view(1, 2, *given)
    got = gathered(features, 2, (3, 2))
    for channel, row, column in product(range(8), range(3), range(2)):
        below, right = divmod(channel % 4, 2)
        fine = min(2 * row + below, given[0] - 1), min(2 * column + right, given[1] - 1)
        assert got[0, channel, row, column] == features[(0, channel // 4, *fine)]
    assert got.shape == (1, 8, 3, 2)


def test_features_of_earlier_units_are_those_of_the_units_alone():
    torch.manual_seed(0)
    plain = anchor_free(backbone("mobilenetv2_stride16"), {}).eval()
    network = WithFeatures(plain, 4)  # stride 4, in 4 * 4 cells of each of the map's
    searches = torch.rand(2, 3, 255, 255) * 255
    with torch.no_grad():
        template = plain.template(torch.rand(2, 3, 127, 127) * 255)
        scores, boxes, features = network.search(template, searches)
        early = (searches - plain.backbone.mean) / plain.backbone.std
        for unit in plain.backbone.units()[:4]:
            early = unit(early)
        expected = plain.search(template, searches)
    torch.testing.assert_close((scores, boxes), expected)
    assert features.shape == (2, 24 * 16, 15, 15)
    torch.testing.assert_close(features[:, :16, 2, 3], early[:, 0, 12:16, 16:20].flatten(1))


def test_units_that_a_backbone_does_not_have_are_refused():
    with pytest.raises(ConfigError, match=r"features_from is 15, .* after 0 \(all of it\) to 14 of its units"):
        WithFeatures(anchor_free(backbone("mobilenetv2_stride16"), {}), 15)
    with pytest.raises(ConfigError, match=r"features_from is 2, and AlexNet gives features after 0 \(all of it\) only"):
        WithFeatures(SiamFCNetwork(backbone("alexnet")), 2)


@pytest.mark.parametrize("name", ["alexnet", "mobilenetv2"])
def test_folded_norms_change_nothing(name):
    torch.manual_seed(1)
    network = backbone(name)
    images = torch.rand(2, 3, 127, 127) * 255
    with torch.no_grad():
        network.train()(images)  # statistics other than 0 and 1
        network.eval()
        folded = copy.deepcopy(network)
        fold_batch_norms(folded)
        expected = network(images)
        assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
        torch.testing.assert_close(folded(images), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
