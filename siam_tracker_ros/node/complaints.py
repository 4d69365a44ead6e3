"""Complaints that may come with every image, logged as often as a person can read them."""

from __future__ import annotations

import time
from collections.abc import Callable

_KEPT = 100


class Complaints:
    """Passes a sentence on unless the same one was passed on a moment ago.

    rclpy's own throttling goes by the place in the code, so that one trouble would hide another.

    Args:
        log: takes a sentence.
        seconds: how long the same sentence is held back.
    """

    def __init__(self, log: Callable[[str], object], seconds: float = 5.0) -> None:
        self._log = log
        self._seconds = seconds
        self._said: dict[str, float] = {}

    def __call__(self, sentence: str) -> None:
        """Log a sentence, perhaps."""
        now = time.monotonic()
        if now - self._said.get(sentence, -float("inf")) < self._seconds:
            return
        self._said[sentence] = now
        if len(self._said) > _KEPT:  # sentences with ever new numbers must not fill the memory
            self._said.pop(next(iter(self._said)), None)
        self._log(sentence)
