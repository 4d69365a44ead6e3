"""Whether a tracker says LOST when its target is gone, and only then, and how soon it finds the target again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.evaluation.results import SequenceResult, stretches
from siam_tracker_core.trackers.results import TrackState

# A tracker may take so many frames to notice that its target is gone, and so many to find it again.
NOTICE, RETURN = 10, 15
# IoU with the truth from which on a box is on the target.
FOUND = 0.5
# Of a tracker with a score and no state, a frame counts as LOST below the score that so many of its frames in sight
# stay below: as many false calls as a good tracker may make.
FALSE_CALLS = 0.02


@dataclass(frozen=True)
class LostCalls:
    """Counts over some sequences; shares are None where there is nothing to count.

    Attributes:
        in_sight: frames with the target in sight.
        called_lost: those of them that are LOST.
        hidden: frames without the target, but for the first ``NOTICE`` of each absence.
        noticed: those of them that are LOST.
        returns: times that the target came back after more than ``NOTICE`` frames.
        found: those of them after which a box that is not LOST is on the target within ``RETURN`` frames.
        delay: mean frames until then, of those found; NaN where none was.
    """

    in_sight: int
    called_lost: int
    hidden: int
    noticed: int
    returns: int
    found: int
    delay: float

    @property
    def false_calls(self) -> float | None:
        """Share of frames with the target in sight that are called LOST, 0..1."""
        return _share(self.called_lost, self.in_sight)

    @property
    def true_calls(self) -> float | None:
        """Share of frames without the target that are called LOST, after ``NOTICE`` frames; 0..1."""
        return _share(self.noticed, self.hidden)

    @property
    def found_again(self) -> float | None:
        """Share of returns that are found within ``RETURN`` frames, 0..1."""
        return _share(self.found, self.returns)

    def figures(self) -> dict[str, float | int | None]:
        """For JSON: the three shares, how many returns there were, and the delay in frames."""
        return {
            "false_calls": self.false_calls,
            "true_calls": self.true_calls,
            "returns": self.returns,
            "found_again": self.found_again,
            "delay": self.delay if self.found else None,
        }


def lost_calls(results: Sequence[SequenceResult]) -> LostCalls | None:
    """What a tracker said of its target's absences; None for one that gives neither states nor scores.

    Args:
        results: of one tracker. Where it gives scores and says TRACKING of all, those below their ``FALSE_CALLS``
            quantile in sight count as LOST, which is as good a threshold as these sequences have.
    """
    calls = _calls(results)
    if calls is None:
        return None
    in_sight = called_lost = hidden = noticed = 0
    delays: list[int | None] = []
    for result, lost in zip(results, calls, strict=True):
        present = result.present
        in_sight += int(present.sum())
        called_lost += int((lost & present).sum())
        on_target = np.nan_to_num(result.overlaps) >= FOUND
        for start, end in stretches(~present):
            late = slice(start + NOTICE, end)
            hidden += max(0, end - start - NOTICE)
            noticed += int(lost[late].sum())
            if end < len(present) and end - start > NOTICE:
                delays.append(_first(~lost[end : end + RETURN] & on_target[end : end + RETURN]))
    found = [delay for delay in delays if delay is not None]
    delay = float(np.mean(found)) if found else float("nan")
    return LostCalls(in_sight, called_lost, hidden, noticed, len(delays), len(found), delay)


def _calls(results: Sequence[SequenceResult]) -> list[NDArray[np.bool_]] | None:
    """Bool (N,) for each sequence, the frames that are LOST."""
    said = {state for result in results for state in result.states[1:]} - {None, TrackState.TRACKING.value}
    if said:
        return [result.in_state(TrackState.LOST) for result in results]
    seen = np.concatenate([result.scores[1:][result.present[1:]] for result in results]) if results else np.empty(0)
    if not np.isfinite(seen).any():
        return None
    threshold = np.nanquantile(seen, FALSE_CALLS)
    return [np.nan_to_num(result.scores, nan=np.inf) < threshold for result in results]


def _first(flags: NDArray[np.bool_]) -> int | None:
    places = np.flatnonzero(flags)
    return int(places[0]) if places.size else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
