"""The SiamFC tracker against a slow reference, and what it does with targets that come and go."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from made_network import random_weights

from siam_tracker_core import Box, SiamTrackerError, TrackerGroup, TrackState, load_tracker
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import BoxError, ImageError
from siam_tracker_core.geometry import context_size

NOTHING_LOST = {"lost": {"enabled": False}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_weights(tmp_path_factory.mktemp("weights") / "random.safetensors")


@pytest.fixture(scope="module")
def footage():
    made = made_sequence(frames=12, size=(320, 240), seed=2)
    return made.frames, made.boxes


def load(weights, **config):
    return load_tracker(weights, device="cpu", config=config or NOTHING_LOST, precision="single")


class SlowSiamFC:
    """SiamFC one window at a time in numpy and OpenCV, from the reference values of its published implementations."""

    def __init__(self, tracker, image, box):
        self.embed = lambda crops: tracker.model.backend.template(crops)[0]
        side = context_size(box[2], box[3])
        self.centre = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
        self.size = np.array(box[2:], dtype=float)
        self.exemplar = self.features(image, side, 127)
        self.search = self.first = side * 255 / 127
        hann = np.outer(np.hanning(272), np.hanning(272))
        self.hann = hann / hann.sum()

    def features(self, image, side, size):
        grid = (np.arange(size) + 0.5) * side / size - side / 2 - 0.5
        x, y = (grid + centre for centre in self.centre)
        maps = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        crop = cv2.remap(image, *maps, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, cv2.mean(image))
        with torch.inference_mode():
            return self.embed(torch.from_numpy(crop).permute(2, 0, 1)[None].float())

    def update(self, image):
        factors = 1.0375 ** np.array([-1, 0, 1])
        responses = []
        for factor in factors:
            raw = torch.nn.functional.conv2d(self.features(image, self.search * factor, 255), self.exemplar)
            responses.append(cv2.resize(raw[0, 0].numpy() * 1e-3, (272, 272), interpolation=cv2.INTER_CUBIC))
        best = int(np.argmax([r.max() * p for r, p in zip(responses, (0.9745, 1, 0.9745), strict=True)]))
        response = responses[best] - responses[best].min()
        response = (1 - 0.176) * response / response.sum() + 0.176 * self.hann
        row, column = np.unravel_index(response.argmax(), response.shape)
        displacement = (np.array([column, row]) - 271 / 2) * 8 / 16
        self.centre = self.centre + displacement * self.search * factors[best] / 255
        wanted = self.search * (1 - 0.59 + 0.59 * factors[best])
        wanted = np.clip(wanted, 0.2 * self.first, 5 * self.first)
        self.size, self.search = self.size * wanted / self.search, wanted
        return np.concatenate([self.centre - self.size / 2, self.size])


def test_follows_the_slow_reference(weights, footage):
    images, boxes = footage
    tracker = load(weights)
    tracker.init(images[0], boxes[0])
    slow = SlowSiamFC(tracker, images[0], boxes[0])
    for image in images[1:8]:
        found, expected = tracker.update(image).box.to_array(), slow.update(image)
        np.testing.assert_allclose(found, expected, atol=0.51)
        # Go on from one place, so that a tie decided by rounding does not add up.
        slow.centre, slow.size, slow.search = found[:2] + found[2:] / 2, found[2:], tracker.state.search_window.size


def test_result_has_the_promised_form(weights, footage):
    images, boxes = footage
    tracker = load(weights)
    tracker.init(images[0], list(boxes[0]))
    result = tracker.update(images[1])
    assert 0 <= result.score <= 1
    assert result.response.values.shape == (17, 17)
    assert result.response.values.dtype == np.float32
    middle = result.response.box.centre
    assert np.hypot(*(np.array(middle) - Box.from_array(boxes[0]).centre)) < 1
    # 17 cells of 8 pixels of a crop that shows the search window
    assert result.response.box.width == pytest.approx(tracker.state.search_window.size * 136 / 255, rel=0.05)


def test_peak_of_the_response_map_lies_on_the_target(footage):
    images, boxes = footage
    tracker = load_tracker("siamfc", device="cpu")
    tracker.init(images[0], boxes[0])
    result = tracker.update(images[0])
    row, column = np.unravel_index(result.response.values.argmax(), (17, 17))
    cell = result.response.box.width / 17
    place = np.array([result.response.box.x + (column + 0.5) * cell, result.response.box.y + (row + 0.5) * cell])
    np.testing.assert_allclose(place, Box.from_array(boxes[0]).centre, atol=cell)
    assert result.box.iou(Box.from_array(boxes[0])) > 0.9


def test_group_gives_what_single_trackers_give(weights, footage):
    images, boxes = footage
    starts = [boxes[0], boxes[0] + [10, 5, -6, 4], np.array([20.0, 30, 60, 40])]
    group, singles = TrackerGroup(load(weights)), [load(weights) for _ in starts]
    for number, (single, box) in enumerate(zip(singles, starts, strict=True)):
        group.init(number, images[0], box)
        single.init(images[0], box)
    for image in images[1:4]:
        together = group.update(image)
        for number, single in enumerate(singles):
            alone = single.update(image)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=0.6)
            assert together[number].score == pytest.approx(alone.score, abs=0.02)


def test_group_keeps_targets_apart(weights, footage):
    images, boxes = footage
    group = TrackerGroup(load(weights))
    group.init("a", images[0], boxes[0])
    group.init("b", images[0], boxes[0] + [15, 10, 0, 0])
    with pytest.raises(BoxError):
        group.init("a", images[0], [0, 0, 0, 0])
    assert group.ids == ["a", "b"]
    assert list(group.update(images[1], only={"b"})) == ["b"]
    large = np.zeros((480, 480, 3), np.uint8)  # of another shape: another scale alone would be followed
    group.init("large", large, [10, 10, 50, 50])
    results = group.update(images[2])
    assert results["large"].state is TrackState.LOST
    assert "480x480" in results["large"].reason
    assert results["a"].reason == "" or results["a"].state is not TrackState.TRACKING
    group.remove("a")
    assert group.ids == ["b", "large"]
    assert group.update(images[3]).keys() == {"b", "large"}


def test_bad_calls_lose_nothing(weights, footage):
    images, boxes = footage
    tracker, twin = load(weights), load(weights)
    with pytest.raises(RuntimeError, match="before init"):
        tracker.update(images[0])
    for one in (tracker, twin):
        one.init(images[0], boxes[0])
    with pytest.raises(ImageError, match="320x240"):
        tracker.update(np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(SiamTrackerError):
        tracker.init(images[0], [np.nan, 0, 5, 5])
    with pytest.raises(SiamTrackerError):
        tracker.update(images[0][..., 0])
    assert tracker.update(images[1]).box == twin.update(images[1]).box


def test_scale_stays_within_its_limits(weights):
    rng = np.random.default_rng(0)
    tracker = load(weights, lost={"enabled": False}, scale_limits=[0.9, 1.1])
    images = [rng.integers(0, 255, (240, 320, 3)).astype(np.uint8) for _ in range(15)]
    tracker.init(images[0], [100, 80, 60, 50])
    widths = [tracker.update(image).box.width for image in images]
    assert 60 * 0.9 - 1e-6 <= min(widths) <= max(widths) <= 60 * 1.1 + 1e-6


@pytest.mark.slow
def test_half_precision_changes_little(weights, footage):
    images, boxes = footage
    single = load(weights)
    half = load_tracker(weights, device="cpu", config=NOTHING_LOST, precision="half")
    for tracker in (single, half):
        tracker.init(images[0], boxes[0])
    for image in images[1:3]:
        assert single.update(image).box.iou(half.update(image).box) > 0.8


def test_windows_follow_the_configured_scales(weights, footage):
    images, boxes = footage
    tracker = load(weights, scales=5, scale_step=1.1)
    tracker.init(images[0], boxes[0])
    request = tracker.model.search(tracker.state)
    sizes = [window.size for window in request.windows]
    np.testing.assert_allclose(np.array(sizes) / sizes[2], 1.1 ** np.arange(-2, 3))
    assert request == tracker.model.search(tracker.state), "a question changes nothing"


@pytest.fixture(scope="module")
def leaving():
    """A target that leaves the picture for sixteen frames of forty, and returns near where it left."""
    made = made_sequence(kind="leaves", frames=110, size=(480, 360), seed=1)
    gone = np.flatnonzero(np.isnan(made.boxes[:, 0]))
    kept = [*range(gone[12]), *range(gone[-4], 110)]
    return [made.frames[frame] for frame in kept], made.boxes[kept]


@pytest.mark.slow
def test_a_target_that_leaves_is_lost_and_found_again(leaving):
    images, boxes = leaving
    tracker = load_tracker("siamfc", device="cpu")
    tracker.init(images[0], boxes[0])
    results = [tracker.update(image) for image in images[1:]]
    states = [TrackState.TRACKING] + [result.state for result in results]
    gone = np.flatnonzero(np.isnan(boxes[:, 0]))
    first, last = int(gone[0]), int(gone[-1])
    assert states[: first - 8].count(TrackState.TRACKING) >= 0.9 * (first - 8)
    assert TrackState.LOST in states[first : first + 10]
    lost_since = first + states[first : first + 10].index(TrackState.LOST)
    assert all(state is not TrackState.TRACKING for state in states[lost_since : last + 1])
    back = [i for i in range(last + 1, len(images)) if states[i] is TrackState.TRACKING]
    assert back, "the target was not found again"
    overlaps = [results[i - 1].box.iou(Box.from_array(boxes[i])) for i in back[3:]]
    assert np.mean(np.array(overlaps) > 0.4) > 0.9
