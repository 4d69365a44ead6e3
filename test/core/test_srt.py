"""SRT's network and tracker: crops against whole pictures, candidates, similarity, ablations, many targets."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

from siam_tracker_core.commands.train import train
from siam_tracker_core.config import read_config
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import BoxError, ConfigError, ImageError
from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.networks import vgg
from siam_tracker_core.networks.region_pooling import pool_regions
from siam_tracker_core.networks.srt import POOLS, SRTLayers, SRTNetwork
from siam_tracker_core.trackers.base import TrackState
from siam_tracker_core.trackers.confidence import LostConfig
from siam_tracker_core.trackers.group import TrackerGroup
from siam_tracker_core.trackers.radial import ring_map, ring_offsets, scale_factors, standing_out
from siam_tracker_core.trackers.srt import SRT, SRTConfig, SRTModel
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker

CPU = torch.device("cpu")
# Candidates of up to 30 pixels: a fifth of the usual number of cells.
SMALL = SRTConfig(exemplar_size=112, search_size=160, regression_samples=60)
BOTH = SRTLayers(hidden=8, outputs=8)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """VGG-16 with a sixteenth of its channels."""
    monkeypatch.setattr(vgg, "WIDTHS", (8, 8, 16, 32, 32))


def made_network(layers: SRTLayers = BOTH, seed: int = 0) -> SRTNetwork:
    """With random weights that keep the size of features from layer to layer."""
    torch.manual_seed(seed)
    network = SRTNetwork(layers)
    for unit in network.backbone.units():
        nn.init.kaiming_normal_(unit.weight, nonlinearity="relu")
        nn.init.normal_(unit.bias, std=0.1)
    for irnn in network.irnn:
        nn.init.normal_(irnn.input.weight, std=0.05)
    return network.eval()


def made_tracker(config: SRTConfig = SMALL, layers: SRTLayers = BOTH) -> SRT:
    return SRT(SRTModel(made_network(layers), config, CPU, precision="single"))


def footage(frames: int = 6, seed: int = 3):
    return made_sequence(frames=frames, size=(320, 240), seed=seed)


# Network


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
    assert isinstance(tracker, SRT)
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
        peaks.add(tracker.evidence[0])
    assert len(peaks) == 4
    with pytest.raises(ConfigError, match="nothing of this network is left"):
        made_tracker(replace(SMALL, leave_out=("conv4_3", "conv5_3")))
    with pytest.raises(ConfigError, match="keep one of them"):
        SRTLayers(conv4_3=False, conv5_3=False)


# Candidates


def test_candidates_are_those_of_the_paper():
    """Ten rings of ten and the centre, within the target's longer side, at five scales of the first box."""
    model = made_tracker(SRTConfig()).model
    width, height = model.side, model.side / 2
    with torch.no_grad():
        target = model.take_up(model.maps(torch.zeros(1, 3, 244, 244)), width, height)
    boxes = target.boxes
    assert len(boxes) == 101 * 5
    centres = (boxes[:, :2] + boxes[:, 2:] / 2).reshape(101, 5, 2)
    np.testing.assert_allclose(centres, np.broadcast_to(centres[:, :1], centres.shape))
    away = np.hypot(*(centres[:, 0] - 122).T)
    np.testing.assert_allclose(away[1:].reshape(10, 10), np.repeat(np.arange(1, 11), 10).reshape(10, 10) * width / 10)
    assert away[0] == 0
    angles = np.sort(np.arctan2(*(centres[91:, 0] - 122).T[::-1]))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / 10)
    np.testing.assert_allclose(boxes[:5, 2] / width, 1.1 ** np.arange(-2.0, 3))
    np.testing.assert_allclose(boxes[:, 2] / boxes[:, 3], 2)
    # Nothing that is matched reaches into the margin of the receptive field.
    regions = target.regions[0].numpy()
    assert regions[:, :2].min() >= 42
    assert (regions[:, :2] + regions[:, 2:]).max() <= 244 - 42


def test_scales_are_around_one():
    assert scale_factors(1, 1.2) == [1.0]
    np.testing.assert_allclose(scale_factors(3, 1.2), [1 / 1.2, 1, 1.2])


def test_ring_map_shows_scores_where_they_are():
    radial, angular, side = 10, 10, 21
    places = ring_offsets(radial, angular)
    steps = (2 * np.arange(side) + 1) / side - 1
    x, y = np.meshgrid(steps, steps)
    inside = np.hypot(x, y) <= 1
    # Linear in the radius: exact.
    found = ring_map(3 - np.hypot(*places.T), radial, angular, side)
    np.testing.assert_allclose(found[inside], (3 - np.hypot(x, y))[inside], atol=1e-5)
    assert found[0, 0] == pytest.approx(2)  # a corner, outside: the least
    # A plane, which is no more than nearly linear between angles.
    plane = ring_map(places @ [1.0, 2.0], radial, angular, side)
    np.testing.assert_allclose(plane[inside], (x + 2 * y)[inside], atol=0.13)
    for peak in (1, 37, 64):
        found = ring_map(np.eye(len(places))[peak], radial, angular, side)
        row, column = np.unravel_index(found.argmax(), found.shape)
        np.testing.assert_allclose([steps[column], steps[row]], places[peak], atol=0.1)


def test_standing_out_is_the_peak_to_sidelobe_ratio():
    rng = np.random.default_rng(0)
    scores, places = rng.normal(size=101), ring_offsets(10, 10)
    best = int(scores.argmax())
    away = [s for s, p in zip(scores, places, strict=True) if math.dist(p, places[best]) > 0.35]
    expected = (scores[best] - np.mean(away)) / np.std(away)
    assert standing_out(scores, places, best, 0.35) == pytest.approx(expected)
    assert standing_out(scores, places, best, 3.0) == 0


# Tracker


@pytest.mark.parametrize("changes", [{}, {"regression": False}, {"scales_of": "last", "context": 0.1}])
def test_follows_a_target(changes):
    tracker, video = made_tracker(replace(SMALL, **changes)), footage(8)
    tracker.init(video.frames[0], video.boxes[0])
    assert tracker.evidence[0] == pytest.approx(1)
    overlaps = []
    for index in range(1, len(video)):
        searched = tracker.search_window.size
        result = tracker.update(video.frames[index])
        overlaps.append(result.box.iou(Box.from_array(video.boxes[index])))
        response = result.response
        assert response.values.shape == (21, 21)
        longest = max(video.boxes[0][2:])
        assert response.box.width == pytest.approx(2 * longest * searched / tracker._first_search)
    assert min(overlaps) > 0.4
    assert np.mean(overlaps) > 0.6


def test_own_box_is_most_alike_in_its_own_frame():
    tracker, video = made_tracker(replace(SMALL, regression=False, lost=LostConfig(enabled=False))), footage(1)
    tracker.init(video.frames[0], video.boxes[0])
    result = tracker.update(video.frames[0])
    assert iou(result.box.to_array(), video.boxes[0]) > 0.999
    row, column = np.unravel_index(result.response.values.argmax(), (21, 21))
    assert (row, column) == (10, 10)


def test_many_targets_as_one_at_a_time():
    video = footage(4)
    boxes = [Box.from_array(video.boxes[0]), Box(30, 40, 60, 30), Box(200, 150, 25, 50)]
    group = TrackerGroup(made_tracker())
    singles = [made_tracker() for _ in boxes]
    for number, (box, single) in enumerate(zip(boxes, singles, strict=True)):
        group.init(number, video.frames[0], box)
        single.init(video.frames[0], box)
    singles[2]._give_up()  # a lost one has more windows than the others
    group._trackers[2]._give_up()
    for index in range(1, len(video)):
        together = group.update(video.frames[index])
        for number, single in enumerate(singles):
            alone = single.update(video.frames[index])
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=0.05)
            assert together[number].score == pytest.approx(alone.score, abs=1e-3)
            assert together[number].state is alone.state


class Shifted:
    """In place of a regression: moves every box by a fifth of its width, and makes it twice as high."""

    def __init__(self) -> None:
        self.asked = 0

    def apply(self, features, boxes):
        assert features.shape == (1, 7 * 7 * 32)
        self.asked += 1
        return boxes * [1, 1, 1, 2] + boxes[:, 2:3] * [0.2, 0, 0, 0]


def test_every_box_is_corrected_by_the_first_frame_s_regression():
    plain, corrected = (made_tracker(replace(SMALL, lost=LostConfig(enabled=False))) for _ in range(2))
    video = footage(3)
    plain.model.config = replace(plain.model.config, regression=False)
    plain.config = plain.model.config
    for tracker in (plain, corrected):
        tracker.init(video.frames[0], video.boxes[0])
    assert plain._regressor is None
    corrected._regressor = stub = Shifted()
    x, y, width, height = plain.update(video.frames[1]).box.to_array()
    found = corrected.update(video.frames[1]).box.to_array()
    np.testing.assert_allclose(found, [x + 0.2 * width, y, width, 2 * height], rtol=1e-5)
    corrected.update(video.frames[2])
    assert stub.asked == 2
    assert corrected._regressor is stub  # nothing is learned after the first frame


@torch.no_grad()
def test_the_regression_sees_the_box_with_its_context():
    model = made_tracker(replace(SMALL, context=0.25)).model
    maps = model.maps(torch.rand(1, 3, 160, 160) * 255)
    found = model.features(maps, np.array([[[70.0, 66.0, 24.0, 16.0]]]))[0, 0]
    wider = torch.tensor([[[65.0, 61.0, 34.0, 26.0]]])  # a quarter of 40, half of it to each side
    expected = model.network.local_regions(maps, wider).flatten()
    np.testing.assert_allclose(found, expected / expected.norm() * 20, rtol=1e-4, atol=1e-5)


def choice_of(similar, **values):
    """The candidate taken when the network finds ``similar`` (places, scales): its place and its scale."""
    tracker = made_tracker(replace(SMALL, radial=1, angular=4, scales=3, regression=False, **values))
    model = tracker.model
    model.network.match = lambda exemplars, maps, regions: torch.tensor(similar).reshape(1, -1)[:, : regions.shape[1]]
    with torch.no_grad():
        maps = model.maps(torch.zeros(1, 3, 160, 160))
        answer = model._respond([model.take_up(maps, 20, 20)], maps, [False])[0]
    place = int(np.hypot(*(model.offsets * 20 + 80 - answer.box.centre).T).argmin())
    return place, answer.scale


def test_preferences_weigh_the_similarities():
    similar = [[0.5, 0.6, 0.5], [0.5, 0.5, 0.5], [0.5, 0.62, 0.66], [0.1, 0.1, 0.1], [0.2, 0.2, 0.2]]
    assert choice_of(similar) == (2, 1.1)
    assert choice_of(similar, scale_penalty=0.9) == (2, 1.0)  # 0.66 * 0.9 < 0.62
    # The window is 1 in the middle and 0 on the ring: 0.9 * 0.6 + 0.1 > 0.9 * 0.66.
    assert choice_of(similar, window_influence=0.1) == (0, 1.0)


def test_scales_may_follow_the_last_box_within_limits():
    tracker, video = (
        made_tracker(replace(SMALL, scales_of="last", scale_limits=(0.5, 1.5), regression=False)),
        footage(1),
    )
    tracker.init(video.frames[0], video.boxes[0])
    first, searched = tracker.box, tracker.search_window.size
    larger = tracker._look(tracker.upload(video.frames[0]), tracker.search_window)
    side = 1.2 * tracker.model.side
    for factor in (1.2, 1.44, 1.5):
        grown = replace(larger, scale=1.2, box=Box.from_centre(80, 80, side, side * first.height / first.width))
        tracker._move(tracker.search_window, grown, resize=True)
        assert tracker.search_window.size == pytest.approx(factor * searched)
    assert tracker.box.width == pytest.approx(1.44 * 1.2 * first.width)


def test_a_lost_target_s_tiles_meet_where_candidates_end():
    tracker, video = made_tracker(replace(SMALL, radius=0.5, regression=False)), footage(1)
    tracker.init(video.frames[0], video.boxes[0])
    tracker._give_up()
    home, tile = tracker.windows()
    away = np.abs([tile.centre_x - home.centre_x, tile.centre_y - home.centre_y])
    assert away.max() == pytest.approx(max(video.boxes[0][2:]))  # two radii of half a side
    assert home.centre_x == pytest.approx(Box.from_array(video.boxes[0]).centre[0])


def test_lost_and_found_again():
    video = footage(3)
    config = replace(SMALL, lost=LostConfig(uncertain=0.5, lost=0.5, patience=1, recover=0.9))
    # With random weights noise is much like the target, too: a similarity of 0.99.
    steep = replace(config.calibration, bias=-1195.0, peak=1198.0, psr=0.0)
    tracker = made_tracker(replace(config, calibration=steep))
    tracker.init(video.frames[0], video.boxes[0])
    noise = np.random.default_rng(0).integers(0, 255, video.frames[0].shape).astype(np.uint8)
    lost = tracker.update(noise)
    assert lost.state is TrackState.LOST
    assert len(tracker.windows()) == SMALL.lost_windows
    np.testing.assert_allclose(lost.box.to_array(), video.boxes[0])
    again = tracker.update(video.frames[0])
    assert again.state is TrackState.UNCERTAIN
    assert "found again" in again.reason
    assert iou(again.box.to_array(), video.boxes[0]) > 0.8


def test_boxes_that_cannot_be_and_boxes_that_are_odd():
    tracker, video = made_tracker(replace(SMALL, regression_samples=10)), footage(2)
    tracker.init(video.frames[0], video.boxes[0])
    for box in ([math.nan, 1, 5, 5], [10, 10, 0, 5], [400, 10, 20, 20], [-1, -1, 400, 300]):
        with pytest.raises(BoxError):
            tracker.init(video.frames[0], box)
    with pytest.raises(ImageError):
        tracker.update(np.zeros((10, 10, 3), np.uint8))
    np.testing.assert_allclose(tracker.box.to_array(), video.boxes[0])  # the former target is kept
    for box in (Box(0, 0, 1, 1), Box(-20, 100, 40, 30), Box(10, 100, 300, 3), Box(300, 200, 19.5, 39.5)):
        tracker.init(video.frames[0], box)
        found = tracker.update(video.frames[1]).box
        assert np.isfinite(found.to_array()).all()
        assert 0 <= found.centre[0] <= 320
        assert 0 <= found.centre[1] <= 240
        assert found.width > 0
        assert found.height > 0


def test_resolution_follows_from_radius_and_scales():
    """The outermost and largest candidate ends where the margin begins."""
    for config in (SRTConfig(), SRTConfig(radius=1.5, scales=3, scale_step=1.3), SRTConfig(search_size=300, scales=1)):
        side = config.target_side(42)
        assert 2 * (config.radius * side + side * config.factors()[-1] / 2 + 42) == pytest.approx(config.search_size)


def test_settings_that_cannot_be():
    with pytest.raises(ConfigError, match="search_size is 141; the network's stride is 4, so give 144"):
        SRTConfig(search_size=141)
    with pytest.raises(ConfigError, match="scales is 4; give an odd number"):
        SRTConfig(scales=4)
    with pytest.raises(ConfigError, match=r"search_size 92 shows the target 2 pixels long.* give 124 or more"):
        made_tracker(SRTConfig(search_size=92))
    assert made_tracker(SRTConfig(search_size=124)).model.side >= 12


# Files of settings


def test_shipped_settings_are_read_and_name_the_defaults():
    changes = {
        "srt": {},
        "srt_without_conv4_3": {"leave_out": ("conv4_3",)},
        "srt_without_conv5_3": {"leave_out": ("conv5_3",)},
        "srt_without_irnn": {"leave_out": ("irnn",)},
        "srt_without_regression": {"regression": False},
    }
    files = sorted((Path(__file__).parents[2] / "config" / "trackers").glob("srt*.yaml"))
    assert [path.stem for path in files] == list(changes)
    for path in files:
        values = yaml.safe_load(path.read_text()) or {}
        assert read_config(SRTConfig, values, str(path)) == replace(SRTConfig(), **changes[path.stem])
    lines = files[0].read_text().splitlines()
    listed = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines[lines.index("#") + 1 :]))
    usual = asdict(SRTConfig())
    assert sorted(listed) == sorted(set(usual) - {"calibration"})
    assert read_config(SRTConfig, listed, "comments") == SRTConfig()


@pytest.mark.parametrize(("name", "value"), [("irnn", False), ("shared_input", False), ("identity_start", False)])
def test_ablations_of_layers_are_settings_of_the_training(name, value, capsys):
    path = Path(__file__).parents[2] / "config" / "train" / "srt.yaml"
    content = yaml.safe_load(path.read_text())
    training = content["training"] | {"layers": {name: value}}
    train("srt", data=content["data"], training=training, explain=True)
    told = yaml.safe_load(capsys.readouterr().out)
    assert read_config(SRTLayers, told["training"]["layers"], "layers") == replace(SRTLayers(), **{name: value})
