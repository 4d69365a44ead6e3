"""DSiam's response and weight maps against the equations, written slowly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_dsiam import CELLS, SMALL, scene, texture
from small_dsiam import small_tracker

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.dsiam import DSiamNetwork
from siam_tracker_core.networks.layer_fusion import LayerFusion


def convolved(spectrum, signal):
    return np.fft.ifft2(spectrum * np.fft.fft2(signal)).real


def regression(source, target, ridge):
    x, y = np.fft.fft2(source), np.fft.fft2(target)
    return x.conj() * y / (x.conj() * x + ridge)  # equation 4


def slow_response(tracker, first, now, around, dark, search):
    """Equations 2, 6, 8 and 9 with the published blending, a layer, a channel and a cell at a time."""
    config, network = tracker.config, tracker.model.network
    total = 0
    for layer in range(len(network.layers)):
        f1, f, g, g_dark, z = (each[layer][0].double().numpy() for each in (first, now, around, dark, search))
        ridge_v, ridge_w = (float(regressions[layer].ridge) for regressions in network.ridges)
        small, large = (
            np.outer(np.hanning(len(each[0])), np.hanning(len(each[0]))) if config.windowed else 1 for each in (f1, g)
        )
        response = np.zeros((CELLS, CELLS))
        for c in range(len(f1)):
            v = regression(f1[c] * small, f[c] * small, ridge_v * f1[c].size)
            exemplar = (1 - config.appearance_rate) * f1[c] + config.appearance_rate * convolved(v, f1[c] * small)
            w = regression(g[c] * large, g_dark[c] * large, ridge_w * g[c].size)
            rate = config.suppression_rate
            searched = (1 - rate) * z[c] + rate * convolved(w, z[c] * large)
            side = len(exemplar)
            for row, column in np.ndindex(CELLS, CELLS):
                response[row, column] += (exemplar * searched[row : row + side, column : column + side]).sum()
        total = total + network.fusion.weights[layer].detach().numpy() * response
    return total * network.correlation.gain


@pytest.mark.parametrize("paper", [False, True])
def test_the_response_is_that_of_the_equations(paper):
    plain = {"appearance_rate": 1.0, "suppression_rate": 1.0, "windowed": False, "border_window": False}
    config = {**(plain if paper else {}), "weighting_sigma": 30.0, "scales": 1}
    config |= {"appearance_ridge": 0.1, "suppression_ridge": 0.2}
    tracker = small_tracker(("deep", "shallow"), **config)
    network = tracker.model.network
    tracker.model.weights = network.fusion.weights.detach()
    with torch.no_grad():
        network.fusion.shares.copy_(torch.rand(1, CELLS, CELLS))
    tracker.model.weights = network.fusion.weights
    pictures = [scene((texture(1), 80, 60)), scene((texture(2), 82, 61)), scene((texture(3), 84, 62))]
    tracker.init(pictures[0], [80, 60, 24, 24])

    def features(picture, window, size, weighting=None):
        crops = tracker.upload(picture).crops([window], size)
        with torch.no_grad():
            return tracker.model.embed(crops if weighting is None else crops * weighting)

    shrink = SMALL["exemplar_size"] / SMALL["search_size"]
    first = features(pictures[0], tracker.state.search_window.scaled(shrink), SMALL["exemplar_size"])
    tracker.update(pictures[1])
    window = tracker.state.search_window
    now = features(pictures[1], window.scaled(shrink), SMALL["exemplar_size"])
    offsets = np.arange(112) - 55.5
    gaussian = np.exp(-(offsets**2) / (2 * 30.0**2))
    darkening = np.outer(gaussian, gaussian) * (1 if paper else np.outer(np.hamming(112), np.hanning(112)))
    around = features(pictures[1], window, SMALL["search_size"])
    dark = features(pictures[1], window, SMALL["search_size"], torch.from_numpy(darkening).float())
    search = features(pictures[2], window, SMALL["search_size"])
    expected = slow_response(tracker, first, now, around, dark, search)
    got = tracker.update(pictures[2]).response.values
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_weight_maps_sum_to_one_and_begin_as_the_papers():
    fusion = LayerFusion(3, 5)
    assert torch.equal(fusion.weights[0], torch.ones(5, 5))
    with torch.no_grad():
        fusion.shares.normal_()
    torch.testing.assert_close(fusion.weights.sum(dim=0), torch.ones(5, 5))
    maps = [torch.rand(2, 1, 5, 5) for _ in range(3)]
    expected = sum(weight * map_ for weight, map_ in zip(fusion.weights, maps, strict=True))
    torch.testing.assert_close(fusion(maps), expected)
    with pytest.raises(ConfigError, match="7x7 cells and the fusion's weight maps 5x5"):
        fusion([torch.rand(1, 1, 7, 7)] * 3)


def test_coarser_responses_are_laid_over_finer_ones():
    """VGG-19's conv5_4 has half the cells of conv4_4; the outermost ones of both belong to the same displacements."""
    fusion = LayerFusion(2, 9)
    ramp = torch.arange(9.0).expand(1, 1, 9, 9)
    torch.testing.assert_close(fusion([ramp[..., ::2, ::2], torch.zeros(1, 1, 9, 9)]), ramp)
    network = DSiamNetwork(backbone("vgg19"), ("conv5_4", "conv4_4"))
    strides = [network.backbone.footprint_at(layer).stride for layer in network.layers]
    assert (strides, network.stride) == ([16, 8], 8)


def test_layers_of_alexnet_in_one_pass():
    network = backbone("alexnet").eval()
    with torch.no_grad():
        for size, cells in ((127, (6, 8)), (255, (22, 24))):
            images = torch.rand(1, 3, size, size) * 255
            deep, shallow = network.features_at(images, ("conv5", "conv4"))
            assert deep.shape == (1, 256, cells[0], cells[0])
            assert shallow.shape == (1, 384, cells[1], cells[1])
            assert shallow.min() >= 0
            torch.testing.assert_close(deep, network(images))
            torch.testing.assert_close(deep, network.conv5(shallow))
    fields = {layer: network.footprint_at(layer) for layer in ("conv4", "conv5")}
    assert [field.stride for field in fields.values()] == [network.stride] * 2
    assert fields["conv5"].receptive_field == network.receptive_field
    with pytest.raises(ConfigError, match="no layer conv6; it has conv1"):
        network.features_at(images, ("conv6",))
