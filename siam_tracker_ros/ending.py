"""How a node's process ends when it is interrupted: at any moment, within its grace, with status 0 and no traceback.

A thread waits for the signals, so that they are heard while the main thread imports, loads or waits in the middleware.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Ends the process when it is interrupted.

    Without an order of its own it ends at once; ``in_order`` gives it something to do before. It is to be made before
    anything that starts threads is imported: of one that does not block the signals they would end the process.

    Args:
        grace: seconds from a signal to the end of the process, whatever is still being done.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._in_order: Callable[[], None] | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # for this thread and all that it will start
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def in_order(self, end: Callable[[], None] | None) -> None:
        """From now on, call ``end`` and give the process its grace; at once again for None."""
        self._in_order = end

    def _wait(self) -> None:
        signal.sigwait(_SIGNALS)
        end = self._in_order
        if end is not None:
            backstop = threading.Timer(self._grace, leave, [0])
            backstop.daemon = True
            backstop.start()
            end()
        else:
            leave(0)


def leave(status: int) -> NoReturn:
    """End the process without taking the interpreter apart, which takes longer than a second once PyTorch is loaded."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)
