"""VOT's real-time experiment: supervised, with frames that do not wait for the tracker.

Rules, from votchallenge/toolkit:vot/tracker/__init__.py ``RealtimeTrackerRuntime``:

- a frame comes every ``1 / rate`` seconds. An answer that takes longer counts for its own frame, and then as the
  last box for each frame that came while the tracker was still busy; those frames it never sees.
- what is left of the time after the last such frame, up to one interval, is forgiven: the tracker then starts on the
  newest frame as if it had just come.
- after each start the first ``grace`` late answers, that of the start among them, cost no frame.

The MATLAB toolkit that ran VOT-2017 differs in details (votchallenge/toolkit-legacy:experiment/experiment_realtime.m:
a late answer counts from the frame in which it comes, and grace lasts for three frames, late or not). Its default is 25
frames a second, as here, but the stack of VOT-2017 sets 20 (stacks/stack_vot2017.m), and vot-toolkit takes what the
sequence says, else 20: give ``rate=20`` to compare with published figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.one_pass import Progress
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.evaluation.vot.driver import Clock, Driver, Image, Measured
from siam_tracker_core.evaluation.vot.polygons import Region
from siam_tracker_core.evaluation.vot.runs import SupervisedRun
from siam_tracker_core.evaluation.vot.supervised import Supervision, supervise
from siam_tracker_core.geometry import Box


@dataclass(frozen=True)
class RealTime:
    """The clock that a tracker has to keep up with.

    Attributes:
        rate: frames per second.
        grace: late answers after each start that cost nothing.
    """

    rate: float = 25.0
    grace: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ConfigError(f"rate is {self.rate}; give frames per second above 0, such as 25")
        if self.grace < 0:
            raise ConfigError(f"grace is {self.grace}; give 0 or more late answers")


def run_realtime(
    tracker: FrameTracker,
    sequence: Sequence,
    repetition: int = 1,
    *,
    real_time: RealTime | None = None,
    supervision: Supervision | None = None,
    clock: Clock = time.perf_counter,
    progress: Progress | None = None,
) -> SupervisedRun:
    """Run a tracker through a sequence as if the frames came from a camera; nothing waits, time is only counted.

    Args:
        tracker: anything with ``init`` and ``update``; see ``driver.Measured``.
        sequence: at least one frame must show the target.
        repetition: the number that the run gets.
        real_time: 25 frames per second and a grace of 3 by default.
        supervision: VOT's by default.
        clock: gives seconds; with one that the tracker sets forward itself the run is the same on every machine.
        progress: called with the number of frames that are done, whenever there are some.

    Returns:
        The run; ``seconds`` is NaN in the frames that the tracker did not see.

    Raises:
        DatasetError: if the sequence is empty or never shows a target, or an image cannot be read.
        TrackerCrash: if the tracker raises.
    """
    driver = Hurried(Measured(tracker, clock), real_time or RealTime())
    return supervise(driver, sequence, repetition, supervision or Supervision(), progress)


class Hurried:
    """Asks a driver only about the frames that it is in time for."""

    def __init__(self, driver: Driver, real_time: RealTime) -> None:
        self._driver = driver
        self._interval = 1.0 / real_time.rate
        self._grace = real_time.grace
        self._grace_left = 0
        self._behind = 0.0
        self._last: Region | None = None

    def init(self, image: Image, box: Box) -> float:
        seconds = self._driver.init(image, box)
        self._grace_left = self._grace
        self._last = box.to_array()
        self._count(seconds)
        return seconds

    def update(self, read: Callable[[], Image]) -> tuple[Region | None, float]:
        if self._behind > self._interval:
            self._behind -= self._interval
            return self._last, math.nan
        self._last, seconds = self._driver.update(read)
        self._count(seconds)
        return self._last, seconds

    def _count(self, seconds: float) -> None:
        self._behind = 0.0
        if seconds <= self._interval:
            return
        if self._grace_left > 0:
            self._grace_left -= 1
        else:
            self._behind = seconds - self._interval
