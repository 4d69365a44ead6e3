"""How all plots look, and how they become SVG that stands alone or goes into the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from siam_tracker_core.evaluation.report import palette

FONTS = "Inter, 'Segoe UI', 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "siam_tracker",
    "font.size": 10,
    "font.family": ["DejaVu Sans"],
    "text.color": palette.INK,
    "axes.labelcolor": palette.MUTED,
    "axes.edgecolor": palette.MUTED,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.7,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handlelength": 2.6,
}

# Of labels beside points and in legends, in points (1/72 inch); a legend's column also has its line and gaps.
_LABEL_GAP, _LINE_HEIGHT, _LETTER_WIDTH, _MARK, _LEGEND_LINE = 9, 12, 6, 5, 50


def svg(figure: Figure, name: str) -> str:
    """The figure as SVG text, the same for the same data, with ids that are unique beside other plots' ids.

    Args:
        figure: drawn under ``STYLE``.
        name: of the plot; part of the ids and of the description for those who cannot see it.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-").replace('href="#', f'href="#{prefix}-')
    text = text.replace("'DejaVu Sans'", FONTS.replace('"', "'"))
    return text.replace("<svg ", f'<svg role="img" aria-label="{prefix} plot" style="background: #ffffff" ', 1)


def for_page(text: str) -> str:
    """A plot as it goes into the HTML page: without the XML prologue, in the page's colours, scaled to its column."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return palette.with_page_colours(text.replace("background: #ffffff", "", 1))


def file_name(name: str) -> str:
    """A sequence's or an attribute's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def plain_log_ticks(axes: Axes) -> None:
    """Ticks as 1, 10, 100 instead of powers, with a few between where less than two decades are shown."""
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 300 else (1,)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    axes.set_xticks([step * 10.0**decade for decade in decades for step in steps])
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def legend_columns(labels: Sequence[str], width: float, most: int) -> int:
    """How many columns of a legend fit below a plot, one at least.

    Args:
        labels: of the lines.
        width: of the figure in inches.
        most: columns that are wanted.
    """
    column = _LEGEND_LINE + _LETTER_WIDTH * max(map(len, labels), default=0)
    return max(1, min(most, len(labels), int(72 * width / column)))


def legend_below(figure: Figure, most: int) -> int:
    """Explain all lines of a figure below its plot, in as many columns as fit; gives the number of rows.

    Args:
        figure: with a layout that makes room.
        most: columns that are wanted.
    """
    labels = [label for axes in figure.axes for label in axes.get_legend_handles_labels()[1]]
    columns = legend_columns(labels, figure.get_figwidth(), most)
    figure.legend(loc="outside lower left", ncols=columns)
    return math.ceil(len(labels) / columns)


def label_points(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each point's label to its right, moved up or down where it would run into another label or point.

    Args:
        axes: with its limits and scales set.
        points: x, y and label of each.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]  # places the axes, on which distances depend
    per_point = axes.figure.dpi / 72
    marks = [tuple(axes.transData.transform((x, y)) / per_point) for x, y, _ in points]
    placed = [(left - _MARK, left + _MARK, height) for left, height in marks]
    # Each of the others takes two of these lines at most, so that one of them is free.
    lines = sorted(range(-2 * len(points), 2 * len(points) + 1), key=lambda line: (abs(line), -line))
    for (x, y, label), (left, height) in sorted(zip(points, marks, strict=True), key=lambda pair: pair[1][1]):
        right = left + _LABEL_GAP + _LETTER_WIDTH * len(label)
        near = [other for start, stop, other in placed if left + _MARK < stop and start < right]
        move = next(
            line * _LINE_HEIGHT
            for line in lines
            if all(abs(height + line * _LINE_HEIGHT - other) >= _LINE_HEIGHT for other in near)
        )
        placed.append((left + _MARK, right, height + move))
        axes.annotate(label, (x, y), (_LABEL_GAP, move), textcoords="offset points", va="center")
