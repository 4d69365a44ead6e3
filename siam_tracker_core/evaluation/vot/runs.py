"""What one tracker did on one sequence under VOT's supervision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.vot.polygons import Region, overlaps

SAME_OVERLAP = 0.99999


class FrameCode(IntEnum):
    """What a frame of a run is; the first three are the codes of VOT's result files."""

    UNKNOWN = 0
    INITIALISED = 1
    FAILED = 2
    TRACKED = 3


@dataclass(frozen=True, eq=False)
class SupervisedRun:
    """One repetition of one tracker on one sequence.

    Attributes:
        sequence: the sequence's name.
        repetition: counted from 1.
        regions: N entries: the tracker's box (4,) or polygon (corners, 2), float64 pixels, in the frames whose code is
            ``TRACKED``, and None in the others.
        codes: int8 (N,), a ``FrameCode`` each. ``UNKNOWN`` are the frames that were skipped after a failure, and those
            without a target in which the tracker gave no box.
        seconds: float64 (N,), time of each ``init`` and ``update``; NaN where the tracker was not asked.
    """

    sequence: str
    repetition: int
    regions: tuple[Region | None, ...]
    codes: NDArray[np.int8]
    seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        count = len(self.regions)
        if self.codes.shape != (count,) or self.seconds.shape != (count,):
            raise DatasetError(
                f"run of {self.sequence}: {count} regions, codes of shape {self.codes.shape} and seconds of shape "
                f"{self.seconds.shape}; there must be one a frame"
            )
        tracked = np.array([region is not None for region in self.regions], dtype=bool)
        if (tracked != (self.codes == FrameCode.TRACKED)).any():
            raise DatasetError(f"run of {self.sequence}: a region belongs to each TRACKED frame and to no other")

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def failures(self) -> int:
        """How often the tracker failed."""
        return int((self.codes == FrameCode.FAILED).sum())

    def same_as(self, other: SupervisedRun) -> bool:
        """Whether both are the same but for time, by vot-toolkit's measure: overlap of at least 0.99999 everywhere.

        Source: votchallenge/toolkit:vot/tracker/results.py, ``Trajectory.equals``.
        """
        if len(self) != len(other) or (self.codes != other.codes).any():
            return False
        tracked = np.flatnonzero(self.codes == FrameCode.TRACKED)
        ours, theirs = ([run.regions[frame] for frame in tracked] for run in (self, other))
        return bool((overlaps(ours, theirs) >= SAME_OVERLAP).all())


def truth_regions(sequence: Sequence) -> tuple[Region | None, ...]:
    """What a tracker is measured against in each frame: the polygon if there are polygons, else the box, or None."""
    if sequence.polygons is not None:
        return sequence.polygons
    return tuple(None if np.isnan(box).any() else box for box in sequence.boxes)
