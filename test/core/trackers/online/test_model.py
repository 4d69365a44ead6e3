"""Trackers that learn, with the weights that ship, on made footage."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from siam_tracker_core import Box, Frame, TrackerGroup, load_tracker
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.siamese import WithFeatures
from siam_tracker_core.trackers.common.lost import Confidence
from siam_tracker_core.trackers.results import TrackState
from siam_tracker_core.trackers.tracker import Tracker

SIAMFC = ("siamfc", "siamfc_ciresnet22", "siamfc_ciresinception22")
SIAMRPN = ("siamban_mobilenetv2", "siamrpn_mobilenetv2")
FAMILIES = ("siamrpn_mobilenetv2", "siamfc")
# SiamFC takes twice as long; what is the learning's own is tested with the default tracker's network.
DEFAULT_FIRST = ("siamrpn_mobilenetv2", pytest.param("siamfc", marks=pytest.mark.slow))


def learning(name, **online):
    return load_tracker(
        name, device="cpu", runtime="torch", precision="single", config={"online": {"enabled": True, **online}}
    )


@pytest.fixture(scope="module")
def made():
    return made_sequence(frames=5, size=(320, 240))


@pytest.mark.parametrize(
    ("name", "units"), [*((name, 0) for name in SIAMRPN + SIAMFC), *((name, 7) for name in SIAMRPN), (SIAMRPN[1], 4)]
)
def test_the_features_lie_beside_the_map(name, units):
    """What a network sees at a shifted place is in its features where the map says that it is."""
    network = learning(name, features_from=units).model.backend.network
    assert isinstance(network, WithFeatures)
    rng = np.random.default_rng(0)
    patch = torch.from_numpy(rng.integers(0, 255, (3, 64, 64))).float()
    stride = network.backbone.stride
    template = network.template(torch.full((1, 3, 127, 127), 114.0))
    blank = torch.full((1, 3, 255, 255), 114.0)
    nothing = network.search(template, blank)[-1]
    peaks, middles = [], []
    for cells in (0, 3):
        image = blank.clone()
        left = 127 - 32 + cells * stride
        image[0, :, 95:159, left : left + 64] = patch
        scores, *_, features = network.search(template, image)
        energy = (features - nothing).square().sum(dim=1)[0]
        total = energy.sum()
        steps = torch.arange(energy.shape[-1]) - (energy.shape[-1] - 1) / 2
        peaks.append(
            (float((energy.sum(dim=0) * steps).sum() / total), float((energy.sum(dim=1) * steps).sum() / total))
        )
        seen = [steps[energy.sum(dim=axis) > 0.02 * energy.sum(dim=axis).max()] for axis in (0, 1)]
        middles.append(tuple(float(along[[0, -1]].mean()) for along in seen))
        assert (features.shape[-1] - scores.shape[-1]) % 2 == 0
    # By where the patch is seen at all: a network may answer to one of its edges more than to the other.
    assert middles[0] == pytest.approx((0, 0), abs=0.6)
    assert peaks[1][0] - peaks[0][0] == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("name", SIAMFC)
def test_the_response_peaks_at_the_target_to_a_fraction_of_a_cell(name):
    """A disc of noise on a smooth background, moved by whole and half cells."""
    tracker = learning(name)
    model, still = tracker.model, Disc(0, 0)
    tracker.init(still.image, still.box)
    online, template = tracker.state.target.online, tracker.state.target.template
    window = tracker.state.search_window
    cell = model.stride * window.size / 255
    moves = [(0.0, 0.0), (2.0, -1.0), (-1.5, 2.5)]
    images = [Disc(round(x * cell), round(y * cell)).image for x, y in moves]
    for move, image in zip(moves, images, strict=True):
        crops = Frame.upload(image, torch.device("cpu")).crops([window], 255)
        with torch.inference_mode():
            responses, features = model.backend.search(template, crops)
            (seen,) = model.learner.look([online], features, responses.shape[-1])
        expected = [round(step * cell) / cell for step in move]
        assert peak_of(seen.response.numpy()) == pytest.approx(expected, abs=0.4)


class Disc:
    """A picture with a disc of noise, moved by whole pixels from its middle."""

    def __init__(self, x, y):
        rng = np.random.default_rng(0)
        self.box = Box.from_centre(160 + x, 120 + y, 48, 48)
        self.image = cv2.GaussianBlur(rng.integers(60, 200, (240, 320, 3)).astype(np.uint8), (0, 0), 6)
        noise = cv2.GaussianBlur(rng.integers(0, 255, (48, 48, 3)).astype(np.uint8), (0, 0), 1.5)
        rows, columns = np.mgrid[:48, :48] - 23.5
        part = self.image[96 + y : 144 + y, 136 + x : 184 + x]
        part[np.hypot(rows, columns) < 24] = noise[np.hypot(rows, columns) < 24]


def peak_of(response):
    """The place of a map's peak from its middle, x and y in cells, by a parabola through it and its neighbours."""
    row, column = np.unravel_index(response.argmax(), response.shape)
    found = []
    for line, place in ((response[row], column), (response[:, column], row)):
        before, at, after = line[place - 1 : place + 2]
        found.append(place + (before - after) / (2 * (before - 2 * at + after)) - (len(line) - 1) / 2)
    return found


@pytest.mark.parametrize("name", [pytest.param(SIAMRPN[0], marks=pytest.mark.slow), *DEFAULT_FIRST])
def test_many_targets_are_followed_and_learned_like_single_ones(name, made):
    tracker = learning(name)
    boxes = [made.boxes[0], made.boxes[0] + [6, 4, 0, 0]]
    group, singles = TrackerGroup(tracker), []
    for number, box in enumerate(boxes):
        group.init(number, made.frames[0], box)
        singles.append(Tracker(tracker.model))
        singles[-1].init(made.frames[0], box)
    for image in made.frames[1:4]:
        together = group.update(image)
        for number, single in enumerate(singles):
            alone = single.update(image)
            np.testing.assert_allclose(together[number].box.to_array(), alone.box.to_array(), atol=1e-2)
            assert together[number].learning == alone.learning
            assert alone.learning.startswith(("to be learned", "not learned"))


@pytest.mark.parametrize("name", DEFAULT_FIRST)
def test_what_is_learned_after_the_answer_is_what_is_learned_with_it(name, made):
    tracker = learning(name)
    assert tracker.model.can_wait
    at_once, later = TrackerGroup(tracker), TrackerGroup(tracker)
    for group in (at_once, later):
        group.init(1, made.frames[0], made.boxes[0])
    for image in made.frames[1:]:
        expected, found = at_once.update(image)[1], later.update(image, learn=False)[1]
        assert found.box == expected.box
        before = later.state(1).target.online.notebook.lessons
        later.learn()
        learned = later.state(1).target.online.notebook.lessons
        assert learned.count == before.count + found.learning.startswith("to be learned")
        assert torch.equal(learned.weights, at_once.state(1).target.online.notebook.lessons.weights)


def test_a_target_that_is_gone_keeps_no_image_and_none_is_recognised_without_a_box(made):
    group = TrackerGroup(learning(FAMILIES[0]))
    for stop in (lambda: group.remove(1), group.clear):
        group.init(1, made.frames[0], made.boxes[0])
        frame = group.upload(made.frames[1])
        group.update(frame, learn=False)
        assert group.recognise(1, frame, []) == (None, 0.0)
        stop()
        kept = weakref.ref(frame)
        del frame
        gc.collect()
        assert kept() is None


@pytest.mark.parametrize("name", FAMILIES)
def test_what_there_was_no_time_for_is_passed_over_and_said(name, made):
    group = TrackerGroup(learning(name))
    group.init(1, made.frames[0], made.boxes[0])
    assert group.update(made.frames[1], learn=False)[1].learning.startswith("to be learned")
    assert "passed over: the next image came before it" in group.update(made.frames[2], learn=False)[1].learning
    group.pass_over("an image was waiting")
    assert "passed over: an image was waiting" in group.update(made.frames[3])[1].learning
    assert "passed over" not in group.update(made.frames[4])[1].learning
    assert group.state(1).target.online.notebook.lessons.count == 2


def test_a_box_of_numpys_numbers_is_learned_like_one_of_pythons(made):
    tracker = learning("siamban_mobilenetv2")
    weights = []
    for box in (Box(*made.boxes[0].tolist()), Box(*made.boxes[0])):
        tracker.init(made.frames[0], box)
        tracker.update(made.frames[1])
        weights.append(tracker.state.target.online.notebook.lessons.weights)
    assert torch.equal(*weights)


@pytest.mark.parametrize("name", DEFAULT_FIRST)
def test_features_that_are_no_numbers_harm_their_own_target_only(name, made, monkeypatch):
    tracker, plain = learning(name), load_tracker(name, device="cpu", runtime="torch", precision="single")
    group, twin = TrackerGroup(tracker), TrackerGroup(tracker)
    for number, box in enumerate([made.boxes[0], made.boxes[0] + [6, 4, 0, 0]]):
        group.init(number, made.frames[0], box)
        twin.init(number, made.frames[0], box)
    plain.init(made.frames[0], made.boxes[0])
    expected = twin.update(made.frames[1])
    search = tracker.model.backend.search

    def harmed(template, crops):
        *answers, features = search(template, crops)
        features = features.clone()
        features[: len(features) // 2] = torch.nan
        return *answers, features

    monkeypatch.setattr(tracker.model.backend, "search", harmed)
    found = group.update(made.frames[1])
    np.testing.assert_allclose(found[1].box.to_array(), expected[1].box.to_array(), atol=1e-6)
    assert group.state(1).target.online.notebook.lessons.count == 1
    alone = plain.update(made.frames[1])
    np.testing.assert_allclose(found[0].box.to_array(), alone.box.to_array(), atol=1e-2)
    assert found[0].score == pytest.approx(alone.score, abs=1e-3)
    assert group.state(0).target.online.notebook.lessons.count == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_the_response_judges_how_sure_a_result_is(name, made):
    """A calibration that asks the filter alone: sure of the target, and of nothing on a picture of noise."""
    only = {"bias": -25.0, "peak": 0.0, "psr": 0.0, "response": 50.0}
    tracker = learning(name, calibration=only)
    tracker.init(made.frames[0], made.boxes[0])
    assert tracker.update(made.frames[0]).score > 0.9
    noise = np.random.default_rng(0).integers(0, 255, made.frames[0].shape).astype(np.uint8)
    assert tracker.update(noise).score < 0.1


@pytest.mark.parametrize("name", DEFAULT_FIRST)
def test_a_target_is_taken_up_where_the_response_is_near_its_usual_one(name, made):
    """With an enabled filter and a score that every place has, the share of the usual response alone decides."""
    always = {"bias": 50.0, "peak": 0.0, "psr": 0.0, "response": 0.0}
    found = {}
    for share in (0.0, 0.5, 1.9):
        tracker = learning(name, calibration=always, familiar=share, recognised=share)
        group = TrackerGroup(tracker)
        group.init(0, made.frames[0], made.boxes[0])
        for image in made.frames[1:]:
            group.update(image)
        assert group.state(0).target.online.usual == pytest.approx(1.0, abs=0.3)
        lost = tracker.model.lose(group.state(0))
        doubted = replace(group.state(0), confidence=Confidence(TrackState.UNCERTAIN, 1))
        found[share] = [state_after(tracker, state, made.frames[-1]) for state in (lost, doubted)]
    assert found == {0.0: ["uncertain", "tracking"], 0.5: ["uncertain", "tracking"], 1.9: ["lost", "uncertain"]}


def state_after(tracker, state, image):
    """What a target's state is called after one more image."""
    frame, request = tracker.upload(image), tracker.model.search(state)
    with torch.inference_mode():
        (output,) = tracker.model.forward([state], frame, frame.crops(request.windows, request.crop_size))
    return tracker.model.locate(state, output)[1].state.value


@pytest.mark.parametrize("name", DEFAULT_FIRST)
def test_a_response_without_a_share_changes_no_box(name, made):
    trackers = [learning(name, share=0.0), load_tracker(name, device="cpu", runtime="torch", precision="single")]
    for tracker in trackers:
        tracker.init(made.frames[0], made.boxes[0])
    for image in made.frames[1:]:
        found, expected = (tracker.update(image) for tracker in trackers)
        assert (found.box, found.score) == (expected.box, expected.score)
        assert found.learning
        assert expected.learning == ""


@pytest.mark.parametrize("name", ["siamban_mobilenetv2", "siamfc"])
def test_nothing_is_learned_where_learning_is_off(name, made):
    tracker = load_tracker(name, device="cpu", runtime="torch")
    tracker.init(made.frames[0], made.boxes[0])
    assert tracker.update(made.frames[1]).learning == ""
    assert tracker.state.target.online is None
    assert not tracker.model.can_wait


@pytest.mark.parametrize("name", ["dsiam", "cascade", "srt", "mdnet"])
def test_trackers_that_learn_otherwise_have_no_such_setting(name):
    with pytest.raises(ConfigError, match="online: there is no such setting"):
        load_tracker(name, device="cpu", config={"online": {"enabled": True}})
