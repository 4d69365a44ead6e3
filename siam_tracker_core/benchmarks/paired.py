"""How long an update takes beside that of peers: in turns, frame by frame, so that the machine is the same for all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.benchmarks.load import busy
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.results import TrackState

# Between two updates, so that threads of one library that still look for work do not slow the next one down; a camera
# leaves more.
PAUSE = 0.002

# Seconds that one tracker may take for all of its updates.
PATIENCE = 12.0


@dataclass
class PairedTimes:
    """The updates of one tracker.

    Attributes:
        label: of the tracker.
        load: busy processes beside it.
        tracking: milliseconds of each update whose result is not LOST.
        lost: milliseconds of each update whose result is LOST.
    """

    label: str
    load: int
    tracking: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float | int | str]:
        """Medians and 95th percentiles, without those that were not measured."""
        told: dict[str, float | int | str] = {"label": self.label, "load": self.load}
        for name, values in (("tracking", self.tracking), ("lost", self.lost)):
            if values:
                told |= {
                    f"{name}_updates": len(values),
                    f"{name}_median_ms": float(np.median(values)),
                    f"{name}_p95_ms": float(np.percentile(values, 95)),
                }
        return told


def measure_paired(
    trackers: Mapping[str, FrameTracker], frames: int = 100, load: int = 0, warm_up: int = 5, seed: int = 0
) -> list[PairedTimes]:
    """Measure trackers on one made 640x480 video, whose target leaves the picture for good after half of it.

    In each frame all trackers are updated one after the other, and the first one changes from frame to frame.

    Args:
        trackers: by their labels.
        frames: that count.
        load: busy processes beside the measurement.
        warm_up: frames before those that count.
        seed: of the video.

    A tracker that has taken ``PATIENCE`` seconds in all is left out of the frames that follow.

    Raises:
        ConfigError: if there is no tracker, or no frame.
    """
    if not trackers or frames < 1 or load < 0:
        raise ConfigError(f"{len(trackers)} trackers, {frames} frames and a load of {load} give nothing to measure")
    images, box = leaving(frames, warm_up, seed)
    times = {label: PairedTimes(label, load) for label in trackers}
    for tracker in trackers.values():
        tracker.init(images[0], box)
    spent = dict.fromkeys(trackers, 0.0)
    with busy(load):
        for number, image in enumerate(images[1:]):
            for label in _turned(list(trackers), number):
                if spent[label] > PATIENCE * 1e3:
                    continue
                time.sleep(PAUSE)
                started = time.perf_counter()
                result = trackers[label].update(image)
                elapsed = (time.perf_counter() - started) * 1e3
                spent[label] += elapsed
                if number >= warm_up:
                    _of_state(times[label], result).append(elapsed)
    return list(times.values())


def leaving(frames: int, warm_up: int, seed: int) -> tuple[list[NDArray[np.uint8]], Box]:
    """A video whose target is in sight for the first half, and the target's box in the first frame."""
    in_sight = warm_up + (frames + 1) // 2
    made = made_sequence("leaves", frames=min(45, in_sight) + 25, seed=seed)
    there, away = made.frames[: min(45, in_sight)], made.frames[-10:]
    # Forth and back, so that the target never jumps.
    path = [*there, *there[-2:0:-1]]
    images = [path[place % len(path)] for place in range(in_sight + 1)]
    images += [away[place % len(away)] for place in range(frames - (frames + 1) // 2)]
    return images, Box.from_array(made.boxes[0])


def _turned(labels: Sequence[str], number: int) -> list[str]:
    start = number % len(labels)
    return [*labels[start:], *labels[:start]]


def _of_state(times: PairedTimes, result: object) -> list[float]:
    state = getattr(result, "state", None)
    return times.lost if state in (TrackState.LOST, TrackState.LOST.value) else times.tracking
