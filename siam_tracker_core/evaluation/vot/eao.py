"""Expected average overlap: what a tracker reaches on average on sequences of a typical length.

Definition: Kristan et al., "The Visual Object Tracking VOT2015 challenge results" (ICCVW 2015), section 4; details
as in votchallenge/toolkit:vot/analysis/supervised.py ``compute_eao_curve``, whose numbers count.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.vot.runs import FrameCode, SupervisedRun

FloatArray = NDArray[np.float64]

# low and high of the typical lengths; votchallenge/toolkit:vot/stack/*.yaml
INTERVALS = {"2015": (108, 371), "2016": (108, 371), "2017": (100, 356), "2018": (100, 356), "2019": (46, 291)}


class Segment(NamedTuple):
    """A stretch from a start of the tracker to its next failure, or to the end of the sequence.

    Attributes:
        overlaps: float64 (length,), 0 in the frame of the start, which is never averaged.
        failed: whether a failure ended it; the frame of the failure is not part of it.
    """

    overlaps: FloatArray
    failed: bool


def interval_of(year: str) -> tuple[int, int]:
    """The typical lengths of a year's challenge: low, high, both included.

    Raises:
        ConfigError: for a year without one.
    """
    if year not in INTERVALS:
        raise ConfigError(f"there is no VOT-{year} with a supervised EAO here; known are {', '.join(INTERVALS)}")
    return INTERVALS[year]


def segments(run: SupervisedRun, overlaps: FloatArray) -> list[Segment]:
    """The stretches of one run.

    Args:
        run: N frames.
        overlaps: float64 (N,) with the truth; NaN, as in frames without truth, counts as 0.
    """
    values = np.nan_to_num(overlaps, nan=0.0)
    starts = np.flatnonzero(run.codes == FrameCode.INITIALISED)
    failures = np.flatnonzero(run.codes == FrameCode.FAILED)
    found = []
    for start, following in zip(starts, [*starts[1:], len(run)], strict=True):
        inside = failures[(failures > start) & (failures < following)]
        stop = inside[0] if inside.size else len(run)
        found.append(Segment(values[start:stop], bool(inside.size)))
    return found


def eao_curve(parts: Many[Segment]) -> FloatArray:
    """Expected average overlap for each length.

    Entry ``n`` is the mean, over the segments that say something of ``n`` frames after their start, of their mean
    overlap in these frames. A segment that ended in failure says something of every length: the overlap after it is
    0. Another one says nothing past its end. Every segment weighs the same.

    Returns:
        float64 (longest,) in 0..1; entry 0, a length without any frame after the start, is 0.

    Raises:
        DatasetError: if there is no segment.
    """
    if not parts:
        raise DatasetError("there is no run to take an expected average overlap of")
    longest = max(len(part.overlaps) for part in parts)
    values = np.zeros((len(parts), longest))
    for row, part in zip(values, parts, strict=True):
        row[1 : len(part.overlaps)] = part.overlaps[1:]
    lengths = np.array([longest if part.failed else len(part.overlaps) for part in parts])
    counted = np.arange(longest) < lengths[:, None]
    means = values.cumsum(axis=1) / np.maximum(np.arange(longest), 1)
    curve: FloatArray = (means * counted).sum(axis=0) / counted.sum(axis=0)
    return curve


def eao(curve: FloatArray, interval: tuple[int, int]) -> float:
    """The mean of the curve over an interval of lengths, both ends included; over its part that the curve covers.

    The curve ends with the longest stretch, so a tracker that never lasted as long as the interval's end is judged by
    shorter lengths, and one that never lasted to its start cannot be judged: as in vot-toolkit (``EAOScore``).

    Returns:
        In 0..1; NaN if every segment is too short for the interval.
    """
    covered = curve[interval[0] : interval[1] + 1]
    return float(covered.mean()) if covered.size else float("nan")
