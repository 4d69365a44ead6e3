"""Markdown tables and command lines, for what commands print."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from siam_tracker_core.evaluation.differences import with_error

Summaries = Mapping[str, Mapping[str, Any]]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rules = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(header), line(rules), *(line(row) for row in rows)])


def accuracy_table(summaries: Summaries) -> str:
    """The trackers' figures as a Markdown table, in the order given.

    Where targets are absent and come back, what is said of that too: the share of frames with the target in sight that
    are called LOST, that of frames without it, and that of returns that are found; see ``LostCalls``. Where there are
    several trackers, also how far each is behind the best, with the standard error of that; see ``Behind``.
    """
    compared = any("behind_best" in figures for figures in summaries.values())
    header = ["tracker", "success AUC", *["behind the best"] * compared, "precision 20 px"]
    header += ["frames/s", "p50 ms", "p95 ms", "frames", "lost"]
    calls = {name: figures.get("lost_calls") or {} for name, figures in summaries.items()}
    absences = any(of_one.get("true_calls") is not None for of_one in calls.values())
    header += ["LOST in sight", "LOST without", "found again"] * absences
    rows = [
        [
            name,
            f"{figures['success_auc']:.3f}",
            *[with_error(figures["behind_best"]) if "behind_best" in figures else ""] * compared,
            f"{figures['precision_20']:.3f}",
            number(figures["fps"], 1),
            number(figures["latency_ms"]["p50"], 1),
            number(figures["latency_ms"]["p95"], 1),
            str(figures["frames"]),
            str(figures["frames_lost"]),
            *[percentage(calls[name].get(key)) for key in ("false_calls", "true_calls", "found_again")] * absences,
        ]
        for name, figures in summaries.items()
    ]
    return markdown(header, rows)


def vot_table(summaries: Summaries) -> str:
    """The trackers' figures in VOT's first experiment as a Markdown table, in the order given."""
    header = ["tracker", "EAO", "accuracy", "robustness", "failures/sequence", "frames/s", "EFO"]
    keys = (("eao", 3), ("accuracy", 3), ("robustness", 3), ("failures", 2), ("fps", 1), ("efo", 2))
    rows = [[name, *(number(figures.get(key), digits) for key, digits in keys)] for name, figures in summaries.items()]
    return markdown(header, rows)


def number(value: float | None, digits: int) -> str:
    """A figure, or a dash where nothing was measured."""
    return "–" if value is None else f"{value:.{digits}f}"


def percentage(share: float | None) -> str:
    """A share of 0..1 in percent, or a dash where nothing was measured."""
    return "–" if share is None else f"{share:.1%}"


def command_line(command: str, positional: Sequence[Path | str], options: Mapping[str, tuple[Any, Any]]) -> str:
    """The ``siam-tracker`` command that does the same again.

    Args:
        command: the verb.
        positional: its positional arguments.
        options: each option's value and default; those at their default are left out.
    """
    words = ["siam-tracker", command, *(str(value) for value in positional)]
    for name, (value, default) in options.items():
        if value != default:
            values = value if isinstance(value, list | tuple) else [] if value is True else [value]
            words += [f"--{name}", *map(str, values)]
    return shlex.join(words)
