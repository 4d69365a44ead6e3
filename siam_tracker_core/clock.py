"""A clock for what runs on devices, which take orders faster than they carry them out."""

from __future__ import annotations

import time

import torch


def now(device: torch.device) -> float:
    """Seconds from an arbitrary start, read when the device is done with what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
