"""The cascade: what it is for, that its halves alone are SiamFC and MDNet, and that it is bounded and repeatable."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from made_network import random_weights
from torch import nn

from siam_tracker_core import Box, TrackerGroup, TrackState, load_tracker
from siam_tracker_core.config import merged, read_config
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import MDNet, SiamFCNetwork
from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.trackers.cascade import CascadeConfig, CascadeModel
from siam_tracker_core.trackers.mdnet import MDNetModel
from siam_tracker_core.trackers.siamfc import SiamFCModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.cascade import join
from siam_tracker_core.weights import read_weights, save_weights, sha256

CPU = torch.device("cpu")
SETTINGS = Path(__file__).resolve().parents[4] / "config" / "trackers"
SIDE, SIZE = 40, (320, 240)
CLASSIFIER = {
    "init_positives": 20,
    "init_negatives": 100,
    "init_lr": 2e-3,
    "init_rounds": 30,
    "update_positives": 20,
    "update_negatives": 30,
    "update_lr": 3e-3,
    "update_rounds": 4,
    "batch_positives": 16,
    "batch_negatives": 32,
    "hard_pool": 64,
}
# A wide search, so that actors beside each other are seen together, and one size, for the colours of a coarse grid say
# nothing about sizes.
QUICK = {
    "search_size": 383,
    "response_up": 4,
    "patch_scales": 1,
    "window_influence": 0.1,
    "update_every": 1,
    "lost": {"enabled": False},
    "mdnet": {"classifier": CLASSIFIER},
}


class Brightness(Backbone):
    """A matching network that is blind to colours: the mean brightness of blocks, above or below the usual."""

    stride, receptive_field, out_channels = 8, 8, 1

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(110.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        grey = (images * weights).sum(1, keepdim=True)
        return nn.functional.avg_pool2d(grey, 8) - self.level


class Colours(Backbone):
    """A classification network that sees colours in a coarse grid, of the size of VGG-M's features."""

    stride, receptive_field, out_channels = 32, 32, 512

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 512, 1)
        generator = torch.Generator().manual_seed(0)
        nn.init.normal_(self.mix.weight, 0, 0.02, generator=generator)
        nn.init.zeros_(self.mix.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.mix(nn.functional.adaptive_avg_pool2d(images - 128, 3)).relu()


def made_networks():
    """Matching whose response to the target's own frame is about 6 - 3, and an untrained classifier."""
    torch.manual_seed(0)
    matching = SiamFCNetwork(Brightness(), 6 / 34_000)
    matching.correlation.bias.data.fill_(-3)
    classification = MDNet(domains=0)
    classification.backbone = Colours()
    return matching, classification


def made(tracker="cascade", **changes):
    """A tracker with the made networks."""
    config = read_config(CascadeConfig, merged(QUICK, changes), "here")
    matching, classification = made_networks()
    if tracker == "siamfc":
        return Tracker(SiamFCModel.from_network(matching, config, CPU))
    if tracker == "mdnet":
        return Tracker(MDNetModel(classification, config.mdnet, CPU))
    return Tracker(CascadeModel.from_networks(matching, classification, config, CPU))


@dataclass(frozen=True)
class Actor:
    """A painted square: the factors on blue, green and red, and for each frame left, top, contrast and saturation.

    All actors have one pattern of brightness, which its contrast weakens; with contrast 0 it is not there.
    """

    colour: tuple[float, float, float]
    way: list[tuple[float, float, float, float]]

    def box(self, moment):
        return Box(*self.way[moment][:2], SIDE, SIDE)


def smooth(rng, width, height, cells):
    small = rng.uniform(-0.5, 0.5, (max(2, cells * height // width), cells)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def staged(*actors):
    """Images of actors before a grey ground."""
    rng = np.random.default_rng(0)
    ground = (110 + 20 * smooth(rng, *SIZE, 30))[..., None].repeat(3, axis=2)
    pattern = 100 * smooth(rng, SIDE, SIDE, 5)[..., None]
    images = []
    for moment in range(len(actors[0].way)):
        canvas = ground.copy()
        for actor in actors:
            x, y, contrast, saturation = actor.way[moment]
            colour = np.array(actor.colour) / np.dot(actor.colour, (0.114, 0.587, 0.299))
            if contrast:
                painted = (110 + contrast * pattern) * (1 + saturation * (colour - 1))
                canvas[y : y + SIDE, x : x + SIDE] = painted
        images.append(np.clip(np.rint(canvas), 0, 255).astype(np.uint8))
    return images


def follow(tracker, images, actor):
    """Results of all frames but the first, in which the actor is shown."""
    tracker.init(images[0], actor.box(0))
    return [tracker.update(image) for image in images[1:]]


RED, BLUE, GREEN = (0.6, 0.8, 1.5), (1.9, 0.9, 0.6), (0.6, 1.3, 0.6)


@pytest.fixture(scope="module")
def crossing():
    """A blue look-alike crosses below the red target, which has become a little paler in brightness."""
    frames = 24
    red = Actor(RED, [(100 + 2 * t, 100, 0.75 if t >= 6 else 1.0, 1.0) for t in range(frames)])
    blue = Actor(BLUE, [(230 - 5 * t, 142, 1.0, 1.0) for t in range(frames)])
    return red, blue, staged(blue, red)


def test_matching_alone_jumps_to_a_look_alike_and_the_cascade_stays(crossing):
    red, blue, images = crossing
    alone = follow(made("siamfc"), images, red)
    assert alone[4].box.iou(red.box(5)) > 0.8
    assert alone[-1].box.iou(blue.box(23)) > 0.5
    both = follow(made(), images, red)
    overlaps = [result.box.iou(red.box(moment)) for moment, result in enumerate(both, start=1)]
    assert min(overlaps) > 0.7


@pytest.fixture(scope="module")
def hiding():
    """The target hides between two look-alikes for five frames, and comes back in paler colours."""
    frames = 16
    red = Actor(RED, [(140, 100, float(not 3 <= t < 8), 1.0 if t < 8 else 0.6) for t in range(frames)])
    blue = Actor(BLUE, [(188, 100, 1.0, 1.0)] * frames)
    green = Actor(GREEN, [(110, 145, 1.0, 1.0)] * frames)
    return red, staged(blue, green, red)


def test_learning_from_the_wrong_patch_breaks_it_and_the_gate_keeps_it_whole(hiding):
    red, images = hiding
    gated = follow(made(), images, red)
    hidden = [result.learning for result in gated[2:7]]
    assert all(said.startswith("not learned: ") and "classification score" in said for said in hidden)
    assert [result.box.iou(red.box(0)) > 0.7 for result in gated] == [True] * 2 + [False] * 5 + [True] * 8
    without = follow(made(gate={"policy": "always"}), images, red)
    assert all(result.learning.startswith("learned: ") for result in without)
    assert [result.box.iou(red.box(0)) > 0.7 for result in without[:2]] == [True] * 2
    assert max(result.box.iou(red.box(0)) for result in without[7:]) < 0.1


def test_the_same_seed_gives_the_same_boxes_also_where_a_worker_learns(hiding):
    red, images = hiding
    first, again = (follow(made(), images[:6], red) for _ in range(2))
    worker = {"mdnet": {"classifier": {"learning": "worker"}}}
    later = follow(made(**worker), images[:6], red)
    other = follow(made(mdnet={"classifier": {"seed": 1}}), images[:6], red)
    boxes = [[(result.box, result.score, result.learning) for result in run] for run in (first, again, later, other)]
    assert boxes[0] == boxes[1] == boxes[2]
    assert boxes[0] != boxes[3]


def test_group_gives_what_single_trackers_give(hiding):
    red, images = hiding
    starts = [red.box(0), Box(110, 145, SIDE, SIDE), Box(20, 30, 50, 36)]
    changes = {"patch_scales": 3, "gate": {"policy": "always"}}
    group, singles = TrackerGroup(made(**changes)), [made(**changes) for _ in starts]
    for number, (single, box) in enumerate(zip(singles, starts, strict=True)):
        group.init(number, images[0], box)
        single.init(images[0], box)
    for image in images[1:6]:
        together = group.update(image)
        for number, single in enumerate(singles):
            alone = single.update(image)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=0.01)
            assert together[number].score == pytest.approx(alone.score, abs=0.01)
            assert together[number].learning == alone.learning


def test_patches_are_of_three_scales_at_each_peak(hiding):
    red, images = hiding
    tracker = made(patch_scales=3)
    tracker.init(images[0], red.box(0))
    seen = []
    judge = tracker.model.judge
    tracker.model.judge = lambda classifiers, frame, boxes: seen.append(boxes) or judge(classifiers, frame, boxes)
    tracker.update(images[1])
    boxes = seen[0][0].reshape(-1, 3, 4)
    np.testing.assert_allclose(boxes[:, :, 2] / SIDE, np.tile([1 / 1.02, 1, 1.02], (len(boxes), 1)))
    centres = boxes[..., :2] + boxes[..., 2:] / 2
    np.testing.assert_allclose(centres, np.repeat(centres[:, :1], 3, axis=1))
    for actor in (red.box(0), Box(188, 100, SIDE, SIDE), Box(110, 145, SIDE, SIDE)):
        assert np.hypot(*(centres[:, 0] - actor.centre).T).min() < 4


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_a_share_of_a_change_of_size_is_taken_over(hiding, rate):
    red, images = hiding
    tracker = made(patch_scales=5, patch_step=1.2, size_lr=rate)
    tracker.init(images[0], red.box(0))
    judge = tracker.model.judge

    def largest(classifiers, frame, boxes):
        best, chances = judge(classifiers, frame, boxes)
        return [best[0] // 5 * 5 + 4], chances

    tracker.model.judge = largest
    box = tracker.update(images[1]).box
    assert box.width == pytest.approx(SIDE * (1 + rate * (1.2**2 - 1)))
    assert box.height == pytest.approx(box.width)


def test_a_classifier_of_no_numbers_loses_its_target_alone(hiding):
    red, images = hiding
    group = TrackerGroup(made(lost={"enabled": True}))
    group.init("broken", images[0], red.box(0))
    group.init("whole", images[0], Box(188, 100, SIDE, SIDE))
    for parameter in group.state("broken").target.classifier.head.parameters:
        parameter.fill_(torch.nan)
    results = group.update(images[1])
    assert results["broken"].state is TrackState.LOST
    assert results["broken"].reason == "the network's answer is not finite"
    assert results["broken"].box.iou(red.box(0)) > 0.99
    assert results["whole"].state is TrackState.TRACKING


@pytest.fixture(scope="module")
def leaving():
    """The target is gone for thirteen frames, and its look-alike is alone."""
    red = Actor(RED, [(140, 100, float(not 3 <= t < 16), 1.0) for t in range(22)])
    blue = Actor(BLUE, [(188, 100, 1.0, 1.0)] * 22)
    return red, blue, staged(blue, red)


def test_a_target_that_is_gone_is_lost_not_learned_and_found_again(leaving):
    red, _, images = leaving
    results = follow(made(lost={"enabled": True, "patience": 3}, gate={"least": 0.5}), images, red)
    states = [result.state for result in results]
    assert states[:2] == [TrackState.TRACKING] * 2
    assert TrackState.LOST in states[2:8]
    assert all(result.learning.startswith("not learned: ") for result in results[2:15])
    lost = [result for result in results if result.state is TrackState.LOST]
    assert all(result.learning == "not learned: the target is lost" for result in lost)
    assert states[-1] is TrackState.TRACKING
    assert results[-1].box.iou(red.box(0)) > 0.7
    trial = results[states.index(TrackState.LOST) + len(lost)]
    assert trial.learning.startswith("not learned: the target has just been found again")


def test_the_paper_s_gate_learns_a_look_alike_that_is_alone(leaving):
    """The gate asks about scores only beside another peak; ``gate.least`` is for this."""
    red, blue, images = leaving
    results = follow(made(lost={"enabled": True, "patience": 3}), images[:8], red)
    assert all(result.learning == "learned: no other peak is above 0.8 of the highest" for result in results[2:])
    assert results[-1].box.iou(blue.box(0)) > 0.7
    assert results[-1].state is TrackState.TRACKING


def held():
    """How many objects there are, and the bytes of all tensors among them."""
    gc.collect()
    objects = gc.get_objects()
    tensors = [thing for thing in objects if issubclass(type(thing), torch.Tensor)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return len(objects), sum(storages.values())


@pytest.fixture
def one_thread():
    """Of PyTorch: with tiny tensors more of them wait for each other, and on a busy machine for minutes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_ten_thousand_frames_take_no_more_memory_than_a_few(one_thread):
    """Small frames of a target that comes and goes beside a look-alike; the memories fill and turn over."""
    classifier = {"init_positives": 4, "init_negatives": 8, "init_rounds": 1, "update_positives": 1}
    classifier |= {
        "update_negatives": 2,
        "update_rounds": 1,
        "batch_positives": 2,
        "batch_negatives": 2,
        "hard_pool": 2,
    }
    changes = {"exemplar_size": 32, "search_size": 64, "response_up": 2, "update_every": 1000, "failure": 0.0}
    tracker = made(**changes, peaks={"most": 2}, mdnet={"classifier": classifier | {"budget": 1}})
    ground = np.full((48, 64, 3), 60, np.uint8)
    images = [ground.copy() for _ in range(4)]
    for moment, image in enumerate(images):
        image[16:32, 40:52] = (200, 90, 60)
        if moment:
            image[16:32, 16 + moment : 28 + moment] = (60, 90, 220)
    tracker.init(images[1], Box(17, 16, 12, 16))
    for number in range(10_000):
        tracker.update(images[number % 4])
        if number == 200:
            objects, size = held()
    assert tracker.state.target.classifier.positives.frames == 100
    assert tracker.state.target.classifier.negatives.frames == 30
    later = held()
    assert later[0] < objects + 500
    assert later[1] == size


def test_a_gate_that_asks_for_peaks_nobody_looks_for_is_refused():
    with pytest.raises(ConfigError, match=r"gate.distractor 0.6 is below peaks.ratio 0.75"):
        read_config(CascadeConfig, {"gate": {"distractor": 0.6}}, "here")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A SiamFC with random weights, an MDNet with two domains, and the cascade of both."""
    folder = tmp_path_factory.mktemp("weights")
    matching = random_weights(folder / "siamfc.safetensors", config={"calibration": {"bias": -1.0}})
    torch.manual_seed(1)
    description = {"tracker": "mdnet", "network": {"name": "mdnet", "backbone": "vgg_m"}}
    settings = {"config": {"long_interval": 7}, "provenance": {"steps": 5}}
    save_weights(folder / "mdnet.safetensors", MDNet(domains=2).state_dict(), description | settings)
    join(matching, folder / "mdnet.safetensors", folder / "cascade.safetensors")
    return folder


def test_a_joined_file_holds_both_halves_and_tells_their_origin(files):
    state, metadata = read_weights(files / "cascade.safetensors")
    for half, name in (("matching", "siamfc"), ("classification", "mdnet")):
        tensors, _ = read_weights(files / f"{name}.safetensors")
        own = {key: tensor for key, tensor in tensors.items() if not key.startswith("fc6")}
        assert {key.removeprefix(f"{half}.") for key in state if key.startswith(half)} == set(own)
        assert all(torch.equal(state[f"{half}.{key}"], tensor) for key, tensor in own.items())
        assert metadata["provenance"][half]["sha256"] == sha256(files / f"{name}.safetensors")
    config = load_tracker(files / "cascade.safetensors", "cpu").config
    assert (config.calibration.bias, config.mdnet.long_interval) == (-1.0, 7)
    with pytest.raises(WeightsError, match=r"cannot be the classification half of a cascade: it holds 'siamfc'"):
        join(files / "siamfc.safetensors", files / "siamfc.safetensors", files / "no.safetensors")


def test_settings_are_stored_over_those_of_the_halves(files):
    halves = files / "siamfc.safetensors", files / "mdnet.safetensors"
    shipped = yaml.safe_load((SETTINGS / "cascade_shipped.yaml").read_text())
    join(*halves, files / "set.safetensors", merged(shipped, {"mdnet": {"long_interval": 5}}))
    config = load_tracker(files / "set.safetensors", "cpu").config
    assert (config.size_lr, config.patch_step) == (shipped["size_lr"], shipped["patch_step"])
    assert (config.calibration.bias, config.mdnet.long_interval) == (-1.0, 5)
    with pytest.raises(ConfigError, match=r"the settings of the cascade: sise_rate: there is no such setting"):
        join(*halves, files / "no.safetensors", {"sise_rate": 0.25})
    assert not (files / "no.safetensors").exists()


@pytest.mark.parametrize(("parts", "name"), [("matching", "siamfc"), ("classification", "mdnet")])
def test_one_part_alone_is_the_tracker_of_its_half(files, hiding, parts, name):
    red, images = hiding
    few = {"candidates": 8, "regression_samples": 8, "classifier": CLASSIFIER | {"init_negatives": 20}}
    own = few if name == "mdnet" else {"lost": {"enabled": False}}
    half = {"parts": parts, "mdnet": few, "lost": {"enabled": name == "mdnet"}}
    alone = load_tracker(files / f"{name}.safetensors", "cpu", config=own)
    part = load_tracker(files / "cascade.safetensors", "cpu", config=half)
    assert type(part.model) is type(alone.model)
    for one, other in zip(follow(part, images[:3], red), follow(alone, images[:3], red), strict=True):
        assert (one.box, one.score) == (other.box, other.score)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cascade", CascadeModel),
        ("cascade_matching", SiamFCModel),
        ("cascade_classification", MDNetModel),
        ("cascade_no_gate", CascadeModel),
        ("cascade_fast", CascadeModel),
        ("cascade_shipped", CascadeModel),
    ],
)
def test_shipped_settings_name_the_parts_of_figure_3(files, name, kind):
    tracker = load_tracker(files / "cascade.safetensors", "cpu", config=SETTINGS / f"{name}.yaml")
    assert type(tracker.model) is kind


def test_the_defaults_that_the_settings_file_tells_are_the_defaults():
    told = (SETTINGS / "cascade.yaml").read_text().split("#\n", 1)[1]
    settings = yaml.safe_load("".join(line.removeprefix("# ") for line in told.splitlines(keepends=True)))
    assert set(settings) == {
        "parts",
        "peaks",
        "patch_scales",
        "patch_step",
        "size_lr",
        "lost_windows",
        "gate",
        "update_every",
    } | {
        "failure",
        "mdnet",
    }
    assert read_config(CascadeConfig, settings, "the file") == CascadeConfig()
