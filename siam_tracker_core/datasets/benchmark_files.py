"""What the readers of benchmarks share: published tables, files of labels, and the complaint about missing parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import read_text


@cache
def read_table(name: str) -> dict[str, Any]:
    """A benchmark's published table, e.g. of names and attributes; it is shipped as ``NAME.yaml`` beside this file.

    The answer is kept and shared: do not change it.
    """
    table: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"))
    return table


def words(entry: str | None) -> frozenset[str]:
    """The words of a table's entry, of which there may be none."""
    return frozenset((entry or "").split())


def read_labels(path: Path, count: int, greatest: int = 1) -> NDArray[np.int64]:
    """Read a file of whole numbers, one a line or all in one line with commas between.

    Args:
        path: the file.
        count: how many there must be.
        greatest: each is 0 up to and with this.

    Returns:
        int64 (count,).

    Raises:
        DatasetError: if the file is missing or holds anything else.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; expected {count} labels in 0..{greatest}")
    parts = re.split(r"[,\s]+", read_text(path).strip(" ,\t\r\n"))
    try:
        values = np.array([int(part) for part in parts if part], dtype=np.int64)
    except ValueError:
        wrong = next(part for part in parts if not re.fullmatch(r"[+-]?\d+", part))
        raise DatasetError(f"{path}: {wrong!r} is not a label in 0..{greatest}") from None
    if len(values) != count:
        raise DatasetError(f"{path} holds {len(values)} labels; expected {count}")
    if len(values) and not 0 <= values.min() <= values.max() <= greatest:
        raise DatasetError(f"{path} holds labels from {values.min()} to {values.max()}; expected 0..{greatest}")
    return values


def missing_parts(benchmark: str, root: Path, total: int, missing: Iterable[str]) -> DatasetError:
    """The one error about all that a benchmark's folder lacks.

    Args:
        benchmark: its name.
        root: where it was looked for.
        total: how many sequences it has.
        missing: each sequence that is not there, with the place below ``root`` where it was looked for.
    """
    names = list(missing)
    verb = "is" if len(names) == 1 else "are"
    return DatasetError(
        f"{root}: {len(names)} of the {total} sequences of {benchmark} {verb} missing: {', '.join(names)}"
    )


def with_extent(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the boxes (n, 4) are there and not empty: bool (n,)."""
    return np.asarray((boxes[:, 2:] > 0).all(axis=1), dtype=np.bool_)


def missed_where_invalid(boxes: NDArray[np.float64], absent: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Let frames count as missed whose target is there but whose box has no extent.

    OTB and LaSOT have a few such frames (``0,0,0,0``), and the published evaluations count them as frames that no
    tracker can hit. The frames' boxes become empty ones at the origin, which nothing overlaps, instead of NaN, which
    would take the frame out of the count.

    Args:
        boxes: float64 (n, 4) with NaN rows where a box has no extent, as ``read_rectangles`` gives them.
        absent: bool (n,), the frames whose target is not there; by default none.

    Returns:
        float64 (n, 4): NaN exactly where the target is absent.
    """
    invalid = np.isnan(boxes).any(axis=1)
    gone = np.zeros(len(boxes), dtype=np.bool_) if absent is None else absent
    kept = np.where((invalid & ~gone)[:, None], 0.0, boxes)
    kept[gone] = np.nan
    return kept
