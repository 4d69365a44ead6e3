"""Starts where nobody gives any: regions that move otherwise than the camera, and hold together over several frames.

Dense optical flow (DIS: Kroeger et al., ECCV 2016) less the camera's own motion, an affine map fitted to it by RANSAC.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.labelling.footage import Footage
from siam_tracker_core.labelling.starts import Start

SIDE = 320  # pixels of the longer side at which flow is computed
STEPS = 5  # flows in a row that a region must be seen in
STRIDES = (2, 5)  # frames from one image of a flow to the next: for fast and for slow targets
LEAST_MOTION = 0.8  # pixels a flow at that size, beyond the camera's
LEAST_SIDE, LEAST_SHARE, LARGEST_SHARE = 8, 0.0015, 0.3  # pixels at that size; shares of the image
HELD = 0.4  # IoU of a region with where the one before should have gone

Flow = NDArray[np.float32]


@dataclass(frozen=True)
class _Region:
    """A region that moves as one: its box (x, y, width, height), mean flow (2,), and speed beyond the camera's."""

    box: NDArray[np.float64]
    flow: NDArray[np.float64]
    speed: float


def moving_regions(footage: Footage, every: int) -> list[Start]:
    """Starts at the regions that hold together, in the middle of each look.

    Args:
        footage: the video.
        every: frames from one look to the next.
    """
    starts = []
    for stride in STRIDES:
        for first in range(0, max(len(footage) - STEPS * stride, 0), every):
            starts += _look(footage, first, stride)
    return starts


def _look(footage: Footage, first: int, stride: int) -> list[Start]:
    images = [_small(footage.image(first + stride * step)) for step in range(STEPS + 1)]
    seen = [_regions(*pair) for pair in itertools.pairwise(images)]
    middle = STEPS // 2
    height, width = footage.image(first).shape[:2]
    scale = max(height, width) / SIDE if max(height, width) > SIDE else 1.0
    starts = []
    for chain in (chain for region in seen[0] if (chain := _chain(region, seen))):
        overlaps = [_overlap(*pair) for pair in itertools.pairwise(chain)]
        score = float(np.mean(overlaps)) * min(1.0, chain[middle].speed / (2 * LEAST_MOTION))
        sides = np.median([region.box[2:] for region in chain], axis=0)
        centre = chain[middle].box[:2] + chain[middle].box[2:] / 2
        box = Box.from_centre(*(centre * scale), *(sides * scale))
        starts.append(Start(first + stride * middle, box, round(score, 3), "motion"))
    return starts


def _chain(region: _Region, seen: list[list[_Region]]) -> list[_Region]:
    """The region in each flow, or nothing where it is not in all of them."""
    chain = [region]
    for regions in seen[1:]:
        best = max(regions, key=lambda other: _overlap(chain[-1], other), default=None)
        if best is None or _overlap(chain[-1], best) < HELD:
            return []
        chain.append(best)
    return chain


def _overlap(before: _Region, after: _Region) -> float:
    """IoU of a region with where its flow takes the one before."""
    moved = before.box + np.array([*before.flow, 0.0, 0.0])
    return float(iou(moved, after.box))


def _regions(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> list[_Region]:
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(before, after, None)  # type: ignore[call-overload]
    beyond = np.linalg.norm(flow - _camera(flow), axis=2)
    moving = (beyond > max(LEAST_MOTION, 3 * float(np.median(beyond)))).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    moving = cv2.morphologyEx(cv2.morphologyEx(moving, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    count, labels, table, _ = cv2.connectedComponentsWithStats(moving)
    least, largest = (share * moving.size for share in (LEAST_SHARE, LARGEST_SHARE))
    regions = []
    for number in range(1, count):
        x, y, width, height, area = table[number].tolist()
        at_edge = x == 0 or y == 0 or x + width == moving.shape[1] or y + height == moving.shape[0]  # flow fails there
        if at_edge or min(width, height) < LEAST_SIDE or not least <= area <= largest or area < 0.3 * width * height:
            continue
        inside = labels == number
        regions.append(
            _Region(
                np.array([x, y, width, height], dtype=np.float64),
                flow[inside].mean(axis=0).astype(np.float64),
                float(beyond[inside].mean()),
            )
        )
    return regions


def _camera(flow: Flow) -> Flow:
    """The camera's own flow (H, W, 2): the affine map that most of the image follows."""
    height, width = flow.shape[:2]
    across, down = np.meshgrid(np.arange(0, width, 8), np.arange(0, height, 8))
    points = np.stack([across, down], axis=-1).reshape(-1, 2).astype(np.float32)
    moved = points + flow[down, across].reshape(-1, 2)
    cv2.setRNGSeed(0)  # RANSAC draws from OpenCV's generator; one video gives the same starts each time
    matrix, _ = cv2.estimateAffine2D(points, moved, method=cv2.RANSAC, ransacReprojThreshold=1.0)
    if matrix is None:
        return np.broadcast_to(np.median(flow, axis=(0, 1)), flow.shape).astype(np.float32)
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    return (grid @ matrix[:, :2].T + matrix[:, 2] - grid).astype(np.float32)


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    scale = SIDE / max(grey.shape)
    return grey if scale >= 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
