"""Where labelling starts: boxes in a file, as a detector or a person gives them."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box

NEEDED = ("frame", "x", "y", "width", "height")
NAMES = ("video", "clip")


@dataclass(frozen=True)
class Start:
    """A box from which a target is followed both ways.

    Attributes:
        frame: counted from 0.
        box: in zero-based pixels.
        score: of whoever proposes it; the best of a video is followed first.
        origin: who that is, for people.
    """

    frame: int
    box: Box
    score: float = 1.0
    origin: str = "given"


def read_starts(path: Path) -> dict[str, list[Start]]:
    """Start boxes by the name of their video, as the file has it.

    Args:
        path: a CSV file with the columns ``video`` (or ``clip``), ``frame`` (from 0), ``x``, ``y``, ``width`` and
            ``height`` in one-based pixels, as OTB's files have them; ``score`` if there is one; others are ignored.

    Raises:
        DatasetError: if the file is missing, a column is, or a line is no box.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            name = next((name for name in NAMES if name in columns), None)
            missing = [column for column in NEEDED if column not in columns]
            if name is None or missing:
                raise DatasetError(
                    f"{path} needs the columns video,{','.join(NEEDED)} in its first line; it has "
                    f"{','.join(columns) or 'none'}"
                )
            starts: dict[str, list[Start]] = defaultdict(list)
            for row in reader:
                starts[row[name] or ""].append(_start(row, f"{path}, line {reader.line_num}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise DatasetError(f"the file of start boxes {path} cannot be read: {reason}") from None
    return dict(starts)


def best_first(starts: list[Start]) -> list[Start]:
    """The starts in the order in which they are followed."""
    return sorted(starts, key=lambda start: (-start.score, start.frame))


def _start(row: Mapping[str, str | None], where: str) -> Start:
    try:
        numbers = [float(row[column] or "nan") for column in NEEDED]
        score = float(row.get("score") or 1.0)
    except ValueError:
        numbers, score = [math.nan], 1.0
    if not all(math.isfinite(number) for number in (*numbers, score)) or numbers[0] != int(numbers[0]):
        raise DatasetError(f"{where}: expected numbers for {', '.join(NEEDED)}, got {list(row.values())}")
    frame, x, y, width, height = numbers
    if frame < 0 or width <= 0 or height <= 0:
        raise DatasetError(f"{where}: the frame is below 0 or the box is empty: {list(row.values())}")
    return Start(int(frame), Box(x - 1, y - 1, width, height), score, str(row.get("origin") or "given"))
