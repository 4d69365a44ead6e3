"""Asking a tracker, frame by frame, with the time that each answer takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import BoxError
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.evaluation.vot.polygons import Region
from siam_tracker_core.geometry import Box

Image = NDArray[np.uint8]
Clock = Callable[[], float]


class Driver(Protocol):
    """Who asks the tracker, and says what counts as its answer."""

    def init(self, image: Image, box: Box) -> float:
        """Start on a target; gives the seconds that it took."""

    def update(self, read: Callable[[], Image]) -> tuple[Region | None, float]:
        """The answer for the next frame, None for none, and the seconds that it took, NaN if nobody was asked.

        ``read`` gives the frame, and is called only if the tracker is to see it.
        """


class Measured:
    """Asks about every frame and measures with a clock.

    Args:
        tracker: anything with ``init(image, box)`` and ``update(image)``, as ``runner.run_sequence`` takes; its answers
            may also have ``.polygon``, or be, an array (corners, 2).
        clock: gives seconds. A clock that the tracker itself sets forward makes times that are the same everywhere.
    """

    def __init__(self, tracker: FrameTracker, clock: Clock = time.perf_counter) -> None:
        self._tracker = tracker
        self._clock = clock

    def init(self, image: Image, box: Box) -> float:
        started = self._clock()
        self._tracker.init(image, box)
        return self._clock() - started

    def update(self, read: Callable[[], Image]) -> tuple[Region | None, float]:
        image = read()
        started = self._clock()
        answer = self._tracker.update(image)
        seconds = self._clock() - started
        return read_answer(answer), seconds


def read_answer(answer: Any) -> Region | None:
    """The region in whatever a tracker's ``update`` gives: a box (4,), a polygon (corners, 2), or None for no answer.

    Raises:
        BoxError: if there are numbers, but neither four nor two a corner.
    """
    polygon = getattr(answer, "polygon", None)
    region = getattr(answer, "box", answer) if polygon is None else polygon
    if region is None:
        return None
    values = np.array(region.to_array() if isinstance(region, Box) else region, dtype=np.float64)
    if not (values.shape == (4,) or (values.ndim == 2 and len(values) >= 3 and values.shape[1] == 2)):
        raise BoxError(f"a region needs 4 numbers, or 2 for each of 3 corners or more; got shape {values.shape}")
    return values if np.isfinite(values).all() else None
