"""The report: one HTML file that needs nothing else, with its plots and figures beside it."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation import otb, palette, plots
from siam_tracker_core.evaluation.film_strip import Shot, film_strip
from siam_tracker_core.evaluation.machine import machine_facts, versions
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.summary import Results, latencies, percentile, ranked, summarise

STRIPS = 4


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
class _SequencePanel:
    name: str
    frames: int
    plot: Markup
    shots: Sequence[Mapping[str, Any]]
    areas: Mapping[str, float]


def write_report(
    out_dir: str | Path,
    results: Results,
    *,
    title: str,
    command: str,
    notes: Sequence[str] = (),
    provenance: Mapping[str, Provenance] | None = None,
    warnings: Sequence[str] = (),
    date: str = "",
) -> dict[str, dict[str, Any]]:
    """Write ``report.html``, ``summary.json``, ``sequences.csv`` and ``plots/`` into a folder.

    Args:
        out_dir: made if missing; files of an earlier report are replaced.
        results: each tracker's results, one a sequence; one tracker on one sequence will do.
        title: of the page.
        command: the exact command that made the results.
        notes: sentences on how it was measured, e.g. the mode of a bag's replay.
        provenance: of each tracker, as far as it is known.
        warnings: what the reader must know before the figures, e.g. sequences that failed.
        date: of the run, as it shall be shown.

    Returns:
        What ``summary.json`` holds: each tracker's figures as ``summary.summarise`` gives them, best first.

    Raises:
        DatasetError: if there is no tracker, or a tracker without any result.
    """
    if not results:
        raise DatasetError("there is no tracker to report on")
    for name, of_tracker in results.items():
        if not of_tracker:
            raise DatasetError(f"tracker {name} has no result to report: it finished no sequence")
    summaries = {name: summarise(of_tracker) for name, of_tracker in results.items()}
    order = ranked(summaries)
    summaries = {name: summaries[name] for name in order}
    results = {name: results[name] for name in order}
    colours = {name: index for index, name in enumerate(order)}
    out = Path(out_dir)
    by_sequence = _hardest_first(results)
    drawn = _draw_plots(results, summaries, colours) | {
        f"overlap-{plots.file_name(name)}": plots.overlap_plot(of_sequence, colours, wide=place < STRIPS)
        for place, (name, of_sequence) in enumerate(by_sequence.items())
    }
    panels = _panels(by_sequence, colours, drawn)
    (out / "plots").mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        (out / "plots" / f"{name}.svg").write_text(svg, encoding="utf-8")
    write_curves(out / "plots", results)
    write_sequences(out / "sequences.csv", results)
    (out / "summary.json").write_text(json.dumps(summaries, indent=2) + "\n", encoding="utf-8")
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            command=command,
            notes=notes,
            warnings=[*warnings, *_unequal_runs(results)],
            date=date,
            provenance=provenance or {},
            versions=versions(),
            machine=machine_facts(),
            style=Markup(_template_text("report.css") + palette.style_sheet()),
            summaries=summaries,
            best=_best(summaries),
            colours=colours,
            plots={name: Markup(plots.for_page(svg)) for name, svg in drawn.items() if not name.startswith("overlap-")},
            panels=panels,
            sequence_rows=_sequence_rows(results),
            has_states=any(any(result.states) for of_tracker in results.values() for result in of_tracker),
            has_absent=any(not result.present.all() for of_tracker in results.values() for result in of_tracker),
        )
    )
    (out / "report.html").write_text(page, encoding="utf-8")
    return summaries


def write_curves(folder: Path, results: Results) -> None:
    """Write the values behind both curves, ``success.csv`` and ``precision.csv``: one column a tracker."""
    scores = {name: otb.score(of_tracker) for name, of_tracker in results.items()}
    for kind, thresholds in (("success", otb.SUCCESS_THRESHOLDS), ("precision", otb.PRECISION_THRESHOLDS)):
        columns = [getattr(score, kind).tolist() for score in scores.values()]
        rows = ([f"{threshold:g}", *values] for threshold, *values in zip(thresholds, *columns, strict=True))
        _write_csv(folder / f"{kind}.csv", ["threshold", *scores], rows)


def write_sequences(path: Path, results: Results) -> None:
    """Write one line for each tracker and sequence: the figures of ``summary.json`` for that pair."""
    header = ["tracker", "sequence", "success_auc", "precision_20", "fps", "frames", "frames_lost", "p50_ms", "p95_ms"]
    rows = []
    for name, of_tracker in results.items():
        for result in of_tracker:
            figures = summarise([result])
            latency = figures["latency_ms"]
            shown = [figures[key] for key in header[2:7]]
            rows.append([name, result.name, *shown, latency["p50"], latency["p95"]])
    _write_csv(path, header, rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _draw_plots(
    results: Results, summaries: Mapping[str, Mapping[str, Any]], colours: Mapping[str, int]
) -> dict[str, str]:
    curves = {name: otb.score(of_tracker) for name, of_tracker in results.items()}
    by_precision = dict(sorted(curves.items(), key=lambda item: -item[1].precision_20))
    drawn: dict[str, str | None] = {
        "success": plots.success_plot(curves, colours),
        "precision": plots.precision_plot(by_precision, colours),
        "latency": plots.latency_plot(results, colours),
        "speed": plots.speed_plot(summaries, colours),
    }
    return {name: svg for name, svg in drawn.items() if svg is not None}


def _panels(
    by_sequence: Mapping[str, Mapping[str, SequenceResult]], colours: Mapping[str, int], drawn: Mapping[str, str]
) -> list[_SequencePanel]:
    """A panel for each sequence, the first few with a film strip."""
    panels = []
    for place, (name, of_sequence) in enumerate(by_sequence.items()):
        strip = film_strip(of_sequence, colours) if place < STRIPS else []
        plot = Markup(plots.for_page(drawn[f"overlap-{plots.file_name(name)}"]))
        frames = len(next(iter(of_sequence.values())))
        panels.append(_SequencePanel(name, frames, plot, _shots(strip), _areas(of_sequence)))
    return panels


def _hardest_first(results: Results) -> dict[str, dict[str, SequenceResult]]:
    """The results by sequence, that with the lowest mean area over trackers first."""

    def mean_area(item: tuple[str, dict[str, SequenceResult]]) -> float:
        areas = _areas(item[1])
        return sum(areas.values()) / len(areas)

    return dict(sorted(_by_sequence(results).items(), key=mean_area))


def _areas(of_sequence: Mapping[str, SequenceResult]) -> dict[str, float]:
    return {tracker: otb.score_sequence(result).success_auc for tracker, result in of_sequence.items()}


def _shots(strip: Sequence[Shot]) -> list[dict[str, Any]]:
    return [
        {
            "frame": shot.frame,
            "uri": "data:image/jpeg;base64," + base64.b64encode(shot.jpeg).decode(),
            "overlaps": shot.overlaps,
        }
        for shot in strip
    ]


def _by_sequence(results: Results) -> dict[str, dict[str, SequenceResult]]:
    sequences: dict[str, dict[str, SequenceResult]] = {}
    for tracker, of_tracker in results.items():
        for result in of_tracker:
            sequences.setdefault(result.name, {})[tracker] = result
    return sequences


def _sequence_rows(results: Results) -> list[dict[str, Any]]:
    rows = []
    for name, of_sequence in sorted(_by_sequence(results).items()):
        cells: dict[str, dict[str, Any]] = {}
        for tracker, result in of_sequence.items():
            scores = otb.score_sequence(result)
            half = percentile(latencies([result]), 50)
            cells[tracker] = {"auc": scores.success_auc, "precision": scores.precision_20, "p50": half}
        best = max(cell["auc"] for cell in cells.values())
        rows.append({"name": name, "frames": len(next(iter(of_sequence.values()))), "cells": cells, "best": best})
    return rows


def _best(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """The best value of each ranked column, to be set in bold; None where a single tracker has no rival."""
    if len(summaries) < 2:
        return {}
    best: dict[str, float | None] = {}
    for key in ("success_auc", "precision_20", "fps"):
        values = [float(figures[key]) for figures in summaries.values() if figures[key] is not None]
        best[key] = max(values) if values else None
    return best


def _unequal_runs(results: Results) -> list[str]:
    """A warning where trackers were not scored on the same sequences, so that their means do not compare."""
    counts = {name: len(of_tracker) for name, of_tracker in results.items()}
    total = len(_by_sequence(results))
    short = ", ".join(f"{name} on {count}" for name, count in counts.items() if count < total)
    return [f"Means do not compare: of {total} sequences, {short} only."] if short else []


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("siam_tracker_core.evaluation", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["figure"] = _figure
    return environment


def _figure(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where it was not measured."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}"


def _template_text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
