"""A few frames of a sequence with the truth and the tracks drawn in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets import read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.report import palette
from siam_tracker_core.evaluation.results import SequenceResult

SHOT_WIDTH = 480
JPEG_QUALITY = 82
TRUTH_COLOUR = "#ffffff"

# A box (4,), x, y, width, height, or a polygon (corners, 2), in pixels; None or NaN where there is none.
Region = NDArray[np.float64]


@dataclass(frozen=True)
class Shot:
    """One frame of a strip.

    Attributes:
        frame: its number, from 1.
        jpeg: the drawn picture, encoded.
        overlaps: each tracker's IoU in this frame; NaN where there is none to tell.
    """

    frame: int
    jpeg: bytes
    overlaps: dict[str, float]


@dataclass(frozen=True)
class Track:
    """What a strip shows of one tracker.

    Attributes:
        regions: a region for each frame of the sequence.
        overlaps: float64, the IoU in each frame; NaN where there is none to tell.
        colour: the tracker's place in the palette.
    """

    regions: Sequence[Region | None]
    overlaps: NDArray[np.float64]
    colour: int


def film_strip(results: Mapping[str, SequenceResult], colours: Mapping[str, int], count: int = 8) -> list[Shot]:
    """Draw evenly spread frames of one sequence, and the one in which the first-named tracker loses the target.

    Args:
        results: each tracker's result on the same sequence.
        colours: each tracker's place in the palette.
        count: how many frames at most.

    Returns:
        As ``draw_strip``; none where the result names no image files.
    """
    first = next(iter(results.values()))
    if first.frames is None:
        return []
    tracks = {
        name: Track(list(result.predicted), otb.overlaps(result), colours[name]) for name, result in results.items()
    }
    return draw_strip(first.frames, chosen_frames(first, count), list(first.truth), tracks)


def draw_strip(
    frames: Sequence[Path], chosen: Iterable[int], truth: Sequence[Region | None], tracks: Mapping[str, Track]
) -> list[Shot]:
    """Draw some frames of a sequence: the truth in white, each track in its tracker's colour, the first on top.

    Args:
        frames: the image files of the sequence.
        chosen: indices of those to draw.
        truth: a region for each frame.
        tracks: by tracker.

    Returns:
        The shots in order, without those whose image cannot be read.
    """
    shots = []
    for index in chosen:
        regions = [(track.regions[index], palette.film_colour(track.colour)) for track in tracks.values()]
        regions.append((truth[index], TRUTH_COLOUR))
        try:
            picture = _draw_shot(frames[index], reversed(regions))
        except DatasetError:
            continue  # pictures that were moved away since the run cost their shot, not the report
        shots.append(Shot(index + 1, picture, {name: float(track.overlaps[index]) for name, track in tracks.items()}))
    return shots


def chosen_frames(result: SequenceResult, count: int) -> list[int]:
    """Indices of at most ``count`` frames, evenly from first to last; the one nearest to the first loss moves there."""
    return spread_frames(len(result), np.flatnonzero(otb.lost_frames(result)), count)


def spread_frames(frames: int, losses: NDArray[np.intp], count: int) -> list[int]:
    """Indices of at most ``count`` of the frames, evenly spread; one moves to the first of the losses."""
    chosen = np.unique(np.linspace(0, frames - 1, count).round().astype(int))
    if losses.size and losses[0] not in chosen and len(chosen) > 2:
        inner = chosen[1:-1]
        inner[np.abs(inner - losses[0]).argmin()] = losses[0]
    return sorted({int(index) for index in chosen})


def _draw_shot(path: Path, regions: Iterable[tuple[Region | None, str]]) -> bytes:
    """One frame as JPEG, ``SHOT_WIDTH`` pixels wide, with regions in their colours."""
    image = read_image(path)
    scale = SHOT_WIDTH / image.shape[1]
    size = (SHOT_WIDTH, max(round(image.shape[0] * scale), 1))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for region, colour in regions:
        if region is not None and np.isfinite(region).all():
            _draw_region(picture, region * scale, colour)
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return encoded.tobytes()


def _draw_region(picture: NDArray[np.uint8], region: Region, colour: str) -> None:
    """An outline with a dark seam, so that it stands out from any background; a small box keeps off its target."""
    if region.ndim == 1:
        margin = 0 if max(region[2:]) >= 40 else 2
        (left, top), (right, bottom) = region[:2] - margin, region[:2] + region[2:] + margin
        region = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    corners = np.clip(region, -1e4, 1e4).round().astype(np.int32)
    cv2.polylines(picture, [corners], True, (20, 20, 20), 4, cv2.LINE_AA)
    cv2.polylines(picture, [corners], True, palette.bgr(colour), 2, cv2.LINE_AA)
