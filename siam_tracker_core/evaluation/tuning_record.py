"""What was tuned on what: a record in the comments at the head of a settings file, so that it never gets lost.

Settings that others published have ``by`` in it, who tuned them; they are for other weights, and name no sequences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from siam_tracker_core.datasets import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.starts import without_start
from siam_tracker_core.files import read_text, write_text

_TITLE = "# Settings found by siam-tracker tune. siam-tracker evaluate reads the record below; keep it with them."
_START = "# tuning:"


def fingerprint(sequence: VideoSequence) -> str:
    """Sixteen hexadecimal digits that tell a sequence by its first ten boxes, to a thousandth of a pixel.

    Names do not matter, nor whether the sequence was cut.
    """
    boxes = sequence.boxes[:10].round(3) + 0.0  # one zero only
    return hashlib.sha256(boxes.astype("<f8").tobytes()).hexdigest()[:16]


def plain_name(name: str) -> str:
    """A sequence's name without case, a data set's prefix and a run's start: "vot_bag" and "Bag@last" are one."""
    lowered = without_start(name).lower()
    prefix, underscore, rest = lowered.partition("_")
    return rest if underscore and prefix.rstrip("0123456789") in ("otb", "vot", "tb") else lowered


def write_settings(path: Path, settings: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write settings as YAML with the record in comments above them; the file appears whole or not at all."""
    commented = [f"# {line}" for line in yaml.safe_dump({"tuning": dict(record)}, sort_keys=False).splitlines()]
    text = "\n".join([_TITLE, *commented, "", yaml.safe_dump(dict(settings), sort_keys=False)])
    write_text(path, text)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record in a settings file; None where it has none, i.e. where people wrote it.

    Raises:
        ConfigError: if the file is missing or the record has been damaged.
    """
    lines = read_text(path, ConfigError).splitlines()
    if _START not in lines:
        return None
    commented = []
    for line in lines[lines.index(_START) :]:
        if not line.startswith("#"):
            break
        commented.append(line[2:])
    try:
        record = yaml.safe_load("\n".join(commented))["tuning"]
        if not isinstance(record["tuned_on"], str) or not isinstance(record["sequences"], dict):
            raise TypeError("of another type")
    except (yaml.YAMLError, KeyError, TypeError):
        raise ConfigError(f"{path}: the record of tuning in its comments is damaged; take it out altogether") from None
    return dict(record)


def tuned_among(record: Mapping[str, Any], sequences: Sequence[VideoSequence]) -> list[str]:
    """Names of those sequences, by name or by content, that the settings were tuned on."""
    names = {plain_name(name) for name in record["sequences"]}
    contents = set(record["sequences"].values())
    return [
        sequence.name
        for sequence in sequences
        if plain_name(sequence.name) in names or fingerprint(sequence) in contents
    ]
