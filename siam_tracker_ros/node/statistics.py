"""Counts, rates and delays of the last few seconds, for /diagnostics."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_RATE_WINDOW = 5.0
_SAMPLES = 300
_RECEIPTS = 30


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
        tracking_ms, lost_ms: ``update_ms`` of the images in which no target was lost, and of those in which one was.
        period: seconds between two images, as they come in; NaN until a few have come.
        late: images whose tracks were published after the deadline.
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
    tracking_ms: tuple[float, float]
    lost_ms: tuple[float, float]
    period: float
    late: int


class Statistics:
    """Collects from several threads.

    Args:
        deadline: seconds from an image's receipt to its published tracks; 0 for the time between two images.
    """

    def __init__(self, deadline: float = 0.0) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._received = self._processed = self._skipped = self._refused = self._late = 0
        self._receipts: deque[float] = deque(maxlen=_RECEIPTS)
        self._refusal = ""
        self._last_receipt = time.monotonic()
        self._answered: deque[float] = deque(maxlen=1000)
        self._latencies: deque[float] = deque(maxlen=_SAMPLES)
        self._updates: deque[float] = deque(maxlen=_SAMPLES)
        self._tracking: deque[float] = deque(maxlen=_SAMPLES)
        self._lost: deque[float] = deque(maxlen=_SAMPLES)

    def image_received(self, overtook: bool, received: float | None = None) -> None:
        """An image came in, and another that still waited was dropped for it or not.

        Args:
            overtook: whether one was.
            received: when it came, in seconds of ``time.monotonic``; now by default.
        """
        with self._lock:
            self._received += 1
            self._skipped += overtook
            self._last_receipt = time.monotonic() if received is None else received
            self._receipts.append(self._last_receipt)

    def image_answered(
        self, received: float, update_seconds: float | None, refusal: str = "", lost: bool = False
    ) -> None:
        """The tracks of an image were published.

        Args:
            received: when the image came, in seconds of ``time.monotonic``.
            update_seconds: how long the tracker itself took; None where there was nothing to track.
            refusal: why the image could not be read or searched, else empty.
            lost: whether a target was looked for and not found in it.
        """
        now = time.monotonic()
        with self._lock:
            self._processed += 1
            self._refused += bool(refusal)
            self._refusal = refusal
            self._answered.append(now)
            self._latencies.append(now - received)
            deadline = self._deadline or self._period()
            self._late += now - received > deadline  # never of a deadline that is not known yet
            if update_seconds is not None:
                self._updates.append(update_seconds)
                (self._lost if lost else self._tracking).append(update_seconds)

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
                latency_ms=_milliseconds(self._latencies),
                update_ms=_milliseconds(self._updates),
                tracking_ms=_milliseconds(self._tracking),
                lost_ms=_milliseconds(self._lost),
                period=self._period(),
                late=self._late,
            )

    def _period(self) -> float:
        """The median time between images: one that comes late, or twice, does not move it."""
        if len(self._receipts) < 3:
            return float("nan")
        return percentile([b - a for a, b in itertools.pairwise(self._receipts)], 50)


def _milliseconds(seconds: deque[float]) -> tuple[float, float]:
    return percentile(seconds, 50) * 1e3, percentile(seconds, 95) * 1e3


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
