"""The first image that a node answers, for programs that send it images and measure."""

from __future__ import annotations

import time
from collections.abc import Callable

from siam_tracker_ros.client import TrackerTimeout


def until_seen(show: Callable[[], object], seconds: float = 60.0) -> None:
    """Show images until one is answered: a best-effort subscription loses what is sent before it is connected.

    Args:
        show: publishes an image and waits for its tracks.
        seconds: to go on for.

    Raises:
        TrackerTimeout: of the last one, if none was answered by then.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            show()
            return
        except TrackerTimeout:
            if time.monotonic() > deadline:
                raise
