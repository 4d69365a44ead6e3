"""More than one run of each sequence: a tracker's luck with one first frame says little on few videos.

A sequence gives up to three: forward from its first frame, as in one-pass evaluation, forward from its middle one, and
backward from its last. VOT's anchors are a denser form of the same idea (Kristan et al., "The Eighth Visual Object
Tracking VOT2020 Challenge Results", ECCV workshops 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError

FIRST, MIDDLE, LAST = "first", "middle", "last"
STARTS = (FIRST, MIDDLE, LAST)
# Between a sequence's name and the start of one of its runs.
MARK = "@"
# Runs of fewer frames tell more of the first box than of the tracker.
SHORTEST = 10


def check_starts(starts: Sequence[str]) -> None:
    """See that there is a start, and none that is unknown.

    Raises:
        ConfigError: if not.
    """
    unknown = [start for start in starts if start not in STARTS]
    if unknown or not starts:
        found = f"{unknown[0]!r} is no start" if unknown else "no start was named"
        raise ConfigError(f"{found}; starts are {', '.join(STARTS)}: with all three, each sequence is run three times")


def from_starts(sequences: Iterable[VideoSequence], starts: Sequence[str]) -> list[VideoSequence]:
    """Every run of the sequences, as sequences of their own.

    Args:
        sequences: of any length.
        starts: some of ``STARTS``. Runs from ``middle`` and ``last`` are called ``NAME@middle`` and ``NAME@last``;
            they begin at the next frame, in their direction, with the target in it, and are left out where fewer than
            ``SHORTEST`` frames remain. The run from ``first`` is the sequence as it is, and keeps its name.

    Raises:
        ConfigError: if a start is unknown, there is none, or no run remains.
    """
    check_starts(starts)
    chosen = dict.fromkeys(starts)
    runs = [run for sequence in sequences for start in chosen if (run := _run(sequence, start)) is not None]
    if not runs:
        raise ConfigError(f"no sequence has {SHORTEST} frames to run from {' or '.join(chosen)}; add first to --starts")
    return runs


def without_start(name: str) -> str:
    """The name of a run's sequence."""
    head, mark, start = name.rpartition(MARK)
    return head if mark and start in STARTS else name


def _run(sequence: VideoSequence, start: str) -> VideoSequence | None:
    if start == FIRST:
        return sequence
    run = sequence.part(len(sequence) // 2, len(sequence)) if start == MIDDLE else sequence.backwards()
    seen = np.flatnonzero(~np.isnan(run.boxes).any(axis=1))
    if not seen.size or len(run) - seen[0] < SHORTEST:
        return None
    return replace(run.part(int(seen[0]), len(run)), name=f"{sequence.name}{MARK}{start}")
