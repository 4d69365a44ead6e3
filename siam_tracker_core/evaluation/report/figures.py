"""The report's figures: each plot as SVG, with the values that it shows as CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.attributes import AttributeScores
from siam_tracker_core.evaluation.report import plot_style, plots
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.summary import Results, latencies, summarise
from siam_tracker_core.files import whole_file, write_text

Summaries = Mapping[str, Mapping[str, Any]]
Colours = Mapping[str, int]


@dataclass(frozen=True)
class Table:
    """Values with a name for each column.

    Attributes:
        header: the columns' names.
        rows: as many values each; None or NaN where there is none.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @classmethod
    def of_columns(cls, columns: Mapping[str, Iterable[Any]]) -> Table:
        """A table of columns of one length."""
        return cls(list(columns), list(zip(*columns.values(), strict=True)))

    def write(self, folder: Path, name: str) -> None:
        """Write ``NAME.csv``, and ``NAME.json`` with an object a row."""
        self.write_csv(folder / f"{name}.csv")
        records = [dict(zip(self.header, map(_plain, row), strict=True)) for row in self.rows]
        write_text(folder / f"{name}.json", json.dumps(records, indent=1) + "\n")

    def write_csv(self, path: Path) -> None:
        """Write one file; what is None or not finite is empty."""
        with whole_file(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.header)
            writer.writerows([_plain(value) for value in row] for row in self.rows)


@dataclass(frozen=True)
class PlotFigure:
    """A plot and what it shows.

    Attributes:
        svg: the plot, as it stands alone.
        table: its values.
    """

    svg: str
    table: Table

    def write(self, folder: Path, name: str) -> None:
        """Write ``NAME.svg``, ``NAME.csv`` and ``NAME.json``."""
        write_text(folder / f"{name}.svg", self.svg)
        self.table.write(folder, name)


def accuracy_figures(results: Results, colours: Colours) -> dict[str, PlotFigure]:
    """Success, precision and one against the other; the precision legend is ranked by its own score."""
    curves = {name: otb.score(of_tracker) for name, of_tracker in results.items()}
    by_precision = dict(sorted(curves.items(), key=lambda item: -item[1].precision_20))
    success = {name: scores.success for name, scores in curves.items()}
    precision = {name: scores.precision for name, scores in curves.items()}
    figures = {
        "success": PlotFigure(
            plots.success_plot(curves, colours), Table.of_columns({"threshold": otb.SUCCESS_THRESHOLDS, **success})
        ),
        "precision": PlotFigure(
            plots.precision_plot(by_precision, colours),
            Table.of_columns({"threshold": otb.PRECISION_THRESHOLDS, **precision}),
        ),
    }
    if (svg := plots.ranking_plot(curves, colours)) is not None:
        rows = [[name, scores.precision_20, scores.success_auc] for name, scores in curves.items()]
        figures["ranking"] = PlotFigure(svg, Table(["tracker", "precision_20", "success_auc"], rows))
    return figures


def speed_figures(results: Results, summaries: Summaries, colours: Colours) -> dict[str, PlotFigure]:
    """Times of updates as far as they were measured, and speed against accuracy where there is something to compare."""
    figures = {}
    if (svg := plots.latency_plot(results, colours)) is not None:
        times = {name: latencies(of_tracker) for name, of_tracker in results.items()}
        shares = np.arange(101)
        columns = {f"{name}_ms": np.percentile(values, shares) for name, values in times.items() if values.size}
        figures["latency"] = PlotFigure(svg, Table.of_columns({"percentile": shares, **columns}))
    if (svg := plots.speed_plot(summaries, colours)) is not None:
        rows = [[name, entry["fps"], entry["success_auc"]] for name, entry in summaries.items()]
        figures["speed"] = PlotFigure(svg, Table(["tracker", "fps", "success_auc"], rows))
    return figures


def attribute_figures(attributes: Sequence[AttributeScores], colours: Colours) -> dict[str, PlotFigure]:
    """All attributes in one plot, and the success plot of each; none where the data set has no attributes."""
    if not attributes:
        return {}
    rows = [
        [row.code, row.sequences, name, scores.success_auc, scores.precision_20]
        for row in attributes
        for name, scores in row.scores.items()
    ]
    header = ["attribute", "sequences", "tracker", "success_auc", "precision_20"]
    figures = {"attributes": PlotFigure(plots.attributes_plot(attributes, colours), Table(header, rows))}
    for row in attributes:
        curves = {name: scores.success for name, scores in row.scores.items()}
        figures[f"attribute-{plot_style.file_name(row.code)}"] = PlotFigure(
            plots.attribute_success_plot(row, colours),
            Table.of_columns({"threshold": otb.SUCCESS_THRESHOLDS, **curves}),
        )
    return figures


def overlap_figure(of_sequence: Mapping[str, SequenceResult], colours: Colours, wide: bool) -> PlotFigure:
    """IoU over time on one sequence, by tracker; see ``plots.overlap_plot``."""
    return PlotFigure(plots.overlap_plot(of_sequence, colours, wide), overlap_table(of_sequence))


def overlap_table(of_sequence: Mapping[str, SequenceResult]) -> Table:
    """IoU of each frame of one sequence, a column for each tracker."""
    frames = np.arange(1, len(next(iter(of_sequence.values()))) + 1)
    return Table.of_columns({"frame": frames} | {name: otb.overlaps(result) for name, result in of_sequence.items()})


def summary_table(summaries: Summaries) -> Table:
    """``summary.json`` as a table, a line for each tracker."""
    rows = [{"tracker": name, **_flat(figures)} for name, figures in summaries.items()]
    header = list(dict.fromkeys(key for row in rows for key in row))
    return Table(header, [[row.get(key) for key in header] for row in rows])


def _flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures without further figures in them: ``latency_ms: {p50: 3}`` is ``p50_ms: 3``, other names are joined."""
    flat: dict[str, Any] = {}
    for key, value in figures.items():
        if key == "latency_ms":
            flat |= {f"{share}_ms": of_share for share, of_share in value.items()}
        elif isinstance(value, Mapping):
            flat |= {f"{key}_{inner}": of_inner for inner, of_inner in value.items()}
        else:
            flat[key] = " ".join(value) if isinstance(value, list) else value
    return flat


def sequences_table(results: Results) -> Table:
    """One line for each tracker and sequence: the figures of ``summary.json`` for that pair."""
    header = ["tracker", "sequence", "success_auc", "precision_20", "fps", "frames", "frames_lost", "p50_ms", "p95_ms"]
    rows = []
    for name, of_tracker in results.items():
        for result in of_tracker:
            entry = summarise([result])
            latency = entry["latency_ms"]
            rows.append([name, result.name, *(entry[key] for key in header[2:7]), latency["p50"], latency["p95"]])
    return Table(header, rows)


def _plain(value: Any) -> Any:
    """A value as CSV and JSON can hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
