"""The frames of the last moments, so that a target drawn on one of them can start there."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from siam_tracker_core.console.picture import BgrImage
from siam_tracker_core.console.session import RequestRefused

_MOST_FRAMES = 150
_MOST_BYTES = 96 * 2**20


@dataclass(frozen=True)
class ReelFrame:
    """One frame.

    Attributes:
        stamp: in nanoseconds, unlike that of any other frame.
        pixels: uint8 (H, W, 3) BGR.
    """

    stamp: int
    pixels: BgrImage


class Reel:
    """Keeps the newest frames, up to a number and a size in memory."""

    def __init__(self, most_frames: int = _MOST_FRAMES, most_bytes: int = _MOST_BYTES) -> None:
        self._frames: deque[ReelFrame] = deque()
        self._most_frames, self._most_bytes = most_frames, most_bytes
        self._bytes = 0

    def add(self, frame: ReelFrame) -> None:
        """Keep a frame; the oldest go when there are too many."""
        self._frames.append(frame)
        self._bytes += frame.pixels.nbytes
        while len(self._frames) > self._most_frames or (self._bytes > self._most_bytes and len(self._frames) > 1):
            self._bytes -= self._frames.popleft().pixels.nbytes

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()
        self._bytes = 0

    def since(self, stamp: int) -> list[ReelFrame]:
        """The frame of a stamp and all after it; the newest alone for 0.

        Raises:
            RequestRefused: if it is not kept.
        """
        if not self._frames:
            raise RequestRefused("there is no picture yet to draw a target on")
        if stamp == 0:
            return [self._frames[-1]]
        for index, frame in enumerate(self._frames):
            if frame.stamp == stamp:
                return list(self._frames)[index:]
        seconds = (self._frames[-1].stamp - self._frames[0].stamp) / 1e9
        raise RequestRefused(
            f"the picture that the box was drawn on is not kept any more; only the last {seconds:.1f} seconds are. "
            "Draw it again"
        )
