"""How far away a target is, from a depth image in which its box also holds what is behind and beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le, Lt
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import Box
from siam_tracker_core.limits import Positive, Share

DepthImage = NDArray[np.uint16] | NDArray[np.float32]

_BIN = 0.01  # of the logarithm of depth: one percent
_MOST_PIXELS = 4096  # so many tell the depth as well as all do, in a fraction of the time


class NoDepth(SiamTrackerError):
    """The depth image does not tell how far away the target is; the sentence says why."""


@dataclass(frozen=True)
class DepthSettings:
    """How a target's depth is told from that of its surroundings. These values are this package's own.

    Attributes:
        nearest, farthest: in metres; what is outside counts as not measured.
        least_valid: so large a share of the box's pixels must be measured.
        least_share: the target is the nearest surface that has at least this share of the measured box, pixels near
            the middle counting more.
        thickness: how far a surface reaches from its middle, as a share of its depth.
    """

    nearest: Positive = 0.1
    farthest: Positive = 50.0
    least_valid: Share = 0.05
    least_share: Annotated[float, Gt(0), Le(1)] = 0.25
    thickness: Annotated[float, Gt(0), Lt(1)] = 0.06

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class TargetDepth:
    """How far away a target is along the camera's axis.

    Attributes:
        value: in metres.
        deviation: standard deviation in metres of the pixels that it was told from.
        share: of the box's measured pixels that lie on the target, 0..1, weighted as above.
    """

    value: float
    deviation: float
    share: float


def target_depth(depth: DepthImage, box: Box, settings: DepthSettings = DepthSettings()) -> TargetDepth:
    """The depth of the nearest surface that fills enough of a box.

    A target stands before its background, so that of the surfaces in its box the nearest is the target's, unless it is
    so small that it only reaches into the box. Depths are counted by their logarithm, because their noise and a
    target's thickness matter in relation to the distance.

    Args:
        depth: (H, W), uint16 in millimetres or float32 in metres; 0 and what is not finite was not measured.
        box: of the target, in pixels of the depth image.
        settings: limits and shares.

    Raises:
        NoDepth: if the box is outside the image, too little in it was measured, or no surface stands out.
    """
    values, weights = _inside(depth, box)
    with np.errstate(invalid="ignore"):
        valid = (values >= settings.nearest) & (values <= settings.farthest)
    count = int(valid.sum())
    if count < max(1, settings.least_valid * values.size):
        raise NoDepth(
            f"only {count} of {values.size} depth pixels in the box are measured between {settings.nearest:g} m and "
            f"{settings.farthest:g} m"
        )
    logs, weights = np.log(values[valid]), weights[valid]
    middle = _nearest_surface(logs, weights, settings)
    away = np.abs(logs - middle)
    # The middle is that of bins, and of few pixels none may be as near to it as the surface is thick.
    near = away <= max(settings.thickness, float(away.min()))
    value = _weighted_median(logs[near], weights[near])
    spread = _weighted_median(np.abs(logs[near] - value), weights[near])
    distance = math.exp(value)
    # The median of the absolute deviations of normal noise is 0.6745 of its standard deviation.
    return TargetDepth(distance, distance * max(spread / 0.6745, 1e-3), float(weights[near].sum() / weights.sum()))


def _inside(depth: DepthImage, box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depths in metres inside a box, thinned out where there are many, and how much each counts."""
    height, width = depth.shape
    left, right = max(0, math.floor(box.x)), min(width, math.ceil(box.right))
    top, bottom = max(0, math.floor(box.y)), min(height, math.ceil(box.bottom))
    if right <= left or bottom <= top:
        raise NoDepth(f"the box lies outside the {width}x{height} depth image")
    step = max(1, math.ceil(math.sqrt((right - left) * (bottom - top) / _MOST_PIXELS)))
    values = depth[top:bottom:step, left:right:step]
    metres = values.astype(np.float32) * np.float32(0.001 if depth.dtype == np.uint16 else 1.0)
    # A Gaussian whose standard deviation is a quarter of the box: its corners belong to the target least often.
    x = (np.arange(left, right, step) + 0.5 - box.centre[0]) / (box.width / 4)
    y = (np.arange(top, bottom, step) + 0.5 - box.centre[1]) / (box.height / 4)
    weights = np.exp(-0.5 * y * y)[:, None] * np.exp(-0.5 * x * x)[None]
    return metres.ravel(), weights.astype(np.float32).ravel()


def _nearest_surface(logs: NDArray[np.float32], weights: NDArray[np.float32], settings: DepthSettings) -> float:
    """The middle, as a logarithm of metres, of the nearest surface with its share of the weight."""
    start = float(logs.min()) - settings.thickness
    bins = ((logs - start) / _BIN).astype(np.intp)
    reach = max(1, round(settings.thickness / _BIN))
    counts = np.bincount(bins, weights, minlength=int(bins.max()) + reach + 1)
    total = np.concatenate(([0.0], np.cumsum(counts)))
    places = np.arange(len(counts))
    mass = total[np.minimum(places + reach + 1, len(counts))] - total[np.maximum(places - reach, 0)]
    enough = np.flatnonzero(mass >= settings.least_share * total[-1])
    if not len(enough):
        raise NoDepth(
            f"no surface fills {settings.least_share:.0%} of the box; the nearest could be anything's, and the target "
            "may be too thin or too noisy to be told from its surroundings"
        )
    first = int(enough[0])
    # From where the surface begins to count, on to where most of it is within reach.
    within = mass[first : first + 2 * reach + 1]
    best = np.flatnonzero(within >= within.max() * (1 - 1e-9))
    return start + (first + float(best.mean()) + 0.5) * _BIN


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
