"""The newest picture, handed from the thread that tracks to everyone who watches."""

from __future__ import annotations

import threading
from collections.abc import Callable

from siam_tracker_core.console.picture import Picture


class Feed:
    """Holds the newest picture only, so that a slow watcher costs neither memory nor time.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Picture | None = None
        self._count = 0
        self._watchers: list[Callable[[], None]] = []

    def offer(self, picture: Picture) -> None:
        """Replace the newest picture and tell the watchers; returns at once."""
        with self._lock:
            self._count += 1
            picture.number = self._count
            self._newest = picture
            watchers = list(self._watchers)
        for tell in watchers:
            tell()

    @property
    def newest(self) -> Picture | None:
        """The newest picture, or None before the first."""
        with self._lock:
            return self._newest

    @property
    def is_watched(self) -> bool:
        """Whether anyone would see a picture now."""
        with self._lock:
            return bool(self._watchers)

    def watch(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` for every picture from now on, from the thread that offers it; it must not block."""
        with self._lock:
            self._watchers.append(tell)

    def leave(self, tell: Callable[[], None]) -> None:
        """End a watch."""
        with self._lock:
            self._watchers.remove(tell)
