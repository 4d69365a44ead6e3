"""The plots of VOT's experiments, each an SVG in text that stands alone or goes into the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from siam_tracker_core.evaluation.report import palette, plot_style
from siam_tracker_core.evaluation.vot.scores import VotScores

Scores = Mapping[str, VotScores]
Colours = Mapping[str, int]


def eao_curve_plot(scores: Scores, colours: Colours, name: str) -> str:
    """Expected average overlap by length of a sequence, the year's lengths shaded, the EAO in the legend."""
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.4, 4.2 + 0.2 * max(len(scores) - 4, 0)), layout="constrained")
        axes = figure.subplots()
        low, high = next(iter(scores.values())).interval
        axes.axvspan(low, high, color=palette.GRID, alpha=0.5, linewidth=0)
        longest = 2
        for label, one in scores.items():
            longest = max(longest, len(one.eao_curve) - 1)
            place = colours[label]
            axes.plot(
                np.arange(1, len(one.eao_curve)),
                one.eao_curve[1:],
                palette.series_dash(place),
                color=palette.series_colour(place),
                label=f"{label} [{'–' if np.isnan(one.eao) else f'{one.eao:.3f}'}]",
            )
        axes.set(xlim=(1, longest), ylim=(0, 1.02), xlabel="sequence length (frames)", ylabel="expected overlap")
        axes.set_title("Expected average overlap curve")
        plot_style.legend_below(figure, 2)
        return plot_style.svg(figure, name)


def eao_ranking_plot(scores: Scores, colours: Colours, name: str) -> str:
    """EAO by rank as VOT's reports draw it, the best at the right."""
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.4, 3.9), layout="constrained")
        axes = figure.subplots()
        ordered = sorted(scores.items(), key=lambda item: -np.nan_to_num(item[1].eao))
        for rank, (label, one) in enumerate(ordered, start=1):
            if not np.isnan(one.eao):
                _point(axes, (rank, one.eao), colours[label])
                axes.annotate(label, (rank, one.eao), (0, 9), textcoords="offset points", ha="center", va="bottom")
        best = max((one.eao for one in scores.values() if not np.isnan(one.eao)), default=0.0)
        axes.set(xlim=(len(scores) + 0.6, 0.4), ylim=(0, best * 1.25 + 0.02), xlabel="rank", ylabel="EAO")
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
        axes.set_title("Expected average overlap")
        return plot_style.svg(figure, name)


def ar_plot(scores: Scores, colours: Colours, name: str) -> str:
    """Accuracy against robustness, ``exp(-S F / N)`` with S = 30; the best is at the top right."""
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.4, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(0, 1.2), ylim=(0, 1.02), xlabel="robustness (S = 30)", ylabel="accuracy")
        axes.set_xticks(np.linspace(0, 1, 6))
        _labelled_points(axes, {label: one.ar_point for label, one in scores.items()}, colours)
        axes.set_title("Accuracy and robustness")
        return plot_style.svg(figure, name)


def tags_plot(scores: Scores, colours: Colours, name: str) -> str | None:
    """Accuracy by the frames' tags, a row for each; None where the data set has none."""
    tags = tag_names(scores)
    if not tags:
        return None
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.6, 1.3 + 0.36 * len(tags)), layout="constrained")
        axes = figure.subplots()
        rows = -np.arange(len(tags))
        frames = next(iter(scores.values())).per_tag
        for label, one in scores.items():
            values = [one.per_tag[tag].accuracy if tag in one.per_tag else np.nan for tag in tags]
            mark = palette.series_marker(colours[label])
            colour = palette.series_colour(colours[label])
            axes.plot(values, rows, mark, color=colour, markersize=7.5, label=label, linestyle="")
        titles = [f"{tag.replace('_', ' ')} ({frames[tag].frames} frames)" if tag in frames else tag for tag in tags]
        axes.set_yticks(rows, titles)
        axes.set(ylim=(0.6 - len(tags), 0.6), xlabel="accuracy")
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        plot_style.legend_below(figure, 4)
        return plot_style.svg(figure, name)


def speed_plot(scores: Scores, colours: Colours, name: str) -> str | None:
    """Frames a second against EAO; None where fewer than two trackers have both."""
    return _speed_plot({label: (one.fps, one.eao) for label, one in scores.items()}, colours, "frames per second", name)


def efo_plot(scores: Scores, colours: Colours, name: str) -> str | None:
    """Normalised speed against EAO, as VOT's reports have it; None where fewer than two trackers have both."""
    places = {label: (one.efo, one.eao) for label, one in scores.items()}
    return _speed_plot(places, colours, "equivalent filter operations (EFO)", name)


def _speed_plot(places: Mapping[str, tuple[float, float]], colours: Colours, unit: str, name: str) -> str | None:
    timed = {label: place for label, place in places.items() if not np.isnan(place).any()}
    if len(timed) < 2:
        return None
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        speeds = [speed for speed, _ in timed.values()]
        axes.set_xscale("log")
        axes.set(xlim=(min(speeds) / 1.6, max(speeds) * 2.6), xlabel=unit, ylabel="EAO")
        axes.set_ylim(0, max(eao for _, eao in timed.values()) * 1.25 + 0.02)
        plot_style.plain_log_ticks(axes)
        _labelled_points(axes, timed, colours)
        return plot_style.svg(figure, name)


def tag_names(scores: Scores) -> Sequence[str]:
    """The tags that any tracker was scored on, ``all`` left out."""
    return sorted({tag for one in scores.values() for tag in one.per_tag} - {"all"})


def _labelled_points(axes: Axes, places: Mapping[str, tuple[float, float]], colours: Colours) -> None:
    for label, place in places.items():
        _point(axes, place, colours[label])
    plot_style.label_points(axes, [(*place, label) for label, place in places.items()])


def _point(axes: Axes, place: tuple[float, float], colour: int) -> None:
    axes.plot(*place, palette.series_marker(colour), color=palette.series_colour(colour), markersize=9)
