"""How far one tracker is behind another, and how sure that is: paired over the sequences that both have finished.

Sequences differ far more than trackers do, so the spread of each tracker's own scores says little. Pairing takes the
sequences' difficulty out. Runs of one sequence from several starts are averaged first, since they are no independent
samples of footage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.starts import without_start


@dataclass(frozen=True)
class Behind:
    """What a tracker lacks to another.

    Attributes:
        success_auc: mean difference of success AUC over the sequences; positive where the other is better.
        standard_error: of that mean; None of a single sequence. A difference below twice its standard error may be
            chance.
        sequences: that both have finished.
        better_on: those of them on which this one has the higher success AUC.
    """

    success_auc: float
    standard_error: float | None
    sequences: int
    better_on: int

    def figures(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def success_by_sequence(results: Sequence[SequenceResult]) -> dict[str, float]:
    """Success AUC of each sequence, the mean over its starts."""
    runs: dict[str, list[float]] = {}
    for result in results:
        runs.setdefault(without_start(result.name), []).append(otb.score_sequence(result).success_auc)
    return {name: float(np.mean(scores)) for name, scores in runs.items()}


def behind(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Behind | None:
    """How far one tracker is behind another; None where they share no sequence.

    Args:
        ours: what ``success_by_sequence`` gives of the one.
        theirs: and of the other.
    """
    common = [name for name in ours if name in theirs]
    if not common:
        return None
    lacks = np.array([theirs[name] - ours[name] for name in common])
    error = float(lacks.std(ddof=1) / np.sqrt(len(lacks))) if len(lacks) > 1 else None
    return Behind(float(lacks.mean()), error, len(lacks), int((lacks < 0).sum()))


def with_error(figures: Mapping[str, Any]) -> str:
    """A difference and its standard error, as far as there is one, of what ``Behind.figures`` gives."""
    error = figures["standard_error"]
    return f"{figures['success_auc']:.3f}" + ("" if error is None else f" ± {error:.3f}")
