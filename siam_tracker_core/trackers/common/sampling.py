"""Boxes drawn around a target: where it may be, what it looks like, and what it is not (MDNet section 4).

The distributions are those of HyeonseobNam/py-MDNet:modules/sample_generator.py. All are vectorised, and all that is
random comes from a generator that is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.geometry import Box, iou

Boxes = NDArray[np.float64]
Range = tuple[float, float]

# No side is drawn shorter than this, unless the target's own is.
LEAST_SIDE = 10.0

# Each round draws twice as many boxes for each one still wanted as the round before; then those found must do.
_ROUNDS = 5


@dataclass(frozen=True)
class Spread:
    """How boxes are spread around a target.

    Attributes:
        kind: ``gaussian`` (half a standard deviation, cut at one unit), ``uniform``, or ``whole``, anywhere in the
            picture; of place and scale.
        translation: unit of the displacement of the centre, relative to the mean of width and height; not looked at by
            ``whole``.
        scale: unit of the change of both sides together, as a factor.
        aspect: largest change of each side by itself, as a factor, uniform in the logarithm.
    """

    kind: Literal["gaussian", "uniform", "whole"]
    translation: Annotated[float, Ge(0)]
    scale: Annotated[float, Ge(1)]
    aspect: Annotated[float, Ge(1)] = 1.0

    __pydantic_config__ = STRICT


class Samples(NamedTuple):
    """Boxes that show the target, and boxes that do not.

    Attributes:
        positives: (p, 4) of ``x, y, width, height`` in pixels.
        negatives: (n, 4).
    """

    positives: Boxes
    negatives: Boxes


def draw(
    spread: Spread,
    box: Box,
    count: int,
    image_size: tuple[int, int],
    rng: np.random.Generator,
    *,
    overlap: Range = (0.0, 1.0),
    area: Range | None = None,
    widen: float | None = None,
) -> Boxes:
    """Boxes around a target.

    Sides are kept between ``LEAST_SIDE`` (or the target's, where that is shorter) and the picture's, centres in it.

    Args:
        spread: how they are spread.
        box: of the target, in pixels.
        count: how many are wanted.
        image_size: width and height of the picture in pixels.
        rng: of the draw.
        overlap: least and largest IoU with the target.
        area: least and largest area relative to the target's.
        widen: in place of ``spread.translation``.

    Returns:
        (count, 4) of ``x, y, width, height`` in pixels; fewer where not enough were found. The target's own box stands
        for them where none was, if it is within the limits.
    """
    found = np.zeros((0, 4))
    for round_ in range(_ROUNDS):
        missing = count - len(found)
        if missing <= 0:
            break
        wanted = missing * (1 if overlap == (0.0, 1.0) and area is None else 2 << round_)
        boxes = _spread(spread, box, wanted, image_size, rng, spread.translation if widen is None else widen)
        found = np.concatenate([found, boxes[_accepted(boxes, box, overlap, area)]])
    if not len(found):
        own = box.to_array()[None]
        found = own[_accepted(own, box, overlap, area)]
    return found[:count]


def _spread(
    spread: Spread,
    box: Box,
    count: int,
    image_size: tuple[int, int],
    rng: np.random.Generator,
    translation: float,
) -> Boxes:
    size, picture = np.array([box.width, box.height]), np.array(image_size, dtype=np.float64)
    if spread.kind == "gaussian":
        units = np.clip(0.5 * rng.standard_normal((count, 3)), -1, 1)
    else:
        units = rng.uniform(-1, 1, (count, 3))
    stretch = rng.uniform(-1, 1, (count, 2)) * math.log(spread.aspect)
    extents = size * np.exp(units[:, 2:] * math.log(spread.scale) + stretch)
    extents = np.clip(extents, np.minimum(LEAST_SIDE, np.minimum(size, picture)), picture)
    if spread.kind == "whole":
        half = np.minimum(extents, picture) / 2
        centres = picture / 2 + units[:, :2] * (picture / 2 - half)
    else:
        centres = np.array(box.centre) + units[:, :2] * translation * size.mean()
    centres = np.clip(centres, 0, picture)
    return np.concatenate([centres - extents / 2, extents], axis=1)


def _accepted(boxes: Boxes, box: Box, overlap: Range, area: Range | None) -> NDArray[np.bool_]:
    overlaps = iou(boxes, box.to_array())
    accepted = (overlaps >= overlap[0]) & (overlaps <= overlap[1])
    if area is not None:
        relative = boxes[:, 2:].prod(axis=1) / (box.width * box.height)
        accepted &= (relative >= area[0]) & (relative <= area[1])
    return accepted  # type: ignore[no-any-return]


def splat(boxes: Boxes, scores: NDArray[np.float32], cells: int) -> tuple[NDArray[np.float32], Box]:
    """Scores of boxes as a map: in each cell the best of those that have their centres in it.

    Args:
        boxes: (n, 4) in pixels, n at least 1.
        scores: (n,).
        cells: side of the map.

    Returns:
        float32 (cells, cells), with the least of all scores in cells without a box, and the region of the picture that
        it covers.
    """
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    low, high = centres.min(axis=0), centres.max(axis=0)
    extent = np.maximum(high - low, 1.0)
    places = np.minimum((cells * (centres - low) / extent).astype(np.intp), cells - 1)
    values = np.full((cells, cells), scores.min(), dtype=np.float32)
    np.maximum.at(values, (places[:, 1], places[:, 0]), scores)
    return values, Box(*low, *extent)
