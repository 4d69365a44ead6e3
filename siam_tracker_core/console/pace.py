"""How fast and how good a client's pictures can be, judged by how long they take to be shown."""

from __future__ import annotations

import time
from collections.abc import Callable

from siam_tracker_core.console.encoding import STEPS

# Two pictures may be under way, so that a distant client's round trip is not idle time.
_WINDOW = 2
_SLOW, _FAST = 0.15, 0.06  # seconds until a picture is shown, smoothed
_DOWN_AFTER, _UP_AFTER = 0.5, 3.0  # seconds: quality falls at once and rises with patience
_SMOOTHING = 0.3
_LOST_AFTER = 5.0  # seconds without a word, after which a picture counts as lost


class Pace:
    """Decides when a client gets its next picture, and at which step of quality.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: dict[int, float] = {}
        self._delay = 0.0
        self._changed = clock()
        self.step = 4

    @property
    def is_ready(self) -> bool:
        """Whether another picture may be sent."""
        now = self._clock()
        self._sent = {number: when for number, when in self._sent.items() if now - when < _LOST_AFTER}
        return len(self._sent) < _WINDOW

    def sent(self, number: int) -> None:
        """A picture is about to be sent."""
        self._sent[number] = self._clock()

    def shown(self, number: int) -> None:
        """The client has drawn a picture."""
        began = self._sent.pop(number, None)
        if began is None:
            return
        now = self._clock()
        taken = now - began
        self._delay += _SMOOTHING * (taken - self._delay) if self._delay else taken
        if self._delay > _SLOW and now - self._changed > _DOWN_AFTER:
            self._move(-1, now)
        elif self._delay < _FAST and now - self._changed > _UP_AFTER:
            self._move(1, now)

    def _move(self, by: int, now: float) -> None:
        self.step = min(max(self.step + by, 0), len(STEPS) - 1)
        self._changed = now
        self._delay = 0.0  # of the former step; the next pictures tell anew
