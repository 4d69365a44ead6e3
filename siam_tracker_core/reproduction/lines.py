"""A figure with lines as its paper draws it: our trackers' figures over what the paper varies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from siam_tracker_core.evaluation.report import palette, plot_style
from siam_tracker_core.evaluation.report.figures import PlotFigure, Table
from siam_tracker_core.reproduction.experiments import Experiment, Line, LinePlot

_MARKS = {"circle": "o", "cross": "x"}


@dataclass(frozen=True)
class Point:
    """One point of a line.

    Attributes:
        x: where it lies.
        tracker: of trackers.yaml.
        ours: its figure; None where it has not run.
        paper: the paper's; None where the text has none.
    """

    x: float
    tracker: str
    ours: float | None
    paper: float | None


def line_figure(
    experiment: Experiment, ours: Callable[[str, str, str], float | None], in_words: Callable[[str], str]
) -> PlotFigure | None:
    """The figure's lines; None where the paper draws none, or nothing of ours has run.

    Args:
        experiment: the declaration.
        ours: the figure of a tracker on an evaluation in a metric, None where there is none.
        in_words: a metric for people.
    """
    plot = experiment.plot
    if plot is None:
        return None
    lines = [(line, _points(line, plot.metric, experiment, ours)) for line in plot.lines]
    if all(point.ours is None for _, points in lines for point in points):
        return None
    rows = [[line.name, point.x, point.tracker, point.paper, point.ours] for line, points in lines for point in points]
    return PlotFigure(
        _draw(plot, lines, in_words(plot.metric)), Table(["line", plot.x, "tracker", "paper", "ours"], rows)
    )


def _points(
    line: Line, metric: str, experiment: Experiment, ours: Callable[[str, str, str], float | None]
) -> list[Point]:
    told = {
        row.ours: row.values.get(metric)
        for row in experiment.published
        if row.ours and row.evaluation == line.evaluation
    }
    return [
        Point(x, tracker, ours(line.evaluation, tracker, metric), told.get(tracker)) for tracker, x in line.at.items()
    ]


def _draw(plot: LinePlot, lines: Sequence[tuple[Line, Sequence[Point]]], y: str) -> str:
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(6.2, 4.0 + 0.2 * len(lines)), layout="constrained")
        axes = figure.subplots()
        for place, (line, points) in enumerate(lines):
            colour = palette.series_colour(place)
            values = [np.nan if point.ours is None else point.ours for point in points]
            style = ("--" if line.dashed else "-") + _MARKS[line.mark]
            axes.plot([point.x for point in points], values, style, color=colour, label=line.name)
            told = [(point.x, point.paper) for point in points if point.paper is not None]
            if told:
                label = f"{line.name}, the paper's"
                axes.plot(*zip(*told, strict=True), "D", color=colour, fillstyle="none", markersize=8, label=label)
        axes.xaxis.set_major_locator(FixedLocator(sorted({point.x for _, points in lines for point in points})))
        axes.set(xlabel=plot.x, ylabel=y)
        axes.margins(y=0.15)
        plot_style.legend_below(figure, 2)
        return plot_style.svg(figure, "lines")
