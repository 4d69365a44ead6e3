"""Where the time of one update goes, stage by stage, and what the network alone takes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from siam_tracker_core.benchmarks.many_targets import made_pictures, spread_boxes, time_steps
from siam_tracker_core.benchmarks.paired import PAUSE
from siam_tracker_core.clock import now
from siam_tracker_core.runtimes.backend import Backend
from siam_tracker_core.trackers.tracker import Tracker, start

STAGES = ("upload", "crop", "network", "choice", "locate", "learn", "around the network", "update")


def measure_update(tracker: Tracker, frames: int = 60, warm_up: int = 8) -> dict[str, float]:
    """Median milliseconds of each stage of an update with one target on made 640x480 pictures.

    ``choice`` is what ``forward`` takes without the network, ``around the network`` all that an update takes without
    it.

    Args:
        tracker: whose network runs on a backend.
        frames: that count.
        warm_up: frames before those that count.
    """
    model, pictures = tracker.model, made_pictures()
    backend: Backend = model.backend  # type: ignore[attr-defined]
    states = [start(model, pictures[0], spread_boxes(1)[0])]
    tracker.init(pictures[0], spread_boxes(1)[0])
    spent: list[float] = []
    original = backend.search
    backend.search = _timed(original, backend.device, spent)  # type: ignore[method-assign]
    rows: list[list[float]] = []
    try:
        for number in range(warm_up + frames):
            picture = pictures[number % len(pictures)]
            time.sleep(PAUSE)
            spent.clear()
            states, steps = time_steps(model, states, picture)
            upload, crop, forward, locate, learn = steps
            network = sum(spent)
            time.sleep(PAUSE)
            spent.clear()
            began = now(model.device)
            tracker.update(picture)
            update = now(model.device) - began
            around = update - sum(spent)
            rows.append([upload, crop, network, forward - network, locate, learn, around, update])
    finally:
        backend.search = original  # type: ignore[method-assign]
    columns = zip(*rows[warm_up:], strict=True)
    return {name: statistics.median(column) * 1e3 for name, column in zip(STAGES, columns, strict=True)}


def _timed(
    search: Callable[..., tuple[torch.Tensor, ...]], device: torch.device, spent: list[float]
) -> Callable[..., tuple[torch.Tensor, ...]]:
    def timed(template: tuple[torch.Tensor, ...], crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
        began = now(device)
        answers = search(template, crops)
        spent.append(now(device) - began)
        return answers

    return timed
