"""One report of an experiment: our figures beside the paper's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from siam_tracker_core.evaluation.report.page import Facts, write_page
from siam_tracker_core.reproduction.comparison import Row, comparison_figures
from siam_tracker_core.reproduction.experiments import PAPERS, Experiment, Published
from siam_tracker_core.reproduction.lines import line_figure
from siam_tracker_core.reproduction.plan import Plan

_Figures = Mapping[str, Mapping[str, Any]]  # by tracker and metric

METRICS = {
    "success_auc": "success AUC",
    "precision_20": "precision at 20 px",
    "eao": "EAO",
    "accuracy": "accuracy",
    "failures": "failures a sequence",
    "robustness": "robustness",
    "paper_r": "R, as the challenge defines it",
    "fps": "frames/s",
    "efo": "EFO",
}


def write_report(experiment: Experiment, plan: Plan, out: Path, command: str, date: str, cut: int | None) -> list[Row]:
    """Write report.html, report.json and plots/ of an experiment that has run.

    Args:
        experiment: the declaration.
        plan: what it came to.
        out: the experiment's folder.
        command: that does the same again.
        date: of the run.
        cut: to how many frames the sequences were cut, if they were.

    Returns:
        The rows, in the paper's order.
    """
    read = {name: _figures(folder) for name, folder in plan.evaluations.items()}
    rows = list(_rows(experiment, plan, read))
    warnings = list(plan.left_out)
    if cut is not None:
        warnings.insert(0, f"Only the first {cut} frames of each sequence were run: no figure is the benchmark's.")
    evaluations = {name: f"{folder.name}/report.html" for name, folder in plan.evaluations.items()}
    told = {
        "paper": PAPERS[experiment.paper],
        "item": experiment.label,
        "title": experiment.title,
        "left_out": warnings,
        "rows": [asdict(row) | {"difference": row.difference} for row in rows],
        "evaluations": evaluations,
        "steps": [step.line for step in plan.steps],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    figures = comparison_figures(rows)
    lines = line_figure(experiment, lambda *of: _ours(plan, read, *of), in_words)
    if lines is not None:
        figures = {"lines": lines} | figures
    if figures:
        (out / "plots").mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.write(out / "plots", name)
    title = f"{PAPERS[experiment.paper]}, {experiment.label}"
    notes = ["The paper's figures are copied from its text; a figure without numbers in the text has none here."]
    write_page(
        out / "report.html",
        "reproduction.html.j2",
        Facts(title, command, notes, None, warnings, date),
        figures,
        compared=list(figures),
        what=experiment.title,
        rows=rows,
        evaluations=evaluations,
        colours={},
    )
    return rows


def _rows(experiment: Experiment, plan: Plan, read: Mapping[str, _Figures]) -> Iterator[Row]:
    for published in experiment.published:
        figures = _of(published, read.get(published.evaluation, {}), plan.labels)
        for metric, value in published.values.items():
            ours = figures.get(metric)
            yield Row(
                published.name, published.evaluation, in_words(metric), value, None if ours is None else float(ours)
            )


def _ours(plan: Plan, read: Mapping[str, _Figures], evaluation: str, tracker: str, metric: str) -> float | None:
    """A tracker's figure on an evaluation; None where it has not run, or has no such figure."""
    value = read.get(evaluation, {}).get(plan.labels.get(tracker, ""), {}).get(metric)
    return None if value is None else float(value)


def _of(published: Published, figures: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> Mapping[str, Any]:
    """Our tracker's figures, or those of the rival's published results under the same name."""
    if published.ours:
        return figures.get(labels.get(published.ours, ""), {})
    same = {name.lower(): found for name, found in figures.items() if name not in labels.values()}
    return same.get(published.name.lower(), {})


def _figures(folder: Path) -> dict[str, dict[str, Any]]:
    """An evaluation's figures by tracker; ``precision_20.DEF`` is of the sequences with that attribute."""
    figures: dict[str, dict[str, Any]] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    attributes = folder / "plots" / "attributes.json"
    if attributes.is_file():
        for row in json.loads(attributes.read_text(encoding="utf-8")):
            for metric in ("success_auc", "precision_20"):
                figures[row["tracker"]][f"{metric}.{row['attribute']}"] = row[metric]
    return figures


def in_words(metric: str) -> str:
    """A metric for people: ``precision_20.DEF`` is the precision at 20 px of the sequences with DEF."""
    name, _, attribute = metric.partition(".")
    words = METRICS.get(name, name)
    return f"{words}, {attribute}" if attribute else words
