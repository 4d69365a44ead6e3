"""Reader for folders in OTB's form: ``img/0001.jpg ...`` beside ``groundtruth_rect.txt``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally, read_text
from siam_tracker_core.geometry import within_reach

GROUND_TRUTH = "groundtruth_rect.txt"


def read_rectangles(path: Path) -> NDArray[np.float64]:
    """Read a file of one-based ``x, y, width, height`` lines, separated by commas, tabs or spaces.

    Returns:
        float64 (n, 4) in this package's zero-based convention; NaN rows where the file says ``nan`` or gives a box
        without extent (how several data sets mark an absent target).

    Raises:
        DatasetError: if the file is missing, or a line does not hold four numbers.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; expected one line x,y,width,height a frame")
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(value) for value in re.split(r"[,\s]+", line.strip(" ,\t"))]
        except ValueError:
            raise DatasetError(
                f"{path}, line {number}: {line.strip()!r} is not four numbers x,y,width,height"
            ) from None
        if len(row) != 4:
            raise DatasetError(f"{path}, line {number}: {len(row)} numbers, expected 4: x,y,width,height")
        if not within_reach([value for value in row if not math.isnan(value)]):
            raise DatasetError(
                f"{path}, line {number}: {line.strip()!r} lies in no image; expected pixels, or nan where the target "
                "is absent"
            )
        rows.append(row)
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    boxes[:, :2] -= 1.0
    absent = np.isnan(boxes).any(axis=1) | (boxes[:, 2:] <= 0).any(axis=1)
    boxes[absent] = np.nan
    return boxes


def read_sequence(folder: str | Path, rate: float = 30.0) -> Sequence:
    """Read one sequence folder.

    Raises:
        DatasetError: if images or ground truth are missing, or their counts differ.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected a sequence with img/ and {GROUND_TRUTH}")
    frames = list_images(folder / "img" if (folder / "img").is_dir() else folder)
    boxes = read_rectangles(folder / GROUND_TRUTH)
    if len(boxes) != len(frames):
        raise DatasetError(f"{folder}: {len(frames)} images but {len(boxes)} lines in {GROUND_TRUTH}; they must agree")
    return Sequence(folder.name, frames, boxes, rate)


def read_sequences(root: str | Path, skipped: Skipped | None = None) -> list[Sequence]:
    """Read every sequence folder directly under ``root``, in the natural order of their names.

    Args:
        root: the folder.
        skipped: takes malformed sequences, which are left out then; without it the first one is an error.

    Raises:
        DatasetError: if ``root`` is no folder or holds no sequence, or a sequence is malformed.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected sequence folders with img/ and {GROUND_TRUTH}")
    if skipped is not None:
        return list(iterate(root, "", skipped))
    return [read_sequence(folder) for folder in _sequence_folders(root)]


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """Every sequence folder directly under ``root``, one after the other; malformed ones are left out.

    Raises:
        DatasetError: if there is no sequence folder at all.
    """
    for folder in _sequence_folders(root):
        try:
            yield read_sequence(folder)
        except DatasetError as error:
            skipped.add("malformed sequence", f"{folder.name}: {error}")


def _sequence_folders(root: Path) -> list[Path]:
    folders = naturally(path for path in root.iterdir() if (path / GROUND_TRUTH).is_file())
    if not folders:
        raise DatasetError(f"{root} holds no sequence: no folder in it has a {GROUND_TRUTH}")
    return folders
