"""Made scenes in which look-alikes cross the target's way, and how often a tracker goes with one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.benchmarks.scenes import dull_background, mixed, noisy, paste, smooth_colours
from siam_tracker_core.datasets.made import BgrImage
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.tracker import Tracker

_WIDTH, _HEIGHT, _SIDE = 400, 300, 40
# Share of a look-alike's texture that is the target's own.
_ALIKE = 0.6


@dataclass(frozen=True)
class LookAlikeScene:
    """A target among look-alikes.

    Attributes:
        frames: uint8 (300, 400, 3) BGR images.
        boxes: float64 (len(frames), 1 + look-alikes, 4); the target's first.
    """

    frames: list[BgrImage]
    boxes: NDArray[np.float64]


@dataclass(frozen=True)
class Jumps:
    """What a tracker did in some scenes.

    Attributes:
        scenes: how many.
        jumped: share of scenes in which its box was on a look-alike in the last frames.
        overlap: mean IoU with the target over all frames.
    """

    scenes: int
    jumped: float
    overlap: float


def look_alike_scene(count: int, seed: int, length: int = 90) -> LookAlikeScene:
    """A textured square on a smooth background, met by others that share most of its texture.

    Each look-alike comes from a border, passes within half a side of the target's centre at a time of its own, and
    leaves on the other side. The target is in front.

    Args:
        count: of look-alikes.
        seed: of textures and ways.
        length: frames.
    """
    rng = np.random.default_rng(seed)
    background = dull_background(rng, (_HEIGHT, _WIDTH))
    own = smooth_colours(rng, (_SIDE, _SIDE), 8)
    others = [mixed(own, smooth_colours(rng, (_SIDE, _SIDE), 8), _ALIKE) for _ in range(count)]
    times = np.arange(length)
    phase = rng.uniform(0, 2 * math.pi, 2)
    way = np.stack(
        [
            _WIDTH / 2 + 90 * np.sin(2 * math.pi * times / 120 + phase[0]),
            _HEIGHT / 2 + 60 * np.sin(2 * math.pi * times / 90 + phase[1]),
        ],
        axis=1,
    )
    ways = [way]
    for number in range(count):
        meets = int(length * (number + 1) / (count + 1.5))
        angle, speed = rng.uniform(0, 2 * math.pi), rng.uniform(3, 5)
        direction = np.array([math.cos(angle), math.sin(angle)])
        aside = rng.uniform(-0.5, 0.5) * _SIDE * np.array([-direction[1], direction[0]])
        ways.append(way[meets] + aside + (times[:, None] - meets) * speed * direction)
    centres = np.stack(ways, axis=1)
    frames = []
    for places in centres:
        image = background.copy()
        for texture, place in zip([*others[::-1], own], [*places[:0:-1], places[0]], strict=True):
            paste(image, texture, place)
        frames.append(noisy(image, rng))
    sides = np.full_like(centres, _SIDE)
    return LookAlikeScene(frames, np.concatenate([centres - sides / 2, sides], axis=2))


def count_jumps(tracker: Tracker, scenes: Sequence[LookAlikeScene], last: int = 10) -> Jumps:
    """Follow the target of each scene, and see with whom the tracker goes.

    Args:
        tracker: to judge.
        scenes: to follow.
        last: frames at the end in most of which a box is on a look-alike if it has jumped: it overlaps with one more
            than with the target.
    """
    jumped, overlaps = 0, []
    for scene in scenes:
        tracker.init(scene.frames[0], Box(*scene.boxes[0, 0]))
        rows = [
            [tracker_box.iou(Box(*box)) for box in boxes]
            for image, boxes in zip(scene.frames[1:], scene.boxes[1:], strict=True)
            for tracker_box in [tracker.update(image).box]
        ]
        found = np.array(rows)
        overlaps.append(found[:, 0].mean())
        elsewhere = found[-last:, 1:].max(axis=1) > found[-last:, 0]
        jumped += bool(elsewhere.mean() > 0.5)
    return Jumps(len(scenes), jumped / len(scenes), float(np.mean(overlaps)))
