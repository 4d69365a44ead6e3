"""A picture of what padding does to a backbone's features, cell by cell, and of how much one cell sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from siam_tracker_core.analysis.guidelines import EQUAL
from siam_tracker_core.evaluation.report import palette
from siam_tracker_core.evaluation.report.plot_style import STYLE, svg
from siam_tracker_core.evaluation.report.svg_file import write_svg

# Changes relative to the greatest feature; what is below the first is drawn as none.
LEAST, MOST = 1e-4, 1.0


def padding_picture(name: str, change: NDArray[np.float64], exemplar: int, receptive_field: int | None) -> str:
    """Two panels in SVG: each cell's change when more of the scene takes the padding's place, and a cell's field.

    Args:
        name: of the backbone.
        change: (rows, columns) relative to the greatest feature, of ``analysis.padding_change``.
        exemplar: side of the exemplar image in pixels.
        receptive_field: of one cell, in pixels; None if it is wider than could be measured.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.7), layout="constrained")
        cells, field = figure.subplots(1, 2)
        shown = cells.imshow(
            np.clip(change, LEAST, MOST), norm=LogNorm(LEAST, MOST), cmap="viridis", interpolation="nearest"
        )
        touched = int((change > EQUAL).sum())
        cells.set_title(f"{name}: {touched} of {change.size} cells see padding")
        cells.set_xlabel("cell of the exemplar's features")
        cells.grid(visible=False)
        figure.colorbar(shown, ax=cells, label="change / greatest feature")
        _draw_field(field, exemplar, receptive_field)
        return svg(figure, f"padding-{name}")


def _draw_field(axes: Axes, exemplar: int, receptive_field: int | None) -> None:
    """The exemplar, the target in it (half its side, with SiamFC's context), and what its middle cell sees."""
    middle, side = exemplar / 2, receptive_field or exemplar
    squares = (
        (exemplar, palette.MUTED, "-", f"exemplar, {exemplar} px"),
        (exemplar / 2, palette.MUTED, ":", "a square target"),
        (side, palette.series_colour(0), "-", f"seen by the middle cell, {receptive_field or 'all'} px"),
    )
    for extent, colour, line, label in squares:
        corner = (middle - extent / 2, middle - extent / 2)
        axes.add_patch(
            Rectangle(corner, extent, extent, fill=False, edgecolor=colour, linestyle=line, linewidth=2, label=label)
        )
    reach = max(exemplar, side) / 2 + 6
    axes.set(xlim=(middle - reach, middle + reach), ylim=(middle + reach, middle - reach), aspect="equal")
    axes.grid(visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08))


def save_padding_picture(
    path: Path, name: str, change: NDArray[np.float64], exemplar: int, receptive_field: int | None
) -> None:
    """Write ``padding_picture`` to a file, see ``write_svg``."""
    write_svg(path, padding_picture(name, change, exemplar, receptive_field))
