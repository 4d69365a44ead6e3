"""The tables of docs/papers.md, made of the declared experiments; scripts/papers_page.py writes them there."""

from __future__ import annotations

from collections.abc import Iterator

from siam_tracker_core.reproduction.experiments import PAPERS, Experiment, chosen
from siam_tracker_core.reproduction.report import in_words

ROWS = 6
HEADER = ["item", "shows", "command", "status", "published here", "left out"]


def tables() -> str:
    """A section for each paper with a row for each table and figure, as Markdown."""
    return "\n".join(line for paper, title in PAPERS.items() for line in _section(title, chosen(paper)))


def _section(title: str, experiments: list[Experiment]) -> Iterator[str]:
    yield from (f"## {title}", "", f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|")
    for one in experiments:
        cells = (one.label, one.title, f"`{one.command}`", one.status, _published(one), one.why or "–")
        yield f"| {' | '.join(cells)} |"
    yield ""


def _published(experiment: Experiment) -> str:
    """The paper's figures of trackers that are here, or of the first rows if none is; the file has the rest."""
    rows = [row for row in experiment.published if row.ours] or list(experiment.published)
    if not rows:
        return "in the picture only"
    several = len({row.evaluation for row in rows}) > 1
    told = [
        f"{row.name}{f' on {row.evaluation}' if several and row.evaluation else ''}: "
        + ", ".join(f"{in_words(metric)} {value:g}" for metric, value in row.values.items())
        for row in rows[:ROWS]
    ]
    more = len(experiment.published) - len(told)
    return "; ".join([*told, *([f"and {more} more rows in the file"] if more else [])])
