"""The plots of one-pass evaluation, each an SVG in text that stands alone or goes into the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.attributes import AttributeScores
from siam_tracker_core.evaluation.report import palette, plot_style
from siam_tracker_core.evaluation.results import SequenceResult, stretches
from siam_tracker_core.evaluation.summary import latencies, percentile
from siam_tracker_core.trackers.results import TrackState


@dataclass(frozen=True)
class _Line:
    label: str
    values: NDArray[np.float64]
    place: int


def success_plot(curves: Mapping[str, otb.Scores], colours: Mapping[str, int]) -> str:
    """OTB's success plot, trackers in the order given, the area in the legend."""
    return _curve_plot(
        _success_lines(curves, colours),
        otb.SUCCESS_THRESHOLDS,
        "Success plot of one-pass evaluation",
        ("overlap threshold", "success rate"),
        "success",
    )


def precision_plot(curves: Mapping[str, otb.Scores], colours: Mapping[str, int]) -> str:
    """OTB's precision plot, trackers in the order given, the score at 20 px in the legend."""
    lines = [
        _Line(f"{name} [{scores.precision_20:.3f}]", scores.precision, colours[name]) for name, scores in curves.items()
    ]
    return _curve_plot(
        lines,
        otb.PRECISION_THRESHOLDS,
        "Precision plot of one-pass evaluation",
        ("location error threshold (px)", "precision"),
        "precision",
        otb.PRECISION_AT,
    )


def attribute_success_plot(attribute: AttributeScores, colours: Mapping[str, int]) -> str:
    """The success plot over the sequences with one attribute, the best tracker first in the legend; a small one."""
    ordered = dict(sorted(attribute.scores.items(), key=lambda item: -item[1].success_auc))
    return _curve_plot(
        _success_lines(ordered, colours),
        otb.SUCCESS_THRESHOLDS,
        attribute.title,
        ("overlap threshold", "success rate"),
        f"attribute-{attribute.code}",
        size=(4.2, 3.4),
    )


def attributes_plot(attributes: Sequence[AttributeScores], colours: Mapping[str, int]) -> str:
    """Success AUC by attribute: a row for each, the most frequent on top, a mark for each tracker."""
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(6.6, 1.3 + 0.36 * len(attributes)), layout="constrained")
        axes = figure.subplots()
        rows = -np.arange(len(attributes))
        for name, place in colours.items():
            areas = [row.scores[name].success_auc if name in row.scores else np.nan for row in attributes]
            axes.plot(
                areas,
                rows,
                palette.series_marker(place),
                color=palette.series_colour(place),
                markersize=7.5,
                label=name,
                linestyle="",
            )
        axes.set_yticks(rows, [row.title for row in attributes])
        axes.set(ylim=(0.6 - len(attributes), 0.6), xlabel="success AUC")
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        plot_style.legend_below(figure, 4)
        return plot_style.svg(figure, "attributes")


def overlap_plot(results: Mapping[str, SequenceResult], colours: Mapping[str, int], wide: bool = True) -> str:
    """IoU over time on one sequence.

    The trackers' states are shaded: behind the curve where there is one tracker, else in one strip a tracker below it.

    Args:
        results: each tracker's result on the same sequence.
        colours: each tracker's place in the palette.
        wide: for the full width of the page rather than half of it.
    """
    strips = {name: result for name, result in results.items() if any(result.states)} if len(results) > 1 else {}
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(10.0 if wide else 6.4, 1))
        top, strip = _overlap_axes(figure, len(strips))
        first = next(iter(results.values()))
        _shade(top, ~first.present, palette.ABSENT, 0.35)
        for name, result in results.items():
            if len(results) == 1:
                _shade(top, result.in_state(TrackState.UNCERTAIN), palette.UNCERTAIN, 0.35)
                _shade(top, result.in_state(TrackState.LOST), palette.LOST, 0.35)
            _overlap_line(top, result, colours[name])
        top.set(ylim=(-0.03, 1.03), xlim=(0.5, len(first) + 0.5), ylabel="IoU")
        top.set_yticks([0, 0.5, 1])
        lowest = top
        if strip is not None:
            top.tick_params(axis="x", length=0, labelbottom=False)
            _state_strips(strip, strips, colours)
            lowest = strip
        lowest.set_xlabel("frame", loc="right")
        lowest.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=3))
        return plot_style.svg(figure, f"overlap-{first.name}")


def _overlap_axes(figure: Figure, strips: int) -> tuple[Axes, Axes | None]:
    """Axes for the curves and, below them, for the strips; sizes in inches, since a strip is as high as a line."""
    left, right, above, below, curves = 0.55, 0.1, 0.08, 0.45, 1.45
    gap, strip = (0.06, 0.13 * strips) if strips else (0.0, 0.0)
    height = above + curves + gap + strip + below
    width = figure.get_figwidth()
    figure.set_figheight(height)
    across = (left / width, 1 - (left + right) / width)
    top = figure.add_axes((across[0], (below + strip + gap) / height, across[1], curves / height))
    if not strips:
        return top, None
    return top, figure.add_axes((across[0], below / height, across[1], strip / height), sharex=top)


def _overlap_line(axes: Axes, result: SequenceResult, place: int) -> None:
    """The IoU of each frame, and a tick below for each frame that was answered late or never."""
    colour, frames = palette.series_colour(place), np.arange(1, len(result) + 1)
    marker = "o" if len(result) == 1 else ""
    axes.plot(frames, otb.overlaps(result), palette.series_dash(place), marker=marker, color=colour, linewidth=1.5)
    missed = frames[result.missed]
    axes.plot(missed, np.full(len(missed), -0.03), "|", color=colour, clip_on=False)


def latency_plot(results: Mapping[str, Sequence[SequenceResult]], colours: Mapping[str, int]) -> str | None:
    """Histogram of the time an update took, one row a tracker; None where no time was measured."""
    times = {name: latencies(list(of_tracker)) for name, of_tracker in results.items()}
    times = {name: values[values > 0] for name, values in times.items() if (values > 0).any()}
    if not times:
        return None
    everything = np.concatenate(list(times.values()))
    low, high = np.log10(everything.min()), np.log10(everything.max())
    margin = max(0.05 * (high - low), 0.1)
    bins = np.logspace(low - margin, high + margin, 70)
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.6, 0.7 + 0.8 * max(len(times), 1.6)), layout="constrained")
        rows = figure.subplots(len(times), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values) in zip(rows, times.items(), strict=True):
            _latency_row(axes, name, values, bins, palette.series_colour(colours[name]))
        rows[-1].set(xlabel="time of an update (ms)")
        return plot_style.svg(figure, "latency")


def speed_plot(summaries: Mapping[str, Mapping[str, Any]], colours: Mapping[str, int]) -> str | None:
    """Speed against accuracy; None where fewer than two trackers have a speed."""
    timed = {name: figures for name, figures in summaries.items() if figures["fps"]}
    if len(timed) < 2:
        return None
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.axvline(30, color=palette.MUTED, linewidth=1, linestyle=":")
        across = axes.get_xaxis_transform()
        axes.text(30, 0.99, " 30 Hz camera", color=palette.MUTED, fontsize=8.5, va="top", transform=across)
        for name, figures in timed.items():
            colour, marker = palette.series_colour(colours[name]), palette.series_marker(colours[name])
            axes.plot(figures["fps"], figures["success_auc"], marker, color=colour, markersize=9)
        speeds = [figures["fps"] for figures in timed.values()]
        areas = [figures["success_auc"] for figures in timed.values()]
        axes.set_xscale("log")
        axes.set(xlim=(min(*speeds, 30) / 1.6, max(*speeds, 30) * 2.6), ylim=(0, min(max(areas) * 1.2 + 0.02, 1)))
        axes.set(xlabel="frames per second", ylabel="success AUC")
        plot_style.plain_log_ticks(axes)
        plot_style.label_points(
            axes, [(figures["fps"], figures["success_auc"], name) for name, figures in timed.items()]
        )
        return plot_style.svg(figure, "speed")


def ranking_plot(curves: Mapping[str, otb.Scores], colours: Mapping[str, int]) -> str | None:
    """Success AUC against precision at 20 px, a mark a tracker; None where there are fewer than two."""
    if len(curves) < 2:
        return None
    places = {name: (scores.precision_20, scores.success_auc) for name, scores in curves.items()}
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        axes = figure.subplots()
        for name, place in places.items():
            colour, marker = palette.series_colour(colours[name]), palette.series_marker(colours[name])
            axes.plot(*place, marker, color=colour, markersize=9)
        across, up = (np.array(values) for values in zip(*places.values(), strict=True))
        margins = [max(0.15 * float(np.ptp(values)), 0.03) for values in (across, up)]
        axes.set(xlim=(across.min() - margins[0], across.max() + 3 * margins[0]))
        axes.set(ylim=(up.min() - margins[1], up.max() + margins[1]))
        axes.set(xlabel="precision at 20 px", ylabel="success AUC")
        axes.set_title("Success and precision")
        plot_style.label_points(axes, [(*place, name) for name, place in places.items()])
        return plot_style.svg(figure, "ranking")


def _curve_plot(
    lines: Sequence[_Line],
    thresholds: NDArray[np.float64],
    title: str,
    labels: tuple[str, str],
    name: str,
    mark: float | None = None,
    size: tuple[float, float] = (5.4, 4.2),
) -> str:
    with matplotlib.rc_context(plot_style.STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        if mark is not None:
            axes.axvline(mark, color=palette.MUTED, linewidth=1, linestyle=":")
        for order, line in enumerate(lines):
            axes.plot(
                thresholds,
                line.values,
                palette.series_dash(line.place),
                color=palette.series_colour(line.place),
                label=line.label,
                zorder=3 + 1 / (order + 1),  # the best on top
            )
        axes.set(xlim=(thresholds[0], thresholds[-1]), ylim=(0, 1.02), xlabel=labels[0], ylabel=labels[1])
        axes.set_title(title)
        rows = plot_style.legend_below(figure, 2)
        figure.set_figheight(size[1] + 0.2 * max(rows - 2, 0))
        return plot_style.svg(figure, name)


def _success_lines(curves: Mapping[str, otb.Scores], colours: Mapping[str, int]) -> list[_Line]:
    return [
        _Line(f"{name} [{scores.success_auc:.3f}]", scores.success, colours[name]) for name, scores in curves.items()
    ]


def _shade(axes: Axes, mask: NDArray[np.bool_], colour: str, alpha: float) -> None:
    for start, end in stretches(mask):
        axes.axvspan(start + 0.5, end + 0.5, color=colour, alpha=alpha, linewidth=0)


def _state_strips(axes: Axes, results: Mapping[str, SequenceResult], colours: Mapping[str, int]) -> None:
    """One strip a tracker: a low bar where it is uncertain, a full bar where it says that the target is lost."""
    for row, (name, result) in enumerate(results.items()):
        for state, height in ((TrackState.UNCERTAIN, 0.35), (TrackState.LOST, 0.8)):
            spans = [(start + 0.5, end - start) for start, end in stretches(result.in_state(state))]
            axes.broken_barh(
                spans, (-row - height / 2, height), color=palette.series_colour(colours[name]), linewidth=0
            )
    axes.set(ylim=(-len(results) + 0.5, 0.5), yticks=[])
    axes.set_ylabel("state", rotation=0, ha="right", va="center", fontsize=9)
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def _latency_row(axes: Axes, name: str, values: NDArray[np.float64], bins: NDArray[np.float64], colour: str) -> None:
    axes.hist(values, bins=list(bins), color=colour, alpha=0.8, weights=np.full(len(values), 1 / len(values)))
    half, most = percentile(values, 50) or 0.0, percentile(values, 95) or 0.0
    for value, style in ((half, "-"), (most, ":")):
        axes.axvline(value, color=palette.INK, linewidth=1.2, linestyle=style)
    axes.set_xscale("log")
    plot_style.plain_log_ticks(axes)
    axes.set(xlim=(bins[0], bins[-1]), yticks=[])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_title(name, fontsize=9.5)
    axes.set_title(f"p50 {half:.3g} ms (line), p95 {most:.3g} ms (dotted)", fontsize=8.5, loc="right", weight="normal")
