"""A few frames of a sequence with the truth and the tracks drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets import read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation import otb, palette
from siam_tracker_core.evaluation.results import SequenceResult

SHOT_WIDTH = 480
JPEG_QUALITY = 82
TRUTH_COLOUR = "#ffffff"


@dataclass(frozen=True)
class Shot:
    """One frame of a strip.

    Attributes:
        frame: its number, from 1.
        jpeg: the drawn picture, encoded.
        overlaps: each tracker's IoU in this frame; NaN where the target is absent.
    """

    frame: int
    jpeg: bytes
    overlaps: dict[str, float]


def film_strip(results: Mapping[str, SequenceResult], colours: Mapping[str, int], count: int = 8) -> list[Shot]:
    """Draw evenly spread frames of one sequence, and the one in which the first-named tracker loses the target.

    The truth is a white box, each track a box in its tracker's colour.

    Args:
        results: each tracker's result on the same sequence.
        colours: each tracker's place in the palette.
        count: how many frames at most.

    Returns:
        The shots in order; none where the result names no image files, and without those that cannot be read.
    """
    first = next(iter(results.values()))
    if first.frames is None:
        return []
    overlaps = {name: otb.overlaps(result) for name, result in results.items()}
    shots = []
    for index in chosen_frames(first, count):
        try:
            picture = draw_shot(first.frames[index], index, results, colours)
        except DatasetError:
            continue  # pictures that were moved away since the run cost their shot, not the report
        shots.append(Shot(index + 1, picture, {name: float(values[index]) for name, values in overlaps.items()}))
    return shots


def chosen_frames(result: SequenceResult, count: int) -> list[int]:
    """Indices of at most ``count`` frames, evenly from first to last; the one nearest to the first loss moves there."""
    chosen = np.unique(np.linspace(0, len(result) - 1, count).round().astype(int))
    lost = np.flatnonzero(otb.lost_frames(result))
    if lost.size and lost[0] not in chosen and len(chosen) > 2:
        inner = chosen[1:-1]
        inner[np.abs(inner - lost[0]).argmin()] = lost[0]
    return sorted({int(index) for index in chosen})


def draw_shot(path: Path, index: int, results: Mapping[str, SequenceResult], colours: Mapping[str, int]) -> bytes:
    """One frame as JPEG, ``SHOT_WIDTH`` pixels wide, with the truth and all tracks.

    Raises:
        DatasetError: if the image cannot be read.
    """
    image = read_image(path)
    scale = SHOT_WIDTH / image.shape[1]
    size = (SHOT_WIDTH, max(round(image.shape[0] * scale), 1))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    first = next(iter(results.values()))
    _draw_box(picture, first.truth[index] * scale, TRUTH_COLOUR)
    for name, result in reversed(list(results.items())):
        _draw_box(picture, result.predicted[index] * scale, palette.film_colour(colours[name]))
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return encoded.tobytes()


def _draw_box(picture: NDArray[np.uint8], box: NDArray[np.float64], colour: str) -> None:
    """A rectangle with a dark seam, so that it stands out from any background; set off from a small target."""
    if not np.isfinite(box).all():
        return
    corners = np.clip(np.array([box[:2], box[:2] + box[2:]]), -1e4, 1e4).round().astype(int)
    low, high = (tuple(int(value) for value in corner) for corner in corners)
    margin = 0 if max(box[2:]) >= 40 else 2
    low, high = (low[0] - margin, low[1] - margin), (high[0] + margin, high[1] + margin)
    cv2.rectangle(picture, low, high, (20, 20, 20), 4, cv2.LINE_AA)
    cv2.rectangle(picture, low, high, palette.bgr(colour), 2, cv2.LINE_AA)
