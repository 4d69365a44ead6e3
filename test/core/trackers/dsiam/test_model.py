"""DSiam: the response against the equations, adaptation doing its work, and what it survives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_dsiam import CELLS, SMALL, scene, small_network, texture
from made_network import random_weights

from siam_tracker_core import Box, TrackerGroup, TrackState, load_tracker
from siam_tracker_core.analysis.fusion_picture import fusion_maps, save_fusion_picture
from siam_tracker_core.commands.analyse import analyse
from siam_tracker_core.commands.make_dsiam import make_dsiam
from siam_tracker_core.config import read_config
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, SiamTrackerError, WeightsError
from siam_tracker_core.networks import MobileNetV2, backbone
from siam_tracker_core.networks.dsiam import DSiamNetwork, describe, with_siamfc
from siam_tracker_core.networks.layer_fusion import LayerFusion
from siam_tracker_core.trackers.dsiam import DSiamConfig, DSiamModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.weights import read_weights, save_weights

EASY = {"enabled": False}
ALWAYS = -1e9  # a threshold that every response is above


def small_tracker(layers=("deep",), network=None, **config):
    settings = {**SMALL, "lost": EASY, "threshold": ALWAYS, **config}
    model = DSiamModel(
        network or small_network(layers),
        read_config(DSiamConfig, settings, "test"),
        torch.device("cpu"),
        precision="single",
    )
    return Tracker(model)


# The response


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


# What adaptation is for


def changing(frames, changed):
    """A target whose texture turns into another one in ``changed`` frames while it walks, and its boxes."""
    first, last = texture(1, 32, 8), texture(2, 32, 8)
    pictures, boxes = [], []
    for number in range(frames):
        share = min(number / (changed - 1), 1)
        x, y = round(20 + 130 * number / frames), round(36 + 50 * number / frames)
        pictures.append(scene(((1 - share) * first + share * last, x, y), clutter=0.5))
        boxes.append([x, y, 32, 32])
    return pictures, np.array(boxes, dtype=float)


def overlaps(tracker, pictures, boxes):
    tracker.init(pictures[0], boxes[0])
    found = (tracker.update(picture).box for picture in pictures[1:])
    return np.array([box.iou(Box.from_array(truth)) for box, truth in zip(found, boxes[1:], strict=True)])


def test_a_target_that_changes_gradually_is_held():
    pictures, boxes = changing(40, 30)

    def of(**config):
        sizes = {"exemplar_size": 80, "search_size": 176, "scales": 1}
        return overlaps(small_tracker(network=small_network(cells=13), **sizes, **config), pictures, boxes)

    static, adapted = of(appearance="off", suppression=False), of()
    assert static[:10].min() > 0.7, "the static tracker follows as long as the target looks as it did"
    assert static[-8:].max() < 0.4, "and has lost it when it does not"
    assert static.min() < 0.05
    assert adapted.min() > 0.5


def test_a_look_alike_is_suppressed():
    """Beside the target stands its double: both peaks are equally high until W has learned from one frame."""
    both = scene((texture(1), 70, 60), (texture(1), 102, 60))

    def beside(**config):
        tracker = small_tracker(appearance="off", scales=1, windowed=False, border_window=False, **config)
        tracker.init(both, [70, 60, 24, 24])
        tracker.update(both)
        response = tracker.update(both).response
        columns = (np.array([82, 114]) - response.box.x) / response.box.width * CELLS - 0.5
        target, double = (response.values[:, round(column)].max() for column in columns)
        return double / target

    assert beside(suppression=False) > 0.8
    suppressed = beside(suppression_rate=1.0, suppression_ridge=1e-3, weighting_sigma=15.0)
    assert suppressed < 0.5


def test_the_target_needs_no_pass_of_its_own_without_padding():
    """With AlexNet its features are the middle of its neighbourhood's; padded layers do not allow it."""
    torch.manual_seed(0)
    network = DSiamNetwork(backbone("alexnet"), ("conv5", "conv4")).eval()
    images = torch.rand(1, 3, 255, 255, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        expected = network.embed(images[..., 64:191, 64:191])
        got = network.cut_exemplars(network.embed(images), 255, 127)
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    assert network.cut_exemplars(expected, 255, 128) is None
    assert network.cut_exemplars(expected, 253, 127) is None
    assert small_network().cut_exemplars(expected[:1], 112, 48) is None


# When it learns


def test_only_confident_frames_teach():
    """With a threshold between the responses of the target and of nothing; after nothing, V and W are off."""
    shown, empty = scene((texture(1), 80, 60)), scene()
    for after_doubt, expected in (("off", False), ("keep", True)):
        tracker = small_tracker(threshold=0.5, after_doubt=after_doubt)
        tracker.init(shown, [80, 60, 24, 24])
        assert not tracker.state.target.is_adapted
        assert "learns V and W" in tracker.update(shown).learning
        assert tracker.state.target.is_adapted
        learned = tracker.state.target.adaptation
        assert "not above 0.5" in tracker.update(empty).learning
        assert tracker.state.target.is_adapted is expected
        assert tracker.state.target.adaptation is learned


def test_the_learned_bias_moves_the_threshold():
    network = small_network()
    shown = scene((texture(1), 80, 60))
    tracker = small_tracker(network=network, threshold=0.0)
    tracker.init(shown, [80, 60, 24, 24])
    tracker.update(shown)
    assert tracker.state.target.is_adapted
    own = tracker.state.evidence[0] * tracker.state.own_peak
    with torch.no_grad():
        network.correlation.bias.fill_(-1.01 * own)
    doubtful = small_tracker(network=network, threshold=0.0)
    doubtful.init(shown, [80, 60, 24, 24])
    doubtful.update(shown)
    assert not doubtful.state.target.is_adapted


def same(first, second):
    return all(torch.equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))


def test_what_was_learned_survives_a_lost_phase():
    shown, empty = scene((texture(1), 80, 60)), scene()
    lost = {"patience": 2, "recover": 0.6}
    tracker, twin = (small_tracker(threshold=0.5, lost=lost) for _ in range(2))
    for one in (tracker, twin):
        one.init(shown, [80, 60, 24, 24])
        one.update(shown)
    exemplar, before = tracker.state.target.first, tracker.state.target.adaptation
    copies = [[layer.clone() for layer in part] for part in before]
    states = [tracker.update(empty).state for _ in range(6)]  # the next frame looks at the place of loss
    assert states[-1] is TrackState.LOST
    assert not tracker.state.target.is_adapted
    assert tracker.state.target.adaptation is before
    assert same(before, copies)
    found = tracker.update(shown)
    assert found.state is not TrackState.LOST
    # It learns from the first frame's exemplar again, as one that was never lost.
    twin.update(shown)
    assert tracker.state.target.first is exemplar
    assert tracker.state.target.is_adapted
    assert tracker.state.target.adaptation is not before
    for mine, other in zip(
        tracker.state.target.adaptation.features, twin.state.target.adaptation.features, strict=True
    ):
        assert torch.nn.functional.cosine_similarity(mine.flatten(), other.flatten(), dim=0) > 0.95


def test_group_gives_what_single_trackers_give():
    """Three targets, of which one is never confident, and one is not there for a while."""
    tracker = small_tracker(("deep", "shallow"), threshold=0.5)
    with torch.no_grad():
        tracker.model.weights = torch.rand(2, CELLS, CELLS)
    starts = [[30, 40, 24, 24], [100, 90, 24, 24], [150, 20, 24, 24]]
    pictures = [
        scene(*((texture(n), x + at, y + at) for n, (x, y, *_) in enumerate(starts[:2]) if n == 0 or step != 3))
        for step, at in enumerate([0, 8, 0, 8, 8, 0])  # by the stride, for random features know no other likeness
    ]
    group, singles = TrackerGroup(tracker), [Tracker(tracker.model) for _ in starts]
    for number, (single, box) in enumerate(zip(singles, starts, strict=True)):
        group.init(number, pictures[0], box)
        single.init(pictures[0], box)
    adapted = []
    for picture in pictures[1:]:
        together = group.update(picture)
        for number, single in enumerate(singles):
            alone = single.update(picture)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-3)
            np.testing.assert_allclose(together[number].response.values, alone.response.values, atol=1e-4)
        adapted.append([single.state.target.is_adapted for single in singles])
    assert adapted[0] == [True, True, False]
    assert [True, False, False] in adapted


# Variants and weights


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


# Pictures


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
