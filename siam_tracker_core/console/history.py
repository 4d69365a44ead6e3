"""Scores of the last minute, so that a client that comes late sees them too."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from siam_tracker_core.console.picture import TargetView

SPAN = 60.0  # seconds
_STEP = 0.25  # seconds between two samples


class ScoreHistory:
    """Keeps at most four samples a second of each target, and forgets targets that are gone.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: dict[int, deque[tuple[float, float]]] = {}

    def add(self, targets: Iterable[TargetView]) -> None:
        """Take in the targets of a frame."""
        now = self._clock()
        with self._lock:
            former, self._samples = self._samples, {}
            for target in targets:
                samples = former.get(target.id) or deque(maxlen=round(SPAN / _STEP) + 1)
                if not samples or now - samples[-1][0] >= _STEP:
                    samples.append((now, target.score))
                self._samples[target.id] = samples

    def recent(self) -> dict[int, list[tuple[float, float]]]:
        """For each target its samples of the last minute: seconds ago, and score in 0..1; oldest first."""
        now = self._clock()
        with self._lock:
            return {
                target: [(round(now - when, 2), round(score, 3)) for when, score in samples if now - when <= SPAN]
                for target, samples in self._samples.items()
            }
