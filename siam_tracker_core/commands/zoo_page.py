"""The zoo as tables: one for the terminal, and the page ``docs/model_zoo.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from siam_tracker_core.builders import CONFIGS
from siam_tracker_core.commands.tables import markdown, number
from siam_tracker_core.config import departures, read_config
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER, Scores, ZooEntry

HEADER = [
    *("name", "tracker", "network", "as in the paper", "parameters", "size"),
    *("success AUC", "precision 20 px", "frames/s"),
]
INTRODUCTION = """\
# Model zoo

What `load_tracker` and `--tracker` know by name. `siam-tracker zoo` prints the table and checks each file against its
hash; `siam-tracker zoo --get NAME` [gets weights](command_line.md#weights-that-are-not-here) that are not installed;
`siam-tracker zoo --markdown` makes this page of `weights/zoo.yaml`, where changes belong.

*As in the paper* is about the network, layer by layer. No tracker here was trained as its paper's; each section tells
what differs.

Figures are of the day and the machine that each section names, so frames/s do not compare between rows; the
[README](../README.md) compares them. The size of a file that shares tensors with another is without these.
"""


def zoo_table(entries: Iterable[ZooEntry]) -> str:
    """A Markdown table with a row for each tracker; a dash for what was not measured, or a file that is not there."""
    return markdown(HEADER, [_row(entry) for entry in entries])


def zoo_page(entries: Iterable[ZooEntry]) -> str:
    """The page: the table, and below it where each tracker comes from and how its figures were measured."""
    listed = list(entries)
    sections = ["\n".join(_section(entry)) for entry in listed]
    return "\n".join([INTRODUCTION, zoo_table(listed), "", *sections])


def zoo_facts(entry: ZooEntry) -> dict[str, Any]:
    """What a script may want to know of a tracker; ``bytes`` and scores are None where there are none."""
    scores = entry.scores
    return {
        "name": entry.name,
        "description": entry.description,
        "tracker": entry.tracker,
        "network": entry.network,
        "parameters": entry.parameters,
        "file": str(entry.path),
        "sha256": entry.sha256,
        "bytes": entry.path.stat().st_size if entry.is_here else None,
        "default": entry.name == DEFAULT_TRACKER,
        "success_auc": scores.success_auc if scores else None,
        "precision_20": scores.precision_20 if scores else None,
        "frames_per_second": scores.frames_per_second if scores else None,
    }


def _row(entry: ZooEntry) -> list[str]:
    scores = entry.scores
    return [
        f"{entry.name} (default)" if entry.name == DEFAULT_TRACKER else entry.name,
        entry.tracker,
        str(entry.network.get("backbone", "–")),
        _as_in_the_paper(entry),
        f"{entry.parameters / 1e6:.3f} M",
        _size(entry.path.stat().st_size) if entry.is_here else "–",
        number(scores.success_auc if scores else None, 3),
        number(scores.precision_20 if scores else None, 3),
        number(scores.frames_per_second if scores else None, 0),
    ]


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def _as_in_the_paper(entry: ZooEntry) -> str:
    if entry.paper is None:
        return "of no paper"
    return "yes" if entry.paper.network else "another network"


def _section(entry: ZooEntry) -> Iterator[str]:
    made = entry.provenance
    yield f"## {entry.name}\n"
    yield f"{entry.description}.\n"
    if entry.paper is not None:
        yield f"- Not as in the paper: {entry.paper.differs}"
    yield f"- File: `weights/{entry.path.name}`, SHA-256 `{entry.sha256}`"
    yield f"- Network: {_settings(entry.network)}"
    yield f"- Settings that differ from the tracker's defaults: {_settings(_differing(entry)) or 'none'}"
    yield f"- Data: {made.data}"
    yield f"- Start: {made.start}"
    yield f"- Training: {made.steps:,} steps, seed {made.seed}, {made.hours:g} hours on {made.device}"
    yield f"- Commit: {made.commit}"
    yield from _measured(entry.scores)
    yield ""


def _differing(entry: ZooEntry) -> dict[str, Any]:
    """Those settings stored with the weights that are not the tracker's defaults, whatever else is stored."""
    return departures(read_config(CONFIGS[entry.tracker], entry.config, entry.name))


def _measured(scores: Scores | None) -> Iterator[str]:
    if scores is None:
        yield "- Not measured."
        return
    yield f"- Measured on: {scores.sequences}"
    yield f"- Machine: {scores.machine}; `{scores.command}`"
    yield f"- Tuned on: {scores.tuned_on}"


def _settings(values: Mapping[str, Any], before: str = "") -> str:
    """``key value`` pairs, of mappings inside mappings with dots between the keys."""
    pairs = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs.append(_settings(value, f"{before}{key}."))
        else:
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            pairs.append(f"{before}{key} {shown}")
    return ", ".join(pair for pair in pairs if pair)
