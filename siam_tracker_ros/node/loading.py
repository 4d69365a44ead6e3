"""A tracker that is ready: loaded, warmed up, its threads set and its memory settled."""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from siam_tracker_core import Tracker
from siam_tracker_core.threads import ThreadChooser, candidates, use_threads
from siam_tracker_ros.node.parameters import Settings

_CURRENT_AND_FUTURE = 3  # MCL_CURRENT | MCL_FUTURE


class Load(Protocol):
    """What loads a tracker, e.g. ``siam_tracker_core.load_tracker``."""

    def __call__(
        self,
        name_or_path: str,
        device: str = ...,
        *,
        config: str | None = ...,
        precision: str = ...,
        runtime: str = ...,
        threads: int | None = ...,
    ) -> Tracker:
        """Load it."""


@dataclass(frozen=True)
class Loaded:
    """A tracker that is ready.

    Attributes:
        tracker: warmed up for one target, and for as many as its network takes at once.
        threads: chooses on how many threads an update runs.
        seconds: that it took.
    """

    tracker: Tracker
    threads: ThreadChooser
    seconds: float

    @property
    def device(self) -> str:
        """Where it runs, for people."""
        device = self.tracker.device
        gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
        return f"{device}{gpu}, {self.tracker.runtime}"


def load(settings: Settings, loader: Load, device: str, complain: Callable[[str], object]) -> Loaded:
    """Load the tracker that the settings name, and get it ready.

    Args:
        settings: of the node.
        loader: does the loading.
        device: where it is to run.
        complain: takes a sentence about what is not as wanted, but no reason to fail.

    Raises:
        SiamTrackerError: as ``load_tracker`` does.
    """
    began = time.monotonic()
    numbers = candidates(settings.threads)
    use_threads(numbers[0])
    tracker = loader(
        settings.model,
        device=device,
        config=settings.tracker_config or None,
        precision=settings.precision,
        runtime=settings.runtime,
        threads=settings.threads or None,
    )
    for targets in sorted({1, min(tracker.together, settings.max_targets)}):
        tracker.warm_up(targets=targets)
    settle()
    if settings.lock_memory:
        problem = lock_memory()
        if problem:
            complain(problem)
    return Loaded(tracker, _chooser(tracker, numbers), time.monotonic() - began)


def _chooser(tracker: Tracker, numbers: tuple[int, ...]) -> ThreadChooser:
    """Tries the numbers out where they count; a runtime with threads of its own keeps those that it was opened with."""
    if tracker.threads is None:
        return ThreadChooser(numbers)
    return ThreadChooser((tracker.threads,), apply=lambda _: use_threads(numbers[0]))


def settle() -> None:
    """Take what is there now out of the garbage collector's rounds, which then take less time between images."""
    gc.collect()
    gc.freeze()
    _trim()


def release() -> None:
    """Give back the memory of what is referred to no more."""
    gc.unfreeze()
    gc.collect()
    _trim()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _trim() -> None:
    """Let the C library keep no free memory, where it is glibc: what an export to graphs leaves there is 76 MB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def lock_memory() -> str:
    """Keep the process's memory from being swapped out, from now on; says why that is not possible, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_CURRENT_AND_FUTURE) == 0:
        return ""
    reason = os.strerror(ctypes.get_errno())
    return (
        f"the memory cannot be locked ({reason}): raise the user's limit (`ulimit -l unlimited`, LimitMEMLOCK=infinity "
        "of a systemd unit), or set the parameter lock_memory to false"
    )
