"""What the tracking thread shows of itself while it works, and what others read out of that."""

from __future__ import annotations

import threading
import time

from siam_tracker_core.memory import is_out_of_memory
from siam_tracker_ros.node.trouble import Kind, Trouble


class Health:
    """The tracking thread writes it, the supervisor reads it.

    Attributes:
        out_of_memory: the sentence of the allocation that failed, else empty.
    """

    def __init__(self) -> None:
        self.out_of_memory = ""
        self._busy_since: float | None = None

    def beat(self) -> None:
        """A piece of work begins."""
        self._busy_since = time.monotonic()

    def rest(self) -> None:
        """There is nothing to do for the moment."""
        self._busy_since = None

    def failed(self, error: BaseException) -> None:
        """Note an error where it says that memory has run out."""
        if is_out_of_memory(error):
            self.out_of_memory = str(error) or "an allocation failed"

    def trouble(self, thread: threading.Thread, patience: float) -> Trouble | None:
        """What has befallen the thread, if anything.

        Args:
            thread: the tracking thread, which is meant to run.
            patience: seconds that one piece of work may take before the thread is said to hang.
        """
        if self.out_of_memory:
            return Trouble(Kind.OUT_OF_MEMORY, self.out_of_memory)
        if not thread.is_alive():
            return Trouble(Kind.DIED, "it has ended without being asked to")
        since = self._busy_since
        if since is not None and time.monotonic() - since > patience:
            return Trouble(Kind.HANGS, f"it has been at one piece of work for {time.monotonic() - since:.1f} seconds")
        return None
