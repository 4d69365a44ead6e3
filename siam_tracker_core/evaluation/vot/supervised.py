"""VOT's supervised experiment: start again some frames after each failure.

Rules, from votchallenge/toolkit:vot/experiment/multirun.py ``SupervisedExperiment`` with the values of vot/stack:

- the tracker fails in a frame in which its region and the truth do not overlap inside the image (overlap <= 0), and is
  started again 5 frames later; the frames between are not tracked.
- no answer, or one with NaN or infinite numbers, overlaps nothing, so it is a failure.
- a frame without truth can neither fail a tracker nor start one: starting moves on to the next frame with a target.
  VOT's own sets have no such frame; the rule is that of the MATLAB toolkit, where an overlap with NaN is NaN.
- a tracker that raises loses its sequence: what it would have done in the rest cannot be known.

VOT-2015 to 2019 repeat it 15 times. A tracker that is known to be deterministic (``is_deterministic``) runs once; of
others vot-toolkit takes three equal runs as proof that all would be equal, and so does ``evaluate_vot``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.one_pass import Progress, TrackerCrash
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.evaluation.vot.driver import Clock, Driver, Measured
from siam_tracker_core.evaluation.vot.polygons import Region, Rule, overlap
from siam_tracker_core.evaluation.vot.runs import FrameCode, SupervisedRun, truth_regions
from siam_tracker_core.geometry import Box
from siam_tracker_core.peers import DETERMINISTIC, Peer

Answer = TypeVar("Answer")

REPETITIONS = 15
EQUAL_RUNS = 3


@dataclass(frozen=True)
class Supervision:
    """When a tracker has failed and what follows.

    Attributes:
        skip: frames from a failure to the next start, at least 1.
        failure_overlap: overlap up to which the tracker has failed.
        bounded: count only what lies inside the image; see ``polygons.overlaps``.
        rule: how overlap is measured; see ``polygons.overlaps``.
    """

    skip: int = 5
    failure_overlap: float = 0.0
    bounded: bool = True
    rule: Rule = "exact"

    def __post_init__(self) -> None:
        if self.skip < 1:
            raise ConfigError(f"skip is {self.skip}; give 1 or more frames from a failure to the next start")
        if not 0 <= self.failure_overlap < 1:
            raise ConfigError(f"failure_overlap is {self.failure_overlap}; give a number from 0 up to, and without, 1")
        if self.rule not in ("exact", "raster"):
            raise ConfigError(f"rule is {self.rule!r}; use exact or raster")


def is_deterministic(tracker: FrameTracker) -> bool:
    """Whether a tracker is known to give the same regions each time, so that one repetition tells all.

    True for one with an attribute ``deterministic = True``, which the trackers of this package have on the CPU if they
    draw no random numbers (``Tracker.deterministic``). Of published ones only MIL draws its samples at random.
    """
    claimed = getattr(tracker, "deterministic", None)
    if claimed is not None:
        return claimed is True
    return isinstance(tracker, Peer) and tracker.name in DETERMINISTIC


def run_supervised(
    tracker: FrameTracker,
    sequence: Sequence,
    repetition: int = 1,
    *,
    supervision: Supervision | None = None,
    clock: Clock = time.perf_counter,
    progress: Progress | None = None,
) -> SupervisedRun:
    """Run a tracker through a sequence, starting it again after each failure.

    Args:
        tracker: anything with ``init`` and ``update``; see ``driver.Measured``.
        sequence: at least one frame must show the target.
        repetition: the number that the run gets.
        supervision: VOT's by default.
        clock: gives seconds.
        progress: called with the number of frames that are done, whenever there are some.

    Raises:
        DatasetError: if the sequence is empty or never shows a target, or an image cannot be read.
        TrackerCrash: if the tracker raises.
    """
    return supervise(Measured(tracker, clock), sequence, repetition, supervision or Supervision(), progress)


def supervise(
    driver: Driver,
    sequence: Sequence,
    repetition: int,
    supervision: Supervision,
    progress: Progress | None = None,
) -> SupervisedRun:
    """``run_supervised`` with any way of asking the tracker."""
    truth = truth_regions(sequence)
    starts = [frame for frame, region in enumerate(truth) if region is not None]
    if not starts:
        what = "no frame of it has a target to start from" if len(sequence) else "it has no frame"
        raise DatasetError(f"sequence {sequence.name} cannot be evaluated: {what}")
    record = _Record(len(sequence), progress)
    frame: int | None = starts[0]
    while frame is not None:
        failed_at = _follow(driver, sequence, truth, frame, supervision, record)
        earliest = len(sequence) if failed_at is None else failed_at + supervision.skip
        frame = next((start for start in starts if start >= earliest), None)
    record.advance(len(sequence))
    return SupervisedRun(sequence.name, repetition, tuple(record.regions), record.codes, record.seconds)


class _Record:
    """What is written down while a run goes on."""

    def __init__(self, count: int, progress: Progress | None) -> None:
        self.regions: list[Region | None] = [None] * count
        self.codes = np.zeros(count, dtype=np.int8)
        self.seconds = np.full(count, np.nan)
        self._progress = progress
        self._done = 0

    def advance(self, done: int) -> None:
        if self._progress is not None and done > self._done:
            self._progress(done - self._done)
        self._done = done


def _follow(
    driver: Driver,
    sequence: Sequence,
    truth: tuple[Region | None, ...],
    start: int,
    supervision: Supervision,
    record: _Record,
) -> int | None:
    """Start in one frame and go on until the tracker fails, or the sequence ends: the frame of the failure, or None."""
    image = sequence.image(start)
    size = (image.shape[1], image.shape[0]) if supervision.bounded else None
    box = Box.from_array(sequence.boxes[start])
    record.seconds[start] = _asked(sequence, start, partial(driver.init, image, box))
    record.codes[start] = FrameCode.INITIALISED
    record.advance(start + 1)
    for frame in range(start + 1, len(sequence)):
        ask = partial(driver.update, partial(sequence.image, frame))
        region, record.seconds[frame] = _asked(sequence, frame, ask)
        target = truth[frame]
        reached = 0.0 if region is None or target is None else overlap(region, target, size, supervision.rule)
        record.advance(frame + 1)
        if target is not None and reached <= supervision.failure_overlap:
            record.codes[frame] = FrameCode.FAILED
            return frame
        if region is not None:
            record.codes[frame] = FrameCode.TRACKED
            record.regions[frame] = region
    return None


def _asked(sequence: Sequence, frame: int, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except DatasetError:
        raise
    except Exception as error:
        raise TrackerCrash.at(frame, len(sequence), error) from error
