"""SRT's network: crops against whole pictures, similarity, ablations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from made_srt import BOTH, CPU, SMALL, footage, made_network, made_tracker
from torch import nn
from torch.nn import functional

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box
from siam_tracker_core.networks import vgg
from siam_tracker_core.networks.region_pooling import pool_regions
from siam_tracker_core.networks.srt import POOLS, SRTLayers
from siam_tracker_core.trackers.srt import SRTModel
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker

pytestmark = pytest.mark.usefixtures("narrow_vgg")


@torch.no_grad()
def test_features_of_a_crop_are_those_of_the_whole_picture():
    """The published, padded network over a whole picture, away from its edges, against a crop without padding."""
    network = made_network()
    whole = vgg.VGG(16, pools=POOLS, convention=(network.backbone.normalise.mean.flatten().tolist(), (1.0,) * 3))
    whole.load_state_dict(network.backbone.state_dict())
    picture = torch.rand(1, 3, 160, 200) * 255
    names = ["conv4_3", "conv5_3"]
    wide = whole.features_at(picture, names)
    left, top, size = 46, 34, 104  # cells coincide: 2 more than a multiple of the stride of 4
    narrow_ = network.backbone.features_at(picture[..., top : top + size, left : left + size], names)
    for name, own, other in zip(names, narrow_, wide, strict=True):
        margin = round(network._origin(name))
        assert margin == {"conv4_3": 30, "conv5_3": 42}[name]
        row, column = (top + margin) // 4, (left + margin) // 4
        cells = (size - 2 * margin) // 4
        assert own.shape[-2:] == (cells, cells)
        torch.testing.assert_close(own, other[..., row : row + cells, column : column + cells], atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_regions_of_a_crop_are_those_of_the_whole_picture():
    """The search region is enough: no candidate inside its margin would be seen otherwise in the whole picture."""
    network = made_network()
    picture = torch.rand(1, 3, 200, 240) * 255
    left, top, size = 60, 40, 124
    box = torch.tensor([[[45.3, 50.1, 30.2, 21.7], [42.0, 42.0, 40.0, 40.0]]])
    crop = network.maps(picture[..., top : top + size, left : left + size])
    moved = box + torch.tensor([float(left), float(top), 0, 0])
    torch.testing.assert_close(network.embed(crop, box), network.embed(network.maps(picture), moved), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("layer", "margin"), [("local_regions", 30), ("deep_regions", 42)])
def test_a_region_sees_its_pixels_and_the_margin_around_them(layer, margin):
    """By gradients, with no maximum and no threshold that could hide a pixel."""
    network = made_network(SRTLayers(irnn=False)).double()
    for module in network.modules():
        if isinstance(module, nn.MaxPool2d):
            module.forward = nn.AvgPool2d(2, 2).forward
        if isinstance(module, nn.ReLU):
            module.forward = lambda features: features + 0
    images = torch.zeros(1, 3, 160, 160, dtype=torch.float64, requires_grad=True)
    box = torch.tensor([[[66.0, 70.0, 28.0, 20.0]]], dtype=torch.float64)  # on edges of cells
    getattr(network, layer)(network.maps(images), box).sum().backward()
    seen = images.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = (torch.nonzero(seen.any(dim=axis)).flatten().tolist() for axis in (1, 0))
    assert (columns[0], columns[-1] + 1) == (66 - margin, 94 + margin)
    assert (rows[0], rows[-1] + 1) == (70 - margin, 90 + margin)


@torch.no_grad()
@pytest.mark.parametrize("shared", [True, False])
def test_the_irnns_input_is_computed_once_on_the_map(shared):
    """The same as pooling conv5_3 and putting each region through U by itself."""
    network = made_network(replace(BOTH, shared_input=shared))
    images = torch.rand(1, 3, 132, 132) * 255
    boxes = torch.tensor([[[44.0, 47.0, 33.0, 38.0], [50.0, 43.0, 21.0, 40.0]]])
    maps = network.maps(images)
    assert maps.deep.shape[1] == 8 * (1 if shared else 4)
    conv5 = network.backbone.features_at(images, ["conv5_3"])[0]
    cells = torch.cat((boxes[..., :2] - 42, boxes[..., 2:]), dim=-1) / 4
    expected = network.irnn[0](pool_regions(conv5, cells, 7)[0])
    torch.testing.assert_close(network.deep_regions(maps, boxes)[0], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_two_passes_are_one_after_the_other_and_reach_every_cell():
    network = made_network(replace(BOTH, passes=2)).double()
    first, second = network.irnn
    regions = torch.rand(1, 1, 7, 7, 32, dtype=torch.float64)
    projected = first.project(regions[0])
    expected = second(first.propagate(projected))
    torch.testing.assert_close(network.context(projected[None])[0], expected)
    torch.testing.assert_close(first.propagate(projected), first(regions[0]))
    for irnn in network.irnn:  # positive weights hide nothing behind a ReLU
        for parameter in (irnn.input.weight, irnn.output.weight):
            parameter.data.abs_()
    before = network.context(first.project(regions[0])[None])
    regions[0, 0, 2, 5] += 1
    changed = (network.context(first.project(regions[0])[None]) - before)[0, 0].abs().sum(dim=-1)
    assert (changed > 1e-9).all()


def test_the_balance_learns_only_where_it_may():
    assert made_network().balance.requires_grad
    assert not made_network(replace(BOTH, rescale=False)).balance.requires_grad


@torch.no_grad()
def test_match_is_the_inner_product_of_unit_vectors():
    network = made_network()
    network.balance.fill_(0.7)
    maps = network.maps(torch.rand(2, 3, 132, 132) * 255)
    boxes = torch.rand(2, 5, 4) * 10 + torch.tensor([42.0, 42.0, 20.0, 20.0])
    own = boxes[:, :1]
    found = network.match(network.parts(maps, own), maps, boxes)
    vectors, exemplars = network.embed(maps, boxes), network.embed(maps, own)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2, 5))
    torch.testing.assert_close(found, (vectors * exemplars).sum(dim=-1))
    torch.testing.assert_close(found[:, 0], torch.ones(2))
    # Equation 4 of distances, and section 2.2: each part has unit length by itself before it is re-scaled.
    local = network.local_regions(maps, boxes).flatten(2)
    first = functional.normalize(local, dim=-1) * torch.sigmoid(torch.tensor(0.7)).sqrt()
    torch.testing.assert_close(vectors[..., : local.shape[-1]], first)


@torch.no_grad()
def test_half_precision_changes_similarities_by_little():
    crops = torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(0)) * 255
    found = []
    for precision in ("single", "half"):
        model = SRTModel(made_network(), SMALL, CPU, precision=precision)
        assert model.network.irnn[0].recurrent.dtype is model.dtype
        maps = model.maps(crops)
        target = model.take_up(maps, 28, 20)
        found.append(model.network.match(target.exemplar, maps, target.regions)[0])
    assert found[1].dtype is torch.float32
    assert (found[0] - found[1]).abs().amax() < 0.2 * (found[0].amax() - found[0].amin())


ABLATIONS = {
    "without the IRNN": {"irnn": False},
    "without conv4_3": {"conv4_3": False},
    "without conv5_3": {"conv5_3": False},
    "U of each direction": {"shared_input": False},
    "random start": {"identity_start": False},
    "maximum": {"pooling": "max"},
    "two passes": {"passes": 2},
    "no re-scaling": {"rescale": False},
}


@pytest.mark.parametrize("changes", ABLATIONS.values(), ids=ABLATIONS.keys())
def test_ablations_build_run_and_come_back_from_a_file(changes, tmp_path):
    layers = replace(BOTH, **changes)
    network = made_network(layers)
    path = tmp_path / "srt.safetensors"
    settings = {"exemplar_size": 100, "search_size": 132, "radial": 2, "angular": 4, "regression_samples": 10}
    save_weights(
        path,
        network.state_dict(),
        {"tracker": "srt", "network": changes | {"hidden": 8, "outputs": 8}, "config": settings},
    )
    tracker = load_tracker(path, "cpu", precision="single")
    assert isinstance(tracker.model, SRTModel)
    assert tracker.model.network.layers == layers
    video = footage(2)
    tracker.init(video.frames[0], video.boxes[0])
    result = tracker.update(video.frames[1])
    assert math.isfinite(result.score)
    assert result.box.iou(Box.from_array(video.boxes[1])) > 0.3


def test_parts_can_be_left_out_of_trained_weights():
    video = footage(2)
    peaks = set()
    for parts in ((), ("conv4_3",), ("conv5_3",), ("irnn",)):
        tracker = made_tracker(replace(SMALL, leave_out=parts, regression=False))
        tracker.init(video.frames[0], video.boxes[0])
        tracker.update(video.frames[1])
        peaks.add(tracker.state.evidence[0])
    assert len(peaks) == 4
    with pytest.raises(ConfigError, match="nothing of this network is left"):
        made_tracker(replace(SMALL, leave_out=("conv4_3", "conv5_3")))
    with pytest.raises(ConfigError, match="keep one of them"):
        SRTLayers(conv4_3=False, conv5_3=False)
