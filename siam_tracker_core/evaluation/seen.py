"""Which sequences a tracker has seen in training, as its weights' provenance names them; its score on the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.tuning_record import plain_name

# Under this key a provenance names what was trained on, also inside that of the weights it started from.
KEY = "sequences"


def trained_on(provenance: Any) -> set[str]:
    """Names of all sequences that weights have learned from, those of the weights they started from included.

    Args:
        provenance: of a weights file, with lists of names under ``sequences`` at any depth.
    """
    if isinstance(provenance, Mapping):
        own = provenance.get(KEY)
        names = {name for name in own if isinstance(name, str)} if isinstance(own, list) else set()
        return names.union(*(trained_on(value) for value in provenance.values()))
    if isinstance(provenance, list):
        return set().union(*(trained_on(value) for value in provenance))
    return set()


def seen_among(names: Iterable[str], provenance: Any) -> list[str]:
    """Those names that a provenance has, whatever their case and a benchmark's prefix, in their order.

    A track that ``siam-tracker label`` made of a video, ``NAME.2``, counts as its video.
    """
    known = {plain_name(name) for name in trained_on(provenance)}
    known |= {_video(name) for name in known}
    return [name for name in names if {plain_name(name), _video(plain_name(name))} & known]


def unseen_score(results: Sequence[SequenceResult], seen: Collection[str]) -> float | None:
    """Success AUC over the sequences that were not seen; None if all were."""
    others = [result for result in results if result.name not in seen]
    return otb.score(others).success_auc if others else None


def seen_warning(tracker: str, results: Sequence[SequenceResult], seen: Sequence[str]) -> str:
    """What a reader must know of a tracker that has seen sequences: its score with and without them."""
    every, others = otb.score(results).success_auc, unseen_score(results, seen)
    without = "there is no other" if others is None else f"{others:.3f} without them"
    return (
        f"{tracker} has seen {len(seen)} of these sequences in training ({', '.join(seen)}): success AUC "
        f"{every:.3f} with them, {without}."
    )


def _video(name: str) -> str:
    """The name without the number of a track at its end."""
    head, dot, number = name.rpartition(".")
    return head if dot and number.isdigit() else name
