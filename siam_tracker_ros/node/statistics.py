"""Counts, rates and delays of the last few seconds, for /diagnostics."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_RATE_WINDOW = 5.0
_SAMPLES = 300


@dataclass(frozen=True)
class Snapshot:
    """The figures at one moment.

    Attributes:
        frame_rate: images answered a second, over the last five seconds.
        received: images that came in since activation.
        processed: images that were answered.
        skipped: images that came while an earlier one was worked on and were overtaken by a newer one.
        refused: images among the processed ones that could not be read or searched.
        refusal: why, if the last processed one was refused; else empty.
        silence: seconds since the last image came in, or since activation before the first.
        latency_ms: median and 95th percentile from an image's receipt to its published tracks, over 300 images.
        update_ms: the same of the tracker's own part of that.
    """

    frame_rate: float
    received: int
    processed: int
    skipped: int
    refused: int
    refusal: str
    silence: float
    latency_ms: tuple[float, float]
    update_ms: tuple[float, float]


class Statistics:
    """Collects from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = self._processed = self._skipped = self._refused = 0
        self._refusal = ""
        self._last_receipt = time.monotonic()
        self._answered: deque[float] = deque(maxlen=1000)
        self._latencies: deque[float] = deque(maxlen=_SAMPLES)
        self._updates: deque[float] = deque(maxlen=_SAMPLES)

    def image_received(self, overtook: bool) -> None:
        """An image came in, and another that still waited was dropped for it or not."""
        with self._lock:
            self._received += 1
            self._skipped += overtook
            self._last_receipt = time.monotonic()

    def image_answered(self, received: float, update_seconds: float | None, refusal: str) -> None:
        """The tracks of an image were published.

        Args:
            received: when the image came, in seconds of ``time.monotonic``.
            update_seconds: how long the tracker itself took; None where there was nothing to track.
            refusal: why the image could not be read or searched, else empty.
        """
        now = time.monotonic()
        with self._lock:
            self._processed += 1
            self._refused += bool(refusal)
            self._refusal = refusal
            self._answered.append(now)
            self._latencies.append(now - received)
            if update_seconds is not None:
                self._updates.append(update_seconds)

    def snapshot(self) -> Snapshot:
        """The figures now."""
        now = time.monotonic()
        with self._lock:
            return Snapshot(
                frame_rate=_rate([moment for moment in self._answered if moment > now - _RATE_WINDOW]),
                received=self._received,
                processed=self._processed,
                skipped=self._skipped,
                refused=self._refused,
                refusal=self._refusal,
                silence=now - self._last_receipt,
                latency_ms=(percentile(self._latencies, 50) * 1e3, percentile(self._latencies, 95) * 1e3),
                update_ms=(percentile(self._updates, 50) * 1e3, percentile(self._updates, 95) * 1e3),
            )


def percentile(values: Sequence[float] | deque[float], percent: float) -> float:
    """The smallest value that at least ``percent`` (0..100) of the values do not exceed; NaN of no values."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(int(rank), 1) - 1]


def _rate(moments: list[float]) -> float:
    if len(moments) < 2 or moments[-1] == moments[0]:
        return 0.0
    return (len(moments) - 1) / (moments[-1] - moments[0])
