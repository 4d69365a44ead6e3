"""SRT's tracker: following, regression, scales, loss and return, many targets, settings."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from made_srt import SMALL, footage, made_tracker

from siam_tracker_core.commands.train import train
from siam_tracker_core.config import read_config
from siam_tracker_core.errors import BoxError, ConfigError, ImageError
from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.networks.srt import SRTLayers
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.group import TrackerGroup
from siam_tracker_core.trackers.results import TrackState
from siam_tracker_core.trackers.srt import SRTConfig
from siam_tracker_core.trackers.tracker import start
from siam_tracker_core.trackers.update import update_targets

pytestmark = pytest.mark.usefixtures("narrow_vgg")


@pytest.mark.parametrize("changes", [{}, {"regression": False}, {"scales_of": "last", "context_amount": 0.1}])
def test_follows_a_target(changes):
    tracker, video = made_tracker(replace(SMALL, **changes)), footage(8)
    tracker.init(video.frames[0], video.boxes[0])
    assert tracker.state.evidence[0] == pytest.approx(1)
    overlaps = []
    for index in range(1, len(video)):
        searched = tracker.state.search_window.size
        result = tracker.update(video.frames[index])
        overlaps.append(result.box.iou(Box.from_array(video.boxes[index])))
        response = result.response
        assert response.values.shape == (21, 21)
        longest = max(video.boxes[0][2:])
        assert response.box.width == pytest.approx(2 * longest * searched / tracker.state.target.first_side)
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
    tracker = made_tracker()
    model = tracker.model
    states = [start(model, video.frames[0], box) for box in boxes]
    states[2] = model.lose(states[2])  # a lost one has more windows than the others
    alone = list(states)
    for index in range(1, len(video)):
        frame = tracker.upload(video.frames[index])
        together = update_targets(model, states, frame)
        single = [update_targets(model, [state], frame)[0] for state in alone]
        for (_, result), (_, expected) in zip(together, single, strict=True):
            np.testing.assert_allclose(result.box.to_array(), expected.box.to_array(), atol=0.05)
            assert result.score == pytest.approx(expected.score, abs=1e-3)
            assert result.state is expected.state
        states, alone = [state for state, _ in together], [state for state, _ in single]


def test_features_that_are_no_numbers_lose_that_target_alone():
    """The target's own features are broken; the other one shares network and frame with it."""
    video, tracker = footage(3), made_tracker()
    group = TrackerGroup(tracker)
    for name, box in (("broken", video.boxes[0]), ("whole", Box(200, 150, 25, 50))):
        group.init(name, video.frames[0], box)
    alone = start(tracker.model, video.frames[0], Box(200, 150, 25, 50))
    with torch.inference_mode():
        for part in group.state("broken").target.template.exemplar:
            part.fill_(torch.nan)
    results = group.update(video.frames[1])
    assert results["broken"].state is TrackState.LOST
    assert results["broken"].reason == "the network's answer is not finite"
    np.testing.assert_allclose(results["broken"].box, video.boxes[0])
    _, expected = update_targets(tracker.model, [alone], tracker.upload(video.frames[1]))[0]
    np.testing.assert_allclose(results["whole"].box, expected.box, atol=0.05)
    assert group.update(video.frames[2])["broken"].state is TrackState.LOST


class Shifted:
    """In place of a regression: moves every box by a fifth of its width, and makes it twice as high."""

    def __init__(self) -> None:
        self.asked = 0

    def apply(self, features, boxes):
        assert features.shape == (1, 7 * 7 * 32)
        self.asked += 1
        return boxes * [1, 1, 1, 2] + boxes[:, 2:3] * [0.2, 0, 0, 0]


def test_every_box_is_corrected_by_the_first_frame_s_regression():
    tracker, video = made_tracker(replace(SMALL, lost=LostConfig(enabled=False))), footage(3)
    tracker.init(video.frames[0], video.boxes[0])
    model, stub = tracker.model, Shifted()
    plain, corrected = (
        replace(tracker.state, target=tracker.state.target._replace(regression=regression))
        for regression in (None, stub)
    )
    frame = tracker.upload(video.frames[1])
    x, y, width, height = update_targets(model, [plain], frame)[0][1].box
    corrected, result = update_targets(model, [corrected], frame)[0]
    np.testing.assert_allclose(list(result.box), [x + 0.2 * width, y, width, 2 * height], rtol=1e-5)
    corrected, _ = update_targets(model, [corrected], tracker.upload(video.frames[2]))[0]
    assert stub.asked == 2
    assert corrected.target.regression is stub  # nothing is learned after the first frame


@torch.no_grad()
def test_the_regression_sees_the_box_with_its_context():
    model = made_tracker(replace(SMALL, context_amount=0.25)).model
    maps = model.maps(torch.rand(1, 3, 160, 160) * 255)
    found = model.features(maps, np.array([[[70.0, 66.0, 24.0, 16.0]]]))[0, 0]
    wider = torch.tensor([[[65.0, 61.0, 34.0, 26.0]]])  # a quarter of 40, half of it to each side
    expected = model.network.local_regions(maps, wider).flatten()
    np.testing.assert_allclose(found, expected / expected.norm() * 20, rtol=1e-4, atol=1e-5)


def test_scales_may_follow_the_last_box_within_limits():
    tracker, video = (
        made_tracker(replace(SMALL, scales_of="last", scale_limits=(0.5, 1.5), regression=False)),
        footage(1),
    )
    tracker.init(video.frames[0], video.boxes[0])
    model, state = tracker.model, tracker.state
    first, searched = state.box, state.search_window.size
    side = 1.2 * model.side
    frame = tracker.upload(video.frames[0])
    output = model.forward([state], frame, frame.crops([state.search_window], SMALL.search_size))[0]
    for factor in (1.2, 1.44, 1.5):
        box = Box.from_centre(80, 80, side, side * first.height / first.width)
        state, _ = model.locate(state, replace(output, window=state.search_window, scale=1.2, box=box))
        assert state.search_window.size == pytest.approx(factor * searched)
    assert state.box.width == pytest.approx(1.44 * 1.2 * first.width)


def test_a_lost_target_s_tiles_meet_where_candidates_end():
    tracker, video = made_tracker(replace(SMALL, radius=0.5, regression=False)), footage(1)
    tracker.init(video.frames[0], video.boxes[0])
    lost = tracker.model.lose(tracker.state)
    home = tracker.model.search(lost).windows[0]
    assert lost.lost_search.step == pytest.approx(max(video.boxes[0][2:]))  # two radii of half a side
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
    assert 1 <= len(tracker.model.search(tracker.state).windows) <= SMALL.lost_windows
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
        tracker.update(np.zeros((100, 10, 3), np.uint8))
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
    with pytest.raises(ConfigError, match="scales: 4 is even; give an odd number"):
        read_config(SRTConfig, {"scales": 4}, "here")
    with pytest.raises(ConfigError, match=r"search_size 92 shows the target 2 pixels long.* give 124 or more"):
        made_tracker(SRTConfig(search_size=92))
    assert made_tracker(SRTConfig(search_size=124)).model.side >= 12


def test_shipped_settings_are_read_and_name_the_defaults():
    changes = {
        "srt": {},
        "srt_without_conv4_3": {"leave_out": ("conv4_3",)},
        "srt_without_conv5_3": {"leave_out": ("conv5_3",)},
        "srt_without_irnn": {"leave_out": ("irnn",)},
        "srt_without_regression": {"regression": False},
    }
    files = sorted((Path(__file__).parents[4] / "config" / "trackers").glob("srt*.yaml"))
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
    path = Path(__file__).parents[4] / "config" / "train" / "srt.yaml"
    content = yaml.safe_load(path.read_text())
    training = content["training"] | {"layers": {name: value}}
    train("srt", data=content["data"], training=training, explain=True)
    told = yaml.safe_load(capsys.readouterr().out)
    assert read_config(SRTLayers, told["training"]["layers"], "layers") == replace(SRTLayers(), **{name: value})
