"""Complaints that may come with every image, logged as often as a person can read them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_KINDS = 100


class Complaints:
    """Passes a complaint on unless one of its kind was passed on a moment ago; says how many were held back.

    rclpy's own throttling goes by the place in the code, so that one trouble would hide another. Going by the sentence
    would let through every sentence with a number in it.

    Args:
        log: takes a sentence.
        seconds: how long complaints of one kind are held back.
        clock: gives seconds.
    """

    def __init__(
        self, log: Callable[[str], object], seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}

    def __call__(self, kind: str, sentence: str) -> None:
        """Log a sentence, perhaps.

        Args:
            kind: a few words that are the same for all complaints of this kind, e.g. ``"unreadable image"``.
            sentence: the whole complaint.
        """
        now = self._clock()
        with self._lock:
            when, held_back = self._said.get(kind, (-float("inf"), 0))
            if now - when < self._seconds:
                self._said[kind] = (when, held_back + 1)
                return
            self._said[kind] = (now, 0)
            if len(self._said) > _KINDS:  # kinds are few, unless a target's id is part of them
                self._said.pop(next(iter(self._said)))
        more = f" ({held_back} more of this kind since the last time this was said)" if held_back else ""
        self._log(sentence + more)
