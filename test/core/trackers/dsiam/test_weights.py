"""Weights of DSiam: made of SiamFC's or a backbone's, for every variant, and drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_dsiam import CELLS, SMALL, scene, small_network, texture
from made_network import random_weights
from small_dsiam import ALWAYS, EASY, small_tracker

from siam_tracker_core import load_tracker
from siam_tracker_core.analysis.fusion_picture import fusion_maps, save_fusion_picture
from siam_tracker_core.commands.analyse import analyse
from siam_tracker_core.commands.make_dsiam import make_dsiam
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, SiamTrackerError, WeightsError
from siam_tracker_core.networks import MobileNetV2, backbone
from siam_tracker_core.networks.dsiam import DSiamNetwork, describe, with_siamfc
from siam_tracker_core.weights import read_weights, save_weights


def test_variants_of_figure_9():
    shown = [scene((texture(1), 80, 60)), scene((texture(2), 80, 60))]

    def after(**config):
        tracker = small_tracker(("deep", "shallow"), **config)
        tracker.init(shown[0], [80, 60, 24, 24])
        tracker.update(shown[1])
        return tracker, tracker.state.target.adaptation

    tracker, learned = after(appearance="previous")
    window = tracker.state.search_window.scaled(SMALL["exemplar_size"] / SMALL["search_size"])
    with torch.no_grad():
        now = tracker.model.embed(tracker.upload(shown[1]).crops([window], SMALL["exemplar_size"]))
    torch.testing.assert_close(learned.features[0], now[0])
    tracker, learned = after(appearance="off")
    assert torch.equal(learned.features[0], tracker.state.target.first.features[0])
    assert learned.kernels
    _, learned = after(suppression=False)
    assert not learned.kernels
    assert not torch.equal(learned.features[0], tracker.state.target.first.features[0])
    _, learned = after(fusion="first")
    assert len(learned.features) == len(learned.kernels) == 1
    tracker, _ = after(fusion="fixed", fusion_share=0.3)
    assert tracker.model.weights.flatten().tolist() == pytest.approx([0.3, 0.7])
    tracker, learned = after(appearance="off", suppression=False)
    assert tracker.update(shown[0]).learning == ""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A random SiamFC, and the DSiam and DSiamM that are made of it."""
    folder = tmp_path_factory.mktemp("weights")
    siamfc = random_weights(folder / "siamfc.safetensors", config={"window_influence": 0.2})
    make_dsiam(siamfc, folder / "dsiam.safetensors")
    make_dsiam(siamfc, folder / "dsiamm.safetensors", "conv5,conv4")
    return folder


def test_weights_made_of_siamfc_begin_as_siamfc(weights):
    """Without adaptation DSiam is SiamFC, and with first weight maps DSiamM is DSiam."""
    made = made_sequence(frames=3, size=(320, 240), seed=2)

    def boxes(name, **config):
        tracker = load_tracker(weights / f"{name}.safetensors", "cpu", config={"lost": EASY, **config})
        assert tracker.config.window_influence == 0.2
        tracker.init(made.frames[0], made.boxes[0])
        return np.array([tracker.update(frame).box.to_array() for frame in made.frames[1:]])

    np.testing.assert_allclose(boxes("dsiam", appearance="off", suppression=False), boxes("siamfc"), atol=1e-3)
    adapted = boxes("dsiam", threshold=ALWAYS)
    np.testing.assert_allclose(boxes("dsiamm", threshold=ALWAYS), adapted, atol=1e-3)
    assert boxes("dsiamm", threshold=ALWAYS, fusion="first") == pytest.approx(adapted, abs=1e-3)


def test_weights_that_cannot_be_made(weights, tmp_path):
    siamfc = weights / "siamfc.safetensors"
    with pytest.raises(ConfigError, match="exists already"):
        make_dsiam(siamfc, weights / "dsiam.safetensors")
    with pytest.raises(ConfigError, match="no layer conv9"):
        make_dsiam(siamfc, tmp_path / "w.safetensors", layers="conv5, conv9")
    with pytest.raises(ConfigError, match="different layers"):
        make_dsiam(siamfc, tmp_path / "w.safetensors", layers="conv5,conv5")
    save_weights(tmp_path / "mobile.safetensors", MobileNetV2().state_dict(), {"network": {"backbone": "mobilenetv2"}})
    with pytest.raises(ConfigError, match="MobileNetV2 has none to give"):
        make_dsiam(tmp_path / "mobile.safetensors", tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="neither a SiamFC nor a backbone"):
        make_dsiam(weights / "dsiam.safetensors", tmp_path / "w.safetensors")
    learns = random_weights(tmp_path / "learns.safetensors", config={"online": {"enabled": True}})
    with pytest.raises(ConfigError, match=r"learns\.safetensors has settings that a DSiam does not have: online"):
        make_dsiam(learns, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_a_backbone_becomes_a_dsiam(tmp_path):
    """As ``import-checkpoint`` leaves torchvision's VGG-19, here with AlexNet, which is smaller."""
    state = backbone("alexnet").state_dict()
    save_weights(tmp_path / "b.safetensors", state, {"network": {"backbone": "alexnet"}})
    make_dsiam(tmp_path / "b.safetensors", tmp_path / "w.safetensors", gain=0.01, bias=-2.0, suppression_ridge=3.0)
    got, metadata = read_weights(tmp_path / "w.safetensors")
    assert metadata["network"] == {"backbone": "alexnet", "gain": 0.01, "layers": ["conv5"], "cells": 17}
    assert got["correlation.bias"] == -2
    tracker = load_tracker(tmp_path / "w.safetensors", "cpu")
    assert float(tracker.model.network.ridges[1][0].ridge) == pytest.approx(3, rel=1e-3)
    save_weights(tmp_path / "bad.safetensors", with_siamfc(tracker.model.network, {}), metadata)
    with pytest.raises(WeightsError, match="missing: backbone"):
        load_tracker(tmp_path / "bad.safetensors", "cpu")


def test_vgg19_gives_layers_of_two_strides():
    """DSiamM with VGG-19 on small crops: conv5_4 has half as many cells a side as conv4_4."""
    torch.manual_seed(0)
    network = DSiamNetwork(backbone("vgg19"), ("conv5_4", "conv4_4"), gain=1.0, cells=9)
    assert network.cut_exemplars([torch.zeros(1, 512, 8, 8)], 128, 64) is None
    tracker = small_tracker(network=network, exemplar_size=64, search_size=128, scales=1)
    pictures = [scene((texture(1), 80, 60), clutter=0.5)] * 3
    tracker.init(pictures[0], [80, 60, 24, 24])
    results = [tracker.update(picture) for picture in pictures[1:]]
    assert tracker.state.target.is_adapted
    assert [layer.shape[2:] for layer in tracker.state.target.adaptation.features] == [(4, 4), (8, 8)]
    assert [layer.shape[2:] for layer in tracker.state.target.adaptation.kernels] == [(8, 5), (16, 9)]
    assert all(result.response.values.shape == (9, 9) for result in results)


def test_the_fusion_is_drawn_from_weights(weights, tmp_path, capsys):
    network = small_network(("deep", "shallow"))
    with torch.no_grad():
        network.fusion.shares.copy_(torch.linspace(0.25, 1.0, CELLS**2).view(1, CELLS, CELLS))
    path = tmp_path / "w.safetensors"
    save_weights(path, network.state_dict(), {"tracker": "dsiam", "network": describe(network, "alexnet")})
    layers, maps = fusion_maps(path)
    assert layers == ["deep", "shallow"]
    np.testing.assert_allclose(maps, network.fusion.weights.detach().numpy(), atol=1e-3)
    save_fusion_picture(tmp_path / "new" / "fusion.svg", path)
    text = (tmp_path / "new" / "fusion.svg").read_text()
    assert "deep: 0.250 to 1.000" in text
    assert "shallow: 0.000 to 0.750" in text
    assert text.count("<image") >= 2
    # On the command line, where the backbone of a weights file is analysed.
    analyse(str(weights / "dsiamm.safetensors"), fusion=tmp_path / "fusion.svg")
    assert "2.336 M" in capsys.readouterr().out
    assert "conv4: 0.000 to 0.000" in (tmp_path / "fusion.svg").read_text()
    with pytest.raises(WeightsError, match="no weight maps of a fusion"):
        save_fusion_picture(tmp_path / "other.svg", weights / "dsiam.safetensors")
    with pytest.raises(SiamTrackerError, match=r"would be SVG.*\.svg"):
        save_fusion_picture(tmp_path / "fusion.png", path)
