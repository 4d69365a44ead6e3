"""Made scenes whose target goes behind a wall and comes back, at the place where it is expected or at another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.benchmarks.scenes import dull_background, mixed, noisy, paste, smooth_colours
from siam_tracker_core.datasets.made import BgrImage, MadeSequence

_WIDTH, _HEIGHT, _SIDE = 480, 360, 40
_WALL = 110
_ALIKE = 0.5
# Frames in sight at first, hidden, and in sight again; then the same from there.
_SEEN, _HIDDEN, _BACK = 30, 30, 40
_SPEED = 4.0


def occlusion_scene(seed: int, rounds: int = 2) -> MadeSequence:
    """A textured target that walks behind a wall ``rounds`` times, beside another that shares half of its texture.

    It stands behind the wall for 30 frames, and comes out on the other side at every even time and up to 60 pixels
    higher or lower at every odd one. The truth has no box while less than half of it is in sight. The other one stays
    in sight, near the wall.

    Args:
        seed: of textures and places.
        rounds: how often it is hidden.
    """
    rng = np.random.default_rng(seed)
    background = dull_background(rng, (_HEIGHT, _WIDTH))
    own = smooth_colours(rng, (_SIDE, _SIDE), 8)
    other = mixed(own, smooth_colours(rng, (_SIDE, _SIDE), 8), _ALIKE)
    wall = dull_background(rng, (_HEIGHT, _WALL))
    left = (_WIDTH - _WALL) // 2
    frames: list[BgrImage] = []
    boxes: list[list[float]] = []
    for centre in _way(rng, rounds):
        image = background.copy()
        paste(image, other, np.array([left - _SIDE * 0.8, _HEIGHT * 0.8 + 10 * math.sin(len(frames) / 9)]))
        paste(image, own, centre)
        image[:, left : left + _WALL] = wall
        frames.append(noisy(image, rng))
        hidden = left <= centre[0] <= left + _WALL
        box = [centre[0] - _SIDE / 2, centre[1] - _SIDE / 2, _SIDE, _SIDE]
        boxes.append([math.nan] * 4 if hidden else box)
    return MadeSequence(f"occlusion_{seed:02d}", frames, np.array(boxes))


def _way(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Centres of the target, a row a frame."""
    left, right = (_WIDTH - _WALL) / 2, (_WIDTH + _WALL) / 2
    inside = _SIDE / 2 + 2.0
    y = rng.uniform(0.3, 0.6) * _HEIGHT
    way: list[tuple[float, float]] = []
    direction = 1.0
    for turn in range(rounds):
        enters, leaves = (left, right) if direction > 0 else (right, left)
        start = enters - direction * _SPEED * _SEEN if turn == 0 else way[-1][0]
        steps = max(1, math.ceil(abs(enters + direction * inside - start) / _SPEED))
        way += [(start + direction * _SPEED * step, y + 6 * math.sin(step / 5)) for step in range(steps)]
        way += [((left + right) / 2, y)] * _HIDDEN
        y += rng.uniform(20, 60) * rng.choice([-1, 1]) * (turn % 2)
        start = leaves - direction * inside
        steps = int(abs(inside) / _SPEED) + _BACK // 2
        way += [(start + direction * _SPEED * step, y + 6 * math.sin(step / 5)) for step in range(steps)]
        way += [(way[-1][0], way[-1][1])] * (_BACK // 2)
        direction = -direction
    return np.array(way)
