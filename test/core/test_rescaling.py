"""A target is followed through a change of scale, and results can be pickled."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
import torch

from siam_tracker_core import Box, TrackerGroup, TrackState, load_tracker
from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Window, iou
from siam_tracker_core.trackers.rescaling import scale_between


@pytest.mark.parametrize(
    ("size", "other", "factor"),
    [
        ((640, 480), (320, 240), 0.5),
        ((1920, 1080), (1280, 720), 2 / 3),
        ((641, 481), (320, 240), 0.499),
        ((640, 480), (640, 360), None),
        ((640, 480), (480, 640), None),
    ],
)
def test_which_sizes_are_one_picture(size: tuple[int, int], other: tuple[int, int], factor: float | None) -> None:
    assert scale_between(size, other) == (None if factor is None else pytest.approx(factor, abs=1e-3))


def test_a_view_of_a_frame_looks_at_the_same_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    frame = Frame(image, torch.device("cpu"))
    seen = frame.seen_as(160, 120)
    assert (seen.width, seen.height) == (160, 120)
    assert torch.equal(seen.crops([Window(60, 40, 50)], 32), frame.crops([Window(30, 20, 25)], 32))
    boxes = np.array([[10.0, 20.0, 30.0, 40.0]])
    assert torch.equal(seen.patches(boxes, 16), frame.patches(boxes / 2, 16))


def test_targets_are_followed_through_a_change_of_scale_and_back() -> None:
    made = made_sequence(frames=8, size=(320, 240), seed=3)
    tracker = load_tracker("siamrpn_mobilenetv2", device="cpu")
    group = TrackerGroup(tracker)
    group.init(1, made.frames[0], made.boxes[0])
    for index in range(1, 8):
        image, truth = made.frames[index], made.boxes[index]
        if 3 <= index < 6:
            image, truth = cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA), truth / 2
        if index == 4:  # one that was shown only the small images sees the large ones too
            group.init(2, image, truth)
        found = group.update(image)
        for result in found.values():
            assert result.state is TrackState.TRACKING
            assert iou(result.box.to_array(), truth) > 0.5
            assert result.response is not None
            assert iou(result.response.box.clipped(320, 240).to_array(), truth) > 0
    again = pickle.loads(pickle.dumps(found[1]))
    assert (again.box, again.score, again.state) == (found[1].box, found[1].score, found[1].state)
    assert np.array_equal(again.response.values, found[1].response.values)


def test_another_shape_is_still_refused() -> None:
    made = made_sequence(frames=2, size=(320, 240), seed=3)
    tracker = load_tracker("siamrpn_mobilenetv2", device="cpu")
    tracker.init(made.frames[0], Box(*made.boxes[0]))
    with pytest.raises(ImageError, match="200x240 but the target was shown on 320x240"):
        tracker.update(made.frames[1][:, :200])
    assert tracker.update(made.frames[1]).state is TrackState.TRACKING
