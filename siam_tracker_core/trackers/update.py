"""One update of many targets: atomic, and guarded for each target by itself.

Every step runs for all targets together. Where it raises, it runs again for each target alone, so that only those at
fault are left out of what follows. They get a LOST result with the reason; all others move. Nothing is kept of an
update before all of it is done: the new states are handed back, and the old ones are as they were.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Window
from siam_tracker_core.memory import is_out_of_memory
from siam_tracker_core.trackers.model import OutputT, SearchRequest, StateT, TrackerModel
from siam_tracker_core.trackers.results import TrackResult, TrackState

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CropBatch:
    """Targets whose requests have crops of one size.

    Attributes:
        members: places of the targets.
        windows: theirs, one target's after the other's.
        size: side of the crops in pixels.
    """

    members: list[int]
    windows: list[Window]
    size: int


def crop_batches(requests: dict[int, SearchRequest]) -> list[CropBatch]:
    """Put together requests, by the places of their targets, whose crops have one size."""
    batches: dict[int, CropBatch] = {}
    for place, request in requests.items():
        batch = batches.setdefault(request.crop_size, CropBatch([], [], request.crop_size))
        batch.members.append(place)
        batch.windows.extend(request.windows)
    return list(batches.values())


def update_targets(
    model: TrackerModel[StateT, OutputT], states: Sequence[StateT], frame: Frame, learn: bool = True
) -> list[tuple[StateT, TrackResult]]:
    """Find targets in the next frame.

    Args:
        model: of all targets.
        states: of the targets; they are not changed.
        frame: on the model's device, of the targets' image size.
        learn: False leaves learning to ``adapt_targets``.

    Returns:
        The new state and the result of each target.
    """
    return _Update(model, states, frame).run(learn)


def adapt_targets(model: TrackerModel[StateT, OutputT], states: Sequence[StateT], frame: Frame) -> list[StateT]:
    """Learn of targets from the frame in which they were located; nothing is learned of those where that fails.

    Args:
        model: of all targets.
        states: of the targets, from ``update_targets`` with this frame.
        frame: as there.
    """
    return _Update(model, states, frame).adapt()


class _Update(Generic[StateT, OutputT]):
    """An update on its way.

    Attributes:
        faults: by the places of targets that have failed, why.
    """

    def __init__(self, model: TrackerModel[StateT, OutputT], states: Sequence[StateT], frame: Frame) -> None:
        self.model, self.states, self.frame = model, states, frame
        self.faults: dict[int, str] = {}

    def run(self, learn: bool = True) -> list[tuple[StateT, TrackResult]]:
        with torch.inference_mode():
            requests = self._each(range(len(self.states)), lambda place: self.model.search(self.states[place]))
            outputs: dict[int, OutputT] = {}
            for batch in crop_batches(requests):
                outputs |= self._together(batch.members, lambda places: self._forward(places, requests))
        located = self._each(outputs, lambda place: self._locate(place, outputs[place]))
        adapted = {place: state for place, (state, _) in located.items()}
        if learn:
            adapted = self._together(list(located), lambda places: self._adapt([located[place][0] for place in places]))
        return [
            (adapted[place], located[place][1]) if place in adapted else self._lost(place)
            for place in range(len(self.states))
        ]

    def adapt(self) -> list[StateT]:
        places = list(range(len(self.states)))
        adapted = self._together(places, lambda some: self._adapt([self.states[place] for place in some]))
        return [
            adapted[place] if place in adapted else self.model.pass_over(self.states[place], self.faults[place])
            for place in places
        ]

    def _adapt(self, states: list[StateT]) -> list[StateT]:
        return self.model.adapt(states, self.frame)

    def _forward(self, places: list[int], requests: dict[int, SearchRequest]) -> list[OutputT]:
        windows = [window for place in places for window in requests[place].windows]
        crops = self.frame.crops(windows, requests[places[0]].crop_size)
        return self.model.forward([self.states[place] for place in places], self.frame, crops)

    def _locate(self, place: int, output: OutputT) -> tuple[StateT, TrackResult]:
        if not output.is_finite:
            raise ArithmeticError("the network's answer is not finite")
        state, result = self.model.locate(self.states[place], output)
        if not all(map(math.isfinite, (*result.box.to_array(), result.score))):
            raise ArithmeticError("the box that was found is not finite")
        return state, result

    def _lost(self, place: int) -> tuple[StateT, TrackResult]:
        state = self.model.lose(self.states[place])
        return state, TrackResult(state.box, 0.0, TrackState.LOST, None, self.faults[place])

    def _each(self, places: Sequence[int] | dict[int, OutputT], step: Callable[[int], T]) -> dict[int, T]:
        """What a step gives for each target; those that fail are noted and left out."""
        answers: dict[int, T] = {}
        for place in places:
            try:
                answers[place] = step(place)
            except Exception as error:
                self._note(place, error)
        return answers

    def _together(self, places: list[int], step: Callable[[list[int]], list[T]]) -> dict[int, T]:
        """What a step gives for all targets at once, or for each alone where that fails."""
        if not places:
            return {}
        try:
            return dict(zip(places, step(places), strict=True))
        except Exception as error:
            if len(places) == 1:
                self._note(places[0], error)
                return {}
            _log.debug("a step failed for %d targets together; each runs alone", len(places), exc_info=True)
        return self._each(places, lambda place: step([place])[0])

    def _note(self, place: int, error: Exception) -> None:
        if is_out_of_memory(error):  # no fault of this target: the caller has to make room
            raise error
        text = str(error) or type(error).__name__
        known = isinstance(error, ArithmeticError)
        self.faults[place] = text if known else f"the frame could not be searched: {type(error).__name__}: {text}"
        _log.debug("target %d is lost: %s", place, self.faults[place], exc_info=not known)
