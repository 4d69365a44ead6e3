"""Scores by attribute: the mean over the sequences that a data set labels with it, as OTB's benchmark reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from siam_tracker_core.config import read_yaml
from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.summary import Results

# Wu, Lim, Yang (PAMI 2015), table 2; LaSOT, UAV123 and DTB70 use these codes and some of their own.
ATTRIBUTE_NAMES = {
    "IV": "illumination variation",
    "SV": "scale variation",
    "OCC": "occlusion",
    "DEF": "deformation",
    "MB": "motion blur",
    "FM": "fast motion",
    "IPR": "in-plane rotation",
    "OPR": "out-of-plane rotation",
    "OV": "out of view",
    "BC": "background clutters",
    "LR": "low resolution",
    "ARC": "aspect ratio change",
    "ARV": "aspect ratio variation",
    "FCM": "fast camera motion",
    "SOA": "similar objects around",
    "CM": "camera motion",
    "FOC": "full occlusion",
    "POC": "partial occlusion",
    "FOR": "full occlusion or out of view",
    "SOB": "similar objects around",
    "VC": "viewpoint change",
    "ROT": "rotation",
}

Labels = Mapping[str, frozenset[str]]


def with_attributes(sequences: Sequence[VideoSequence], path: Path) -> list[VideoSequence]:
    """Sequences with the attributes that a file gives them, in place of those of their data set.

    Args:
        sequences: to label; those that the file does not name keep what they have.
        path: a YAML file of codes by the sequences' names, such as ``Crossing: SV DEF FM OPR BC``.

    Raises:
        ConfigError: if the file is no such mapping, or names none of the sequences.
    """
    table = read_yaml(path)
    for name, codes in table.items():
        if not isinstance(codes, str):
            raise ConfigError(f"{path}: {name} has {codes!r}; expected codes with spaces between them, such as SV DEF")
    if not any(sequence.name in table for sequence in sequences):
        names = ", ".join(sequence.name for sequence in sequences[:3])
        raise ConfigError(f"{path} names none of the sequences ({names}...)")
    return [
        replace(sequence, attributes=frozenset(table[sequence.name].split())) if sequence.name in table else sequence
        for sequence in sequences
    ]


@dataclass(frozen=True)
class AttributeScores:
    """The trackers on the sequences with one attribute.

    Attributes:
        code: the data set's label, e.g. "OCC".
        sequences: how many sequences that any tracker finished carry it.
        scores: each tracker's mean over those that it finished; trackers that finished none are left out.
    """

    code: str
    sequences: int
    scores: Mapping[str, otb.Scores]

    @property
    def title(self) -> str:
        """The label in words as far as they are known, with the number of sequences, e.g. "occlusion (29)"."""
        return f"{ATTRIBUTE_NAMES.get(self.code, self.code)} ({self.sequences})"


def by_attribute(results: Results, labels: Labels) -> list[AttributeScores]:
    """Scores for each attribute, the most frequent first.

    Args:
        results: each tracker's results.
        labels: the attributes of each sequence by its name; sequences that are not in it have none.
    """
    scored = {
        tracker: {result.name: otb.score_sequence(result) for result in of_tracker}
        for tracker, of_tracker in results.items()
    }
    ran = {name for of_tracker in scored.values() for name in of_tracker}
    codes = {code for name in ran for code in labels.get(name, ())}
    table = []
    for code in codes:
        members = {name for name in ran if code in labels.get(name, ())}
        scores = {
            tracker: otb.mean_scores(chosen)
            for tracker, of_tracker in scored.items()
            if (chosen := [of_tracker[name] for name in of_tracker if name in members])
        }
        table.append(AttributeScores(code, len(members), scores))
    return sorted(table, key=lambda row: (-row.sequences, row.code))
