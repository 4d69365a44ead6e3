"""Busy processes beside a measurement, as on a robot whose cores do other work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BUSY = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many processes busy, at this one's own priority, until the end of the block."""
    running = [subprocess.Popen([sys.executable, "-S", "-c", _BUSY]) for _ in range(processes)]
    try:
        if running:
            time.sleep(0.3)  # their start is no part of the load
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
