"""What a frame of SiamRPN is spared: the template branch, which runs once (section 4.1), and SiamFC's other scales."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.benchmarks.many_targets import made_pictures, spread_boxes
from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.trackers.siamrpn import SiamRPNModel
from siam_tracker_core.trackers.siamrpn.proposals import Preference
from siam_tracker_core.trackers.tracker import Tracker


@dataclass(frozen=True)
class PruningCost:
    """The time that the network takes for one target in one frame, the crops at hand.

    Attributes:
        pruned: median milliseconds of the detection branch and the choice, with kernels that are there.
        whole: median milliseconds with the template branch before that, as for a pair in training.
    """

    pruned: float
    whole: float

    @property
    def saved(self) -> float:
        """Share of ``whole`` that pruning saves."""
        return 1 - self.pruned / self.whole


def measure_pruning(model: SiamRPNModel, frames: int = 40, warm_up: int = 5, seed: int = 0) -> PruningCost:
    """Measure what it saves that the template branch runs once, and not in every frame.

    Args:
        model: whose network is measured.
        frames: how many frames count; the medians are over them.
        warm_up: frames before those that count.
        seed: of the picture.

    Raises:
        ConfigError: if ``frames`` is below 1, or ``warm_up`` negative.
    """
    config = model.config
    box = spread_boxes(1)[0]
    exemplar = Window(*box.centre, context_size(box.width, box.height, config.context_amount))
    search = exemplar.scaled(config.search_size / config.exemplar_size)
    scale = config.search_size / search.size
    preferences = [Preference(box.width * scale, box.height * scale, config.window_influence, config.penalty_k)]
    with torch.inference_mode():
        frame = Frame.upload(made_pictures(seed)[0], model.device)
        template = frame.crops([exemplar], config.exemplar_size)
        crops = frame.crops([search], config.search_size)
        kernels = model.backend.template(template)
        medians = _medians(
            {
                "pruned": lambda _: model.respond(kernels, crops, preferences),
                "whole": lambda _: model.respond(model.backend.template(template), crops, preferences),
            },
            frames,
            warm_up,
        )
    return PruningCost(**medians)


def measure_updates(
    trackers: Mapping[str, Tracker], frames: int = 40, warm_up: int = 5, seed: int = 0
) -> dict[str, float]:
    """Median milliseconds of ``update`` with one target on made 640x480 pictures.

    Args:
        trackers: by name, such as SiamRPN and SiamFC with one backbone; targets that they follow are kept.
        frames, warm_up, seed: as for ``measure_pruning``.

    Returns:
        A time for each name.

    Raises:
        ConfigError: if ``frames`` is below 1, or ``warm_up`` negative.
    """
    pictures, box = made_pictures(seed), spread_boxes(1)[0]
    ways = {}
    for name, tracker in trackers.items():
        follower = Tracker(tracker.model)
        follower.init(pictures[0], box)
        ways[name] = partial(_update, follower, pictures)
    return _medians(ways, frames, warm_up)


def _update(tracker: Tracker, pictures: list[NDArray[np.uint8]], index: int) -> None:
    tracker.update(pictures[index % len(pictures)])


def _medians(ways: Mapping[str, Callable[[int], object]], frames: int, warm_up: int) -> dict[str, float]:
    """Median milliseconds of each way; all of them wait for the device.

    They take turns within every frame, so that whatever else the machine does in the meantime hits all alike.
    """
    if frames < 1 or warm_up < 0:
        raise ConfigError(f"frames is {frames} and warm_up {warm_up}; give at least 1 and 0")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for index in range(warm_up + frames):
        for name, way in ways.items():
            started = time.perf_counter()
            way(index)
            elapsed = time.perf_counter() - started
            if index >= warm_up:
                seconds[name].append(elapsed)
    return {name: statistics.median(values) * 1e3 for name, values in seconds.items()}
