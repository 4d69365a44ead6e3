"""A picture of responses to a target in the middle and at the borders, a row of search images and one of responses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from siam_tracker_core.analysis.border import Look
from siam_tracker_core.evaluation.report.plot_style import STYLE, svg
from siam_tracker_core.evaluation.report.svg_file import write_svg

TITLES = ("in the middle", "at the right", "at the top", "at the lower left")


def save_border_picture(path: Path, name: str, looks: Sequence[Look]) -> None:
    """Write an SVG file, see ``write_svg``.

    Args:
        path: ends in ``.svg``.
        name: of the network.
        looks: as ``border.looks`` gives them.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(looks), 5.0), layout="constrained")
        for column, (title, look) in enumerate(zip(TITLES, looks, strict=True)):
            upper, lower = (figure.add_subplot(2, len(looks), row * len(looks) + column + 1) for row in (0, 1))
            upper.imshow(look.image[..., ::-1])
            upper.set_title(title)
            lower.imshow(look.response, cmap="viridis", interpolation="nearest")
            lower.plot(*look.target, "+", color="white", markersize=12)
            lower.set_xlabel(f"peak {look.error:.1f} cells off")
            for axes in (upper, lower):
                axes.set(xticks=[], yticks=[])
                axes.grid(visible=False)
        figure.suptitle(f"{name}: responses to a target (+)")
        write_svg(path, svg(figure, f"border-{name}"))
