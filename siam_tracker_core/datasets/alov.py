"""Reader for ALOV300++: 314 videos of 14 kinds of difficulty, with every fifth frame annotated.

Smeulders et al., "Visual Tracking: An Experimental Survey" (PAMI 2014). The folder holds
``imagedata++/01-Light/01-Light_video00001/00000001.jpg ...`` and
``alov300++_rectangleAnnotation_full/01-Light/01-Light_video00001.ann`` with lines ``frame x1 y1 x2 y2 x3 y3 x4 y4``:
the frame's number and the four corners of a rectangle that need not be upright, all counted from 1 (davheld/GOTURN
src/loader/loader_alov.cpp). The polygon is kept; the box is the upright one around it, from corner to corner
(taotaoorange/SINT adds a pixel to width and height).

What happens to the frames between is chosen by the split:

- ``annotated``: only every fifth frame is taken, so neighbours are always five frames apart and the rate is a fifth of
  the video's. Where one of them is not annotated, the target counts as absent. The few annotations off this grid, such
  as that of a video's last frame, are left out.
- ``interpolated``: all frames from the first annotated one to the last; corners between two annotations that are one
  step apart are interpolated linearly. Across longer gaps the target counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.exclusions import allowed_sequences
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally, read_text
from siam_tracker_core.geometry import within_reach

IMAGES = "imagedata++"
ANNOTATIONS = "alov300++_rectangleAnnotation_full"
SPLITS = ("annotated", "interpolated")
RATE = 30.0


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The videos, one after the other; malformed ones and those that OTB or VOT hold are left out (see ``exclusions``).

    Args:
        root: the folder that holds ``imagedata++`` and ``alov300++_rectangleAnnotation_full``.
        split: ``annotated`` or ``interpolated``, see above.
        skipped: takes what was left out.

    Raises:
        DatasetError: if there is no annotation at all, or for an unknown split.
    """
    if split not in SPLITS:
        raise DatasetError(f"ALOV has no split {split!r}; it has {' and '.join(SPLITS)}")
    paths = {path.stem: path for path in naturally((root / ANNOTATIONS).glob("*/*.ann"))}
    if not paths:
        raise DatasetError(
            f"{root / ANNOTATIONS} holds no annotation; expected 01-Light/01-Light_video00001.ann and so on"
        )

    def read(name: str) -> list[Sequence]:
        folder = root / IMAGES / paths[name].parent.name / name
        numbers, corners = read_annotations(paths[name])
        if split == "interpolated":
            return [_sequence(folder, *interpolate(numbers, corners), RATE)]
        grid, found, off_grid = on_grid(numbers, corners)
        for number in off_grid:
            skipped.add("annotation between the regular ones", f"{name}, frame {number}")
        return [_sequence(folder, grid, found, RATE / usual_step(numbers))]

    yield from allowed_sequences("alov", paths, read, skipped)


def read_annotations(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read an ``.ann`` file.

    Returns:
        int64 (n,): the frames' numbers, rising, from 1; and float64 (n, 4, 2): the corners ``x, y`` in zero-based
        pixels.

    Raises:
        DatasetError: if the file holds no line, a line is not nine numbers, or a frame comes twice.
    """
    rows = []
    for count, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(value) for value in line.split()]
        except ValueError:
            row = []
        if len(row) != 9 or not within_reach(row) or row[0] < 1 or row[0] != int(row[0]):
            raise DatasetError(f"{path}, line {count}: {line.strip()!r} is not a frame's number and four corners x y")
        rows.append(row)
    if not rows:
        raise DatasetError(f"{path} is empty; expected lines of a frame's number and four corners x y")
    table = np.array(sorted(rows))
    numbers = table[:, 0].astype(np.int64)
    twice = numbers[1:][np.diff(numbers) == 0]
    if len(twice):
        raise DatasetError(f"{path} annotates frame {twice[0]} twice")
    return numbers, table[:, 1:].reshape(-1, 4, 2) - 1.0


def usual_step(numbers: NDArray[np.int64]) -> int:
    """The most frequent distance between neighbours of rising ``numbers``; 1 if there is but one."""
    return 1 if len(numbers) < 2 else int(np.bincount(np.diff(numbers)).argmax())


def on_grid(
    numbers: NDArray[np.int64], corners: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Put annotations on the regular grid of frames to which most of them belong.

    Returns:
        int64 (m,): the grid's frames, ``usual_step`` apart; float64 (m, 4, 2): their corners, NaN where there is no
        annotation; int64: the annotated frames that are off the grid.
    """
    step = usual_step(numbers)
    on = numbers % step == np.bincount(numbers % step).argmax()
    kept = numbers[on]
    grid = np.arange(kept[0], kept[-1] + 1, step)
    found = np.full((len(grid), 4, 2), np.nan)
    found[(kept - kept[0]) // step] = corners[on]
    return grid, found, numbers[~on]


def interpolate(
    numbers: NDArray[np.int64], corners: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Fill the frames between annotations that are at most ``usual_step`` apart.

    Returns:
        int64 (m,): all frames from the first annotated one to the last; float64 (m, 4, 2): their corners, NaN inside
        longer gaps.
    """
    frames = np.arange(numbers[0], numbers[-1] + 1)
    filled = np.stack([np.interp(frames, numbers, column) for column in corners.reshape(-1, 8).T], axis=1)
    after = np.searchsorted(numbers, frames)
    gap = numbers[after] - numbers[np.maximum(after - 1, 0)]
    filled[(gap > usual_step(numbers)) & (numbers[after] != frames)] = np.nan
    return frames, filled.reshape(-1, 4, 2)


def _sequence(folder: Path, numbers: NDArray[np.int64], corners: NDArray[np.float64], rate: float) -> Sequence:
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = [f"{number:08d}.jpg" for number in numbers]
    gaps = [name for name in names if name not in there]
    if gaps:
        raise DatasetError(f"{folder}: {len(gaps)} of the {len(names)} images are missing, first {gaps[0]}")
    low, high = corners.min(axis=1), corners.max(axis=1)
    boxes = np.hstack([low, high - low])
    boxes[(boxes[:, 2:] <= 0).any(axis=1)] = np.nan
    absent = np.isnan(boxes).any(axis=1)
    polygons = tuple(None if gone else polygon for gone, polygon in zip(absent, corners, strict=True))
    return Sequence(folder.name, tuple(folder / name for name in names), boxes, rate, polygons=polygons)
