"""Where the time of one update goes, stage by stage, and what the network alone takes of it."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from siam_tracker_core.benchmarks.many_targets import made_pictures, spread_boxes, time_steps
from siam_tracker_core.benchmarks.paired import PAUSE
from siam_tracker_core.clock import now
from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Window
from siam_tracker_core.runtimes.backend import Backend
from siam_tracker_core.trackers.tracker import Tracker, start

STAGES = ("upload", "crop", "network", "choice", "locate", "learn", "around the network", "update")

# Cameras from VGA to 4K.
SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))


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


def measure_sizes(
    device: torch.device, frames: int = 30, sizes: tuple[tuple[int, int], ...] = SIZES, targets: int = 32
) -> dict[str, tuple[float, float]]:
    """Median milliseconds of an upload, and of the crops of many targets, for several sizes of image.

    Args:
        device: to measure.
        frames: that count.
        sizes: widths and heights in pixels.
        targets: how many crops of 255 pixels.
    """
    random, figures = np.random.default_rng(0), {}
    for width, height in sizes:
        picture = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        places = random.uniform((0, 0), (width, height), (targets, 2))
        windows = [Window(float(x), float(y), 200) for x, y in places]
        rows = []
        for _ in range(frames + 3):
            ticks = [now(device)]
            frame = Frame.upload(picture, device)
            ticks.append(now(device))
            frame.crops(windows, 255)
            ticks.append(now(device))
            rows.append([after - before for before, after in itertools.pairwise(ticks)])
        upload, crop = (statistics.median(column) * 1e3 for column in zip(*rows[3:], strict=True))
        figures[f"{width}x{height}"] = (upload, crop)
    return figures
