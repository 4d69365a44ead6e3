"""Plots of our figures beside the paper's: a row a tracker, a mark for each of the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from siam_tracker_core.evaluation.report import palette, plot_style
from siam_tracker_core.evaluation.report.figures import PlotFigure, Table


@dataclass(frozen=True)
class Row:
    """One figure of the paper and ours.

    Attributes:
        name: as the paper has it.
        on: the evaluation.
        metric: in words.
        paper: the paper's figure.
        ours: ours; None where there is none.
    """

    name: str
    on: str
    metric: str
    paper: float
    ours: float | None

    @property
    def difference(self) -> float | None:
        """Ours without the paper's."""
        return None if self.ours is None else self.ours - self.paper


def comparison_figures(rows: Sequence[Row]) -> dict[str, PlotFigure]:
    """A plot for each metric on each evaluation of which ours has any figure, in the paper's order."""
    figures = {}
    for on, metric in dict.fromkeys((row.on, row.metric) for row in rows if row.ours is not None):
        some = [row for row in rows if (row.on, row.metric) == (on, metric)]
        name = f"compared-{plot_style.file_name(f'{on}-{metric}')}"
        table = Table(["name", "paper", "ours"], [[row.name, row.paper, row.ours] for row in some])
        figures[name] = PlotFigure(_plot(some, f"{metric} on {on}" if on else metric, name), table)
    return figures


def _plot(rows: Sequence[Row], title: str, name: str) -> str:
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(6.6, 1.3 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = -np.arange(len(rows))
        ours = [np.nan if row.ours is None else row.ours for row in rows]
        axes.plot([row.paper for row in rows], places, "D", color=palette.MUTED, fillstyle="none", label="the paper's")
        axes.plot(ours, places, "o", color=palette.series_colour(0), label="ours")
        axes.set_yticks(places, [row.name for row in rows])
        axes.set(ylim=(0.6 - len(rows), 0.6), xlabel=title)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        plot_style.legend_below(figure, 2)
        return plot_style.svg(figure, name)
