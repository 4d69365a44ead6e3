"""The numbers of a video's frames, also where some of them cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise


class FrameNumbers:
    """Gives each frame that was read its number in the video.

    A frame that cannot be decoded leaves a gap in time, so frames are numbered by their time stamps. The frames of some
    videos do not come at equal times, though: where all of them can be decoded they are simply counted.

    Args:
        rate: frames a second.
        count: how many frames the container says it has; None where it does not.
        found: for an AVI file, the number of each frame that is there (see ``avi``); None otherwise.
        decodable: counts the frames that can be decoded at all, which takes a while.
    """

    def __init__(
        self, rate: float, count: int | None, found: Sequence[int] | None, decodable: Callable[[], int]
    ) -> None:
        self._rate, self._count, self._decodable = rate, count, decodable
        self._found = found
        self._origin: float | None = None
        self._place = -1
        self._by_time: bool | None = None

    def next(self, seconds: float) -> int:
        """The number, from 0, of the frame that was read next.

        Args:
            seconds: its time stamp.
        """
        if self._origin is None:
            self._origin = seconds
        stamped = round((seconds - self._origin) * self._rate)
        following = self._place + 1
        if stamped != following and self._by_time is None:
            self._by_time = self._count is not None and self._decodable() < self._count
        self._place = max(stamped, following) if self._by_time else following
        if self._found is not None and self._place < len(self._found):
            return self._found[self._place]
        return self._place


def ranges(numbers: Sequence[int], most: int = 4) -> str:
    """Rising numbers for people: ``3, 7 to 12``."""
    if not numbers:
        return ""
    breaks = [place for place, (one, other) in enumerate(pairwise(numbers), start=1) if other != one + 1]
    runs = [numbers[first:last] for first, last in pairwise([0, *breaks, len(numbers)])]
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more places" if len(words) > most else "")
