"""How threads of PyTorch wait for each other: asleep, not in loops."""

from __future__ import annotations

import os
import sys


def wait_asleep() -> None:
    """Have OpenMP's threads sleep while they wait, unless the environment says otherwise or PyTorch is loaded already.

    A thread that waits in a loop keeps its core from the thread that it waits for. With as many busy processes beside
    as there are cores, an update of two threads took seconds that way, and takes milliseconds this way. OpenMP reads
    ``OMP_WAIT_POLICY`` once, when PyTorch is loaded.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
