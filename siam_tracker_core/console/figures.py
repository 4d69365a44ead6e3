"""Rates and delays of the last few seconds."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

_WINDOW = 5.0  # seconds over which a rate is taken
_SAMPLES = 300


class Figures:
    """Counts frames; may be read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moments: deque[float] = deque(maxlen=1000)
        self._delays: deque[float] = deque(maxlen=_SAMPLES)
        self.dropped = 0

    def add(self, seconds: float) -> None:
        """A frame was tracked, so many seconds after it was there."""
        with self._lock:
            self._moments.append(time.monotonic())
            self._delays.append(seconds)

    def clear(self) -> None:
        """Forget all, as when another tracker goes on."""
        with self._lock:
            self._moments.clear()
            self._delays.clear()

    @property
    def rate(self) -> float:
        """Frames a second over the last five seconds."""
        now = time.monotonic()
        with self._lock:
            recent = [moment for moment in self._moments if now - moment < _WINDOW]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0

    @property
    def latency_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile over the last 300 frames; None before the first."""
        with self._lock:
            if not self._delays:
                return None
            median, tail = np.percentile(np.array(self._delays) * 1e3, [50, 95])
        return float(median), float(tail)
