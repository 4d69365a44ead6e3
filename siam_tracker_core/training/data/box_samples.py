"""Boxes of a wanted overlap with a target, drawn by rejection, many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.geometry import iou

Boxes = NDArray[np.float32]
Accept = Callable[[NDArray[np.float64]], NDArray[np.bool_]]

# Each round draws so many candidates for every box that is still wanted, and some more for the last ones.
_SURPLUS, _MORE = 4, 16
ROUNDS = 10


def centred_box(size: NDArray[Any], crop_size: int) -> NDArray[np.float64]:
    """The box ``x, y, width, height`` of a target of a size in the middle of its crop."""
    extent = np.asarray(size, dtype=np.float64)
    return np.concatenate([(crop_size - extent) / 2, extent])


def positive_boxes(size: NDArray[Any], crop_size: int, count: int, accept: Accept, rng: np.random.Generator) -> Boxes:
    """Boxes near the target.

    Candidates are moved by a normal distribution of 0.1 of the target's width and height, and scaled by up to 1.3 and
    stretched by up to 1.1 either way (both uniform in the logarithm). If too few are accepted in ``ROUNDS`` rounds,
    those found are repeated, or the target's own box if there is none.

    Args:
        size: (2,) width and height of the target, in the middle of the crop, in pixels.
        crop_size: side of the crop in pixels.
        count: how many are wanted.
        accept: tells from overlaps (n,) which boxes are right; must take 1.
        rng: of the draw.

    Returns:
        float32 (count, 4) of ``x, y, width, height`` in pixels of the crop; may reach beyond it.
    """
    target = centred_box(size, crop_size)

    def candidates(number: int) -> NDArray[np.float64]:
        centres = crop_size / 2 + rng.normal(0, 0.1, (number, 2)) * target[2:]
        return _around(centres, target[2:] * _changes(rng, number, 1.3, 1.1))

    return _rejection(target, count, accept, candidates, target)


def negative_boxes(size: NDArray[Any], crop_size: int, count: int, accept: Accept, rng: np.random.Generator) -> Boxes:
    """Boxes off the target.

    Half of the candidates lie uniformly within two mean sides of the target, half anywhere in the crop, all of them
    inside it; their size is the target's, scaled by up to 1.6 and stretched by up to 1.1 either way. If too few are
    accepted in ``ROUNDS`` rounds, those found are repeated, or a box in the crop's corner if there is none.

    Args and result as for ``positive_boxes``; ``accept`` must take 0.
    """
    target = centred_box(size, crop_size)

    def candidates(number: int) -> NDArray[np.float64]:
        extents = np.minimum(target[2:] * _changes(rng, number, 1.6, 1.1), crop_size)
        reach = np.where(rng.random((number, 1)) < 0.5, 2 * target[2:].mean(), crop_size / 2)
        centres = crop_size / 2 + rng.uniform(-1, 1, (number, 2)) * reach
        return _around(np.clip(centres, extents / 2, crop_size - extents / 2), extents)

    # As large as the target where it leaves the target free, else less.
    corner = np.concatenate([np.zeros(2), np.maximum(np.minimum(target[2:], target[:2]), 1.0)])
    return _rejection(target, count, accept, candidates, corner)


def _changes(rng: np.random.Generator, count: int, scale: float, stretch: float) -> NDArray[np.float64]:
    """Factors (count, 2) on width and height."""
    common = rng.uniform(-1, 1, (count, 1)) * np.log(scale)
    opposite = rng.uniform(-1, 1, (count, 1)) * np.log(stretch)
    return np.exp(common + opposite * np.array([0.5, -0.5]))


def _around(centres: NDArray[np.float64], extents: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([centres - extents / 2, extents], axis=1)


def _rejection(
    target: NDArray[np.float64],
    count: int,
    accept: Accept,
    candidates: Callable[[int], NDArray[np.float64]],
    instead: NDArray[np.float64],
) -> Boxes:
    found = np.zeros((0, 4), dtype=np.float32)
    for _ in range(ROUNDS):
        if len(found) >= count:
            break
        # Rounded first, so that what is returned, and not only what was drawn, has the overlap.
        boxes = candidates(_SURPLUS * (count - len(found)) + _MORE).astype(np.float32)
        found = np.concatenate([found, boxes[accept(iou(boxes, target))]])
    if not len(found):
        found = instead.astype(np.float32)[None]
    return found[np.arange(count) % len(found)]
