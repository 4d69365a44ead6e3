"""One frame with the targets in it: what the console shows at one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core import ResponseMap, TrackState
from siam_tracker_core.geometry import Box

BgrImage = NDArray[np.uint8]


@dataclass(frozen=True)
class TargetView:
    """One target in one frame.

    Attributes:
        id: of the target, positive.
        label: free text.
        box: in pixels of the frame.
        score: confidence in 0..1.
        state: how far the box can be trusted.
        age: frames since the target was set.
        reason: why the state is not TRACKING, in words; empty otherwise.
        learning: whether the tracker learns from this frame, and why; empty where it decides nothing about it.
    """

    id: int
    label: str
    box: Box
    score: float
    state: TrackState
    age: int = 0
    reason: str = ""
    learning: str = ""


class Picture:
    """A frame that is decoded when the first client wants it, and only once.

    Args:
        stamp: the frame's own time in nanoseconds, by which requests name it.
        received: when the console got it, in seconds of ``time.time``.
        decode: gives uint8 (H, W, 3) BGR; may raise ``SiamTrackerError``.
        targets: those that are up to date with this frame.
        responses: response maps of this frame by target.
    """

    def __init__(
        self,
        stamp: int,
        received: float,
        decode: Callable[[], BgrImage],
        targets: tuple[TargetView, ...] = (),
        responses: Mapping[int, ResponseMap] | None = None,
    ) -> None:
        self.stamp = stamp
        self.received = received
        self.targets = targets
        self.responses = dict(responses or {})
        self.number = 0  # given by the feed
        self._decode = decode
        self._lock = threading.Lock()
        self._pixels: BgrImage | None = None

    @property
    def pixels(self) -> BgrImage:
        """uint8 (H, W, 3) BGR.

        Raises:
            SiamTrackerError: if the frame cannot be decoded.
        """
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decode()
            return self._pixels
