"""The HTML page of a report: templates, style, and what every page tells of how it was measured."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from siam_tracker_core.evaluation.differences import with_error
from siam_tracker_core.evaluation.report import palette, plot_style
from siam_tracker_core.evaluation.report.figures import PlotFigure
from siam_tracker_core.evaluation.report.film_strip import Shot
from siam_tracker_core.files import write_text
from siam_tracker_core.machine import machine_facts, versions


@dataclass(frozen=True)
class Provenance:
    """Where a tracker's figures come from, one line each in the report.

    Attributes:
        weights: SHA-256 of each weights file by its name.
        tuned_on: what its hyper-parameters were chosen on, in words; "nothing: ..." is an answer too.
        details: anything else that belongs there, e.g. training data and steps.
    """

    weights: Mapping[str, str]
    tuned_on: str
    details: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """What a report says beside its figures.

    Attributes:
        title: of the page.
        command: the exact command that made the results.
        notes: sentences on how it was measured.
        provenance: of each tracker, as far as it is known.
        warnings: what the reader must know before the figures.
        date: of the run, as it shall be shown.
    """

    title: str
    command: str
    notes: Sequence[str] = ()
    provenance: Mapping[str, Provenance] | None = None
    warnings: Sequence[str] = ()
    date: str = ""


def write_page(path: Path, template: str, facts: Facts, figures: Mapping[str, PlotFigure], **context: Any) -> None:
    """Write one HTML file that needs no other.

    Args:
        path: of the file.
        template: its name in ``templates/``.
        facts: for the page's head and its last section.
        figures: the plots that the template may name, by name.
        context: what else the template needs.
    """
    page = (
        _environment()
        .get_template(template)
        .render(
            title=facts.title,
            command=facts.command,
            notes=facts.notes,
            warnings=facts.warnings,
            date=facts.date,
            provenance=facts.provenance or {},
            versions=versions(),
            machine=machine_facts(),
            style=Markup(_template_text("report.css") + palette.style_sheet()),  # nosec B704
            plots={name: inline(figure) for name, figure in figures.items()},
            **context,
        )
    )
    write_text(path, page)


def inline(figure: PlotFigure) -> Markup:
    """A plot as it goes into the page."""
    return Markup(plot_style.for_page(figure.svg))  # nosec B704


def shots_for_page(strip: Sequence[Shot]) -> list[dict[str, Any]]:
    """A film strip with its pictures inside the page."""
    return [
        {
            "frame": shot.frame,
            "uri": "data:image/jpeg;base64," + base64.b64encode(shot.jpeg).decode(),
            "overlaps": shot.overlaps,
        }
        for shot in strip
    ]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("siam_tracker_core.evaluation.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["figure"] = _figure
    environment.filters["with_error"] = with_error
    return environment


def _figure(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where it was not measured."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}"


def _template_text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
