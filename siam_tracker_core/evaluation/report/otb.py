"""The report of a one-pass evaluation: one HTML file that needs nothing else, with plots and figures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.attributes import Labels, by_attribute
from siam_tracker_core.evaluation.differences import behind, success_by_sequence
from siam_tracker_core.evaluation.report import figures, plot_style
from siam_tracker_core.evaluation.report.figures import PlotFigure
from siam_tracker_core.evaluation.report.film_strip import film_strip
from siam_tracker_core.evaluation.report.page import Facts, Provenance, inline, shots_for_page, write_page
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.seen import unseen_score
from siam_tracker_core.evaluation.summary import Results, latencies, percentile, ranked, summarise
from siam_tracker_core.files import write_text

STRIPS = 4
PANELS = 24


@dataclass(frozen=True)
class _SequencePanel:
    name: str
    frames: int
    labels: str
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
    labels: Labels | None = None,
    seen: Mapping[str, Sequence[str]] | None = None,
    chosen: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Write ``report.html``, ``summary`` and ``sequences`` as JSON and CSV, and ``plots/`` into a folder.

    Args:
        out_dir: made if missing; files of an earlier report are replaced.
        results: each tracker's results, one a sequence; one tracker on one sequence will do.
        title: of the page.
        command: the exact command that made the results.
        notes: sentences on how it was measured, e.g. the mode of a bag's replay.
        provenance: of each tracker, as far as it is known.
        warnings: what the reader must know before the figures, e.g. sequences that failed.
        date: of the run, as it shall be shown.
        labels: the data set's attributes of each sequence, by its name.
        seen: by tracker, the sequences that it has seen in training.
        chosen: sequences that are shown over time and as film strips, in that order; the hardest without any.

    Returns:
        What ``summary.json`` holds: each tracker's figures as ``summary.summarise`` gives them, best first; of one that
        has seen some of the sequences, also their names (``seen``) and ``success_auc_unseen``, without them; of all but
        the best, how far they are behind it (``behind_best``, see ``differences.Behind``).

    Raises:
        DatasetError: if there is no tracker, or a tracker without any result.
    """
    if not results:
        raise DatasetError("there is no tracker to report on")
    for name, of_tracker in results.items():
        if not of_tracker:
            raise DatasetError(f"tracker {name} has no result to report: it finished no sequence")
    labels = labels or {}
    seen = {name: names for name, names in (seen or {}).items() if names and name in results}
    summaries = {
        name: summarise(of_tracker) | _unseen(of_tracker, seen.get(name)) for name, of_tracker in results.items()
    }
    order = ranked(summaries)
    results = {name: results[name] for name in order}
    scores = {name: success_by_sequence(results[name]) for name in order}
    summaries = {name: summaries[name] | _behind(scores[name], scores[order[0]]) for name in order}
    colours = {name: index for index, name in enumerate(order)}
    by_sequence = _chosen_first(_hardest_first(results), chosen)
    strips, panels = (len(chosen), max(len(chosen), PANELS)) if chosen else (STRIPS, PANELS)
    attributes = by_attribute(results, labels)
    drawn = (
        figures.accuracy_figures(results, colours)
        | figures.speed_figures(results, summaries, colours)
        | figures.attribute_figures(attributes, colours)
    )
    overlaps = {
        name: figures.overlap_figure(of_sequence, colours, wide=place < strips)
        for place, (name, of_sequence) in enumerate(list(by_sequence.items())[:panels])
    }
    out = Path(out_dir)
    _write_files(out, results, summaries, drawn, overlaps, by_sequence)
    write_page(
        out / "report.html",
        "report.html.j2",
        Facts(title, command, notes, provenance, [*warnings, *_unequal_runs(results)], date),
        drawn,
        summaries=summaries,
        best=_best(summaries),
        compared=any("behind_best" in of_tracker for of_tracker in summaries.values()),
        colours=colours,
        attributes=[(row, f"attribute-{plot_style.file_name(row.code)}") for row in attributes],
        panels=_panels(by_sequence, colours, overlaps, labels, strips),
        chosen=chosen,
        sequence_rows=_sequence_rows(results, seen),
        seen=seen,
        has_states=any(any(result.states) for of_tracker in results.values() for result in of_tracker),
        has_absent=any(not result.present.all() for of_tracker in results.values() for result in of_tracker),
    )
    return summaries


def _write_files(
    out: Path,
    results: Results,
    summaries: Mapping[str, Mapping[str, Any]],
    drawn: Mapping[str, PlotFigure],
    overlaps: Mapping[str, PlotFigure],
    by_sequence: Mapping[str, Mapping[str, SequenceResult]],
) -> None:
    """All files but the page; a sequence that is not on the page has its overlaps as values, without a plot."""
    plots = out / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        figure.write(plots, name)
    for name, of_sequence in by_sequence.items():
        file_name = f"overlap-{plot_style.file_name(name)}"
        if name in overlaps:
            overlaps[name].write(plots, file_name)
        else:
            figures.overlap_table(of_sequence).write(plots, file_name)
    figures.sequences_table(results).write(out, "sequences")
    figures.summary_table(summaries).write_csv(out / "summary.csv")
    write_text(out / "summary.json", json.dumps(summaries, indent=2) + "\n")


def _panels(
    by_sequence: Mapping[str, Mapping[str, SequenceResult]],
    colours: Mapping[str, int],
    overlaps: Mapping[str, PlotFigure],
    labels: Labels,
    strips: int,
) -> list[_SequencePanel]:
    """A panel for each sequence that is shown, the first few with a film strip."""
    panels = []
    for place, (name, plot) in enumerate(overlaps.items()):
        of_sequence = by_sequence[name]
        strip = film_strip(of_sequence, colours) if place < strips else []
        panels.append(
            _SequencePanel(
                name,
                len(next(iter(of_sequence.values()))),
                ", ".join(sorted(labels.get(name, ()))),
                inline(plot),
                shots_for_page(strip),
                _areas(of_sequence),
            )
        )
    return panels


def _hardest_first(results: Results) -> dict[str, dict[str, SequenceResult]]:
    """The results by sequence, that with the lowest mean area over trackers first."""

    def mean_area(item: tuple[str, dict[str, SequenceResult]]) -> float:
        areas = _areas(item[1])
        return sum(areas.values()) / len(areas)

    return dict(sorted(_by_sequence(results).items(), key=mean_area))


def _chosen_first(
    by_sequence: Mapping[str, Mapping[str, SequenceResult]], chosen: Sequence[str]
) -> Mapping[str, Mapping[str, SequenceResult]]:
    """The same with the chosen sequences before the others, as far as they have a result."""
    return {name: by_sequence[name] for name in chosen if name in by_sequence} | dict(by_sequence)


def _areas(of_sequence: Mapping[str, SequenceResult]) -> dict[str, float]:
    return {tracker: otb.score_sequence(result).success_auc for tracker, result in of_sequence.items()}


def _by_sequence(results: Results) -> dict[str, dict[str, SequenceResult]]:
    sequences: dict[str, dict[str, SequenceResult]] = {}
    for tracker, of_tracker in results.items():
        for result in of_tracker:
            sequences.setdefault(result.name, {})[tracker] = result
    return sequences


def _sequence_rows(results: Results, seen: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    rows = []
    for name, of_sequence in sorted(_by_sequence(results).items()):
        cells: dict[str, dict[str, Any]] = {}
        for tracker, result in of_sequence.items():
            scores = otb.score_sequence(result)
            half = percentile(latencies([result]), 50)
            cells[tracker] = {
                "auc": scores.success_auc,
                "precision": scores.precision_20,
                "p50": half,
                "seen": name in seen.get(tracker, ()),
            }
        best = max(cell["auc"] for cell in cells.values())
        rows.append({"name": name, "frames": len(next(iter(of_sequence.values()))), "cells": cells, "best": best})
    return rows


def _unseen(results: Sequence[SequenceResult], seen: Sequence[str] | None) -> dict[str, Any]:
    """What the summary of a tracker tells beside its figures if it has seen sequences in training."""
    return {"seen": list(seen), "success_auc_unseen": unseen_score(results, seen)} if seen else {}


def _behind(scores: Mapping[str, float], best: Mapping[str, float]) -> dict[str, Any]:
    """What the summary of a tracker tells beside its figures if it is not the best."""
    lack = None if scores is best else behind(scores, best)
    return {} if lack is None else {"behind_best": lack.figures()}


def _best(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """The best value of each ranked column, to be set in bold; None where a single tracker has no rival."""
    if len(summaries) < 2:
        return {}
    best: dict[str, float | None] = {}
    for key in ("success_auc", "precision_20", "fps"):
        values = [float(entry[key]) for entry in summaries.values() if entry[key] is not None]
        best[key] = max(values) if values else None
    return best


def _unequal_runs(results: Results) -> list[str]:
    """A warning where trackers were not scored on the same sequences, so that their means do not compare."""
    counts = {name: len(of_tracker) for name, of_tracker in results.items()}
    total = len(_by_sequence(results))
    short = ", ".join(f"{name} on {count}" for name, count in counts.items() if count < total)
    return [f"Means do not compare: of {total} sequences, {short} only."] if short else []
