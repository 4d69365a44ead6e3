"""The log of a run as one table, and its curves as a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path

METRICS = "metrics.csv"
_ROWS = 20_000  # of the table; longer logs are thinned


def gather_log(run: Path, path: Path) -> None:
    """Write the logs of a run and of its resumptions (``log``, ``log_2``, ...) as one table.

    Raises:
        OSError: if it cannot be written.
    """
    folders = sorted(run.glob("log*"), key=lambda folder: int(folder.name.partition("_")[2] or 1))
    rows = [row for folder in folders if (folder / METRICS).is_file() for row in _rows(folder / METRICS)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    every = math.ceil(len(rows) / _ROWS) or 1
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows[::every])


def write_curves(log: Path, path: Path, title: str) -> None:
    """Draw each figure of a log against the steps.

    Args:
        log: as ``gather_log`` writes it.
        path: of the picture.
        title: above it.

    Raises:
        OSError: if it cannot be written.
    """
    from matplotlib.figure import Figure

    curves: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(log):
        for name, text in row.items():
            if text and name not in ("step", "epoch"):
                curves.setdefault(name, []).append((float(row.get("step") or 0), float(text)))
    columns = 3
    figure = Figure(figsize=(4 * columns, 2.6 * max(1, math.ceil(len(curves) / columns))), layout="constrained")
    figure.suptitle(title)
    for place, (name, points) in enumerate(sorted(curves.items()), start=1):
        axes = figure.add_subplot(math.ceil(len(curves) / columns), columns, place)
        axes.plot(*zip(*points, strict=True), linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=110)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
