"""What more targets cost in one process: time of a frame through ``TrackerGroup``, and where it goes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.clock import now
from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.group import TrackerGroup
from siam_tracker_core.trackers.model import OutputT, StateT, TrackerModel
from siam_tracker_core.trackers.tracker import Tracker, start
from siam_tracker_core.trackers.update import crop_batches

WIDTH, HEIGHT = 640, 480
STEPS = ("upload", "crop", "forward", "locate", "learn")
_PICTURES = 8


@dataclass
class TargetsCost:
    """The time of one frame with a number of targets.

    Attributes:
        targets: how many.
        milliseconds: median time of ``TrackerGroup.update``, with everything.
        steps: median milliseconds of each of ``STEPS``, measured in frames of their own. On an accelerator the crops
            are only asked for in "crop", and "forward" includes waiting for the answers.
    """

    targets: int
    milliseconds: float
    steps: dict[str, float] = field(default_factory=dict)


def measure_targets(
    tracker: Tracker[StateT, OutputT],
    targets: Sequence[int] = (1, 2, 4, 8, 16),
    frames: int = 40,
    warm_up: int = 8,
    seed: int = 0,
) -> list[TargetsCost]:
    """Measure one tracker with several numbers of targets on made 640x480 pictures.

    The numbers take turns within every frame, so that whatever else the machine does in the meantime hits all alike.

    Args:
        tracker: its network is shared by all targets.
        targets: how many targets to measure.
        frames: how many frames count; the medians are over them.
        warm_up: frames before those that count.
        seed: of the pictures.

    Raises:
        ConfigError: if a number is below 1.
    """
    if not targets or min(*targets, frames) < 1 or warm_up < 0:
        raise ConfigError(f"targets {list(targets)}, frames {frames} and warm_up {warm_up} must be positive numbers")
    pictures = made_pictures(seed)
    groups = {count: TrackerGroup(tracker) for count in targets}
    states: dict[int, list[StateT]] = {}
    for count, group in groups.items():
        for index, box in enumerate(spread_boxes(count)):
            group.init(index, pictures[0], box)
        states[count] = [start(tracker.model, pictures[0], box) for box in spread_boxes(count)]
    whole: dict[int, list[float]] = {count: [] for count in groups}
    parts: dict[int, list[list[float]]] = {count: [] for count in groups}
    for index in range(warm_up + frames):
        picture = pictures[index % _PICTURES]
        for count, group in groups.items():
            started = time.perf_counter()
            group.update(picture)
            elapsed = time.perf_counter() - started
            states[count], steps = time_steps(tracker.model, states[count], picture)
            if index >= warm_up:
                whole[count].append(elapsed)
                parts[count].append(steps)
    return [
        TargetsCost(
            count,
            statistics.median(whole[count]) * 1e3,
            {
                name: statistics.median(values) * 1e3
                for name, values in zip(STEPS, zip(*parts[count], strict=True), strict=True)
            },
        )
        for count in groups
    ]


def time_steps(
    model: TrackerModel[StateT, OutputT], states: Sequence[StateT], picture: NDArray[np.uint8]
) -> tuple[list[StateT], list[float]]:
    """The targets' states after one frame, and the seconds of each of ``STEPS``; the same calls as an update makes."""
    ticks = [now(model.device)]
    frame = Frame.upload(picture, model.device)
    ticks.append(now(model.device))
    with torch.inference_mode():
        batches = crop_batches({place: model.search(state) for place, state in enumerate(states)})
        crops = [frame.crops(batch.windows, batch.size) for batch in batches]
        ticks.append(now(model.device))
        outputs: dict[int, OutputT] = {}
        for batch, part in zip(batches, crops, strict=True):
            asking = [states[place] for place in batch.members]
            outputs |= zip(batch.members, model.forward(asking, frame, part), strict=True)
        ticks.append(now(model.device))
    located = [model.locate(state, outputs[place])[0] for place, state in enumerate(states)]
    ticks.append(now(model.device))
    adapted = model.adapt(located, frame)
    ticks.append(now(model.device))
    return adapted, [after - before for before, after in itertools.pairwise(ticks)]


def made_pictures(seed: int = 0) -> list[NDArray[np.uint8]]:
    """Smooth random texture that drifts by a pixel from one picture to the next and back again: uint8 (480, 640, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    shifts = [abs(_PICTURES // 2 - step) for step in range(_PICTURES)]
    return [np.ascontiguousarray(np.roll(texture, shift, axis=1)) for shift in shifts]


def spread_boxes(count: int) -> list[Box]:
    """Boxes of 60x60 pixels at random places of the picture, the same ones for the same count."""
    places = np.random.default_rng(count).uniform((0, 0), (WIDTH - 60, HEIGHT - 60), (count, 2))
    return [Box(float(x), float(y), 60, 60) for x, y in places]
