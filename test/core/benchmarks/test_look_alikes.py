"""Scenes with look-alikes, and what counts as a jump, by trackers that are told where to go."""

from __future__ import annotations

import numpy as np
import pytest

from siam_tracker_core import Box, TrackResult, TrackState
from siam_tracker_core.benchmarks.look_alikes import count_jumps, look_alike_scene


class Follower:
    """Goes with one of a scene's squares from a frame on; before that with the target."""

    def __init__(self, scene, whom, since):
        self.rows = [boxes[whom if number >= since else 0] for number, boxes in enumerate(scene.boxes)]

    def init(self, image, box):
        self.next = 1

    def update(self, image):
        self.next += 1
        return TrackResult(Box(*self.rows[self.next - 1]), 1.0, TrackState.TRACKING)


@pytest.mark.parametrize("count", [1, 3])
def test_every_look_alike_meets_the_target_which_stays_in_front(count):
    scene = look_alike_scene(count, seed=4, length=60)
    assert scene.boxes.shape == (60, 1 + count, 4)
    centres = scene.boxes[..., :2] + scene.boxes[..., 2:] / 2
    distances = np.linalg.norm(centres[:, 1:] - centres[:, :1], axis=2)
    assert (distances.min(axis=0) < 20).all()
    assert (distances.max(axis=0) > 60).all()
    first = look(scene, 0)
    differences = [np.abs(look(scene, frame) - first).mean() for frame in range(1, 60)]
    assert max(differences) < 12  # noise and halves of a pixel, and nothing in front of it


def look(scene, frame):
    """The target's middle in a frame."""
    x, y, width, height = scene.boxes[frame, 0]
    left, top = round(x + width / 4), round(y + height / 4)
    part = scene.frames[frame][top : top + round(height / 2), left : left + round(width / 2)]
    return part.astype(float).mean(axis=(0, 1))


def test_a_jump_is_a_box_on_a_look_alike_at_the_end():
    scene = look_alike_scene(2, seed=1, length=40)
    true = count_jumps(Follower(scene, 0, 0), [scene])
    assert (true.scenes, true.jumped, true.overlap) == (1, 0.0, pytest.approx(1))
    gone = count_jumps(Follower(scene, 1, 25), [scene])
    assert gone.jumped == 1.0
    assert gone.overlap == pytest.approx(24 / 39, abs=0.1)


def test_the_same_seed_makes_the_same_scene():
    first, second = (look_alike_scene(2, seed=7, length=5) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first.frames, second.frames, strict=True))
    assert not np.array_equal(first.frames[0], look_alike_scene(2, seed=8, length=5).frames[0])
