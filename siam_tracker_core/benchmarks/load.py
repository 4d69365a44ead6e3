"""Processes beside a measurement: as on a robot whose cores do other work, or so that no core sleeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

_BUSY = "while True: pass"
_IDLY_BUSY = f"""
import os, sys
os.sched_setaffinity(0, {{int(sys.argv[1])}})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
{_BUSY}
"""


def busy(processes: int) -> AbstractContextManager[None]:
    """Keep so many processes busy, at this one's own priority, until the end of the block."""
    return _beside([[_BUSY]] * processes)


def awake() -> AbstractContextManager[None]:
    """Let no core sleep until the end of the block: on each spins a process that gives way to all others (Linux).

    If a tail of latency goes with it, it came from cores that fall asleep, not from the program.
    """
    return _beside([[_IDLY_BUSY, str(core)] for core in sorted(os.sched_getaffinity(0))])


@contextmanager
def _beside(programs: Sequence[list[str]]) -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-S", "-c", *program]) for program in programs]
    try:
        if running:
            time.sleep(0.3)  # their start is no part of the load
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
