"""Learning of many targets at once: what their filters say of a frame, whether it is learned from, and the lesson."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch.nn import functional

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Window
from siam_tracker_core.trackers.common.gate import Decision, Gate
from siam_tracker_core.trackers.common.response import peak_to_sidelobe
from siam_tracker_core.trackers.online import filter as least_squares
from siam_tracker_core.trackers.online.config import OnlineConfig
from siam_tracker_core.trackers.online.filter import Projection, Statistics
from siam_tracker_core.trackers.online.lessons import Lessons, Notebook
from siam_tracker_core.trackers.online.state import Lesson, OnlineState, Seen

TupleT = TypeVar("TupleT", Projection, Statistics)

# Shifts of the first frame's windows in pixels of the search crop: a ring around the target, once.
_SHIFTS = tuple((x * 48.0, y * 48.0) for y in (-1, 0, 1) for x in (-1, 0, 1))
_SCALES = (0.9, 1.1)
_BLUR = 5
# A Gaussian narrower than a cell would fall between the cells.
_LEAST_DEVIATION = 0.5


class Learner:
    """Learns for all targets of a model.

    Args:
        config: settings.
        stride: of the maps in pixels of the search crop.
    """

    def __init__(self, config: OnlineConfig, stride: int) -> None:
        self.config, self.stride = config, stride

    def views(self, frame: Frame, window: Window, crop_size: int) -> tuple[torch.Tensor, list[tuple[float, float]]]:
        """Crops of a target's first frame, and where in them it is.

        Args:
            frame: in which the target was shown.
            window: the search window around it.
            crop_size: side of the crops in pixels.

        Returns:
            (N, 3, crop_size, crop_size), and the target's centre in each, in pixels from the middle: shifted, scaled,
            flipped and blurred.
        """
        pixels = window.size / crop_size
        shifted = [Window(window.centre_x - x * pixels, window.centre_y - y * pixels, window.size) for x, y in _SHIFTS]
        scaled = [window.scaled(factor) for factor in _SCALES]
        crops = frame.crops([*shifted, *scaled], crop_size).float()
        plain = crops[len(_SHIFTS) // 2][None]
        blurred = functional.avg_pool2d(plain, _BLUR, stride=1, padding=_BLUR // 2, count_include_pad=False)
        return torch.cat([crops, plain.flip(-1), blurred]), [*_SHIFTS, *[(0.0, 0.0)] * (len(_SCALES) + 2)]

    def begin(
        self,
        features: torch.Tensor,
        centres: Sequence[tuple[float, float]],
        size: int,
        sides: tuple[float, float],
        probability: float,
    ) -> OnlineState:
        """The state of a target that has just been shown.

        Args:
            features: (N, C, rows, columns), of ``views``.
            centres: N, of the target in pixels from the crops' middle.
            size: side of the response map in cells.
            sides: width and height of the target in pixels of the crops.
            probability: of the network on the target's own frame.
        """
        config = self.config
        projection = least_squares.principal(features, min(config.channels, features.shape[1]))
        samples = least_squares.project(
            features, Projection(*(part.expand(len(features), *part.shape) for part in projection))
        )
        width, height = (max(config.sigma * side / self.stride, _LEAST_DEVIATION) for side in sides)
        cells = torch.tensor(centres, dtype=torch.float32, device=features.device) / self.stride
        wanted = least_squares.gaussians(
            cells, torch.tensor([[width, height]], dtype=torch.float32, device=features.device), size
        )
        around = least_squares.patches(samples, config.kernel, size, config.dilation)
        each = least_squares.statistics(around, wanted.flatten(1))
        first = Statistics(each.gram.mean(dim=0), each.target.mean(dim=0))
        nothing = first.target.new_zeros(1, len(first.target))
        weights = least_squares.descend(_joined([first]), nothing, config.regularisation, 8 * config.iterations)[0]
        gate = Gate(config.gate, ((probability, 1.0),))
        return OnlineState(projection, (width, height), size, Notebook.of(Lessons(first, first, weights)), gate)

    def look(self, states: Sequence[OnlineState], features: torch.Tensor, size: int) -> list[Seen]:
        """What the filters say of N windows.

        Args:
            states: N, one for each window.
            features: (N, C, rows, columns).
            size: side of the response maps in cells.
        """
        config = self.config
        samples = least_squares.project(features, _joined([state.projection for state in states]))
        filters = _stacked([state.notebook.lessons.weights for state in states])
        responses = least_squares.respond(samples, filters, config.kernel, size, config.dilation)
        shares = self._shares(responses)
        deviations = [state.deviations for state in states]
        return [Seen(*each) for each in zip(samples, responses, shares, deviations, strict=True)]

    def decide(
        self, state: OnlineState, seen: Seen, centre: tuple[float, float], scores: tuple[float, float], other: float
    ) -> OnlineState:
        """The state after the target was found in a frame; what is learned, ``learn`` learns.

        Args:
            state: before.
            seen: of the window in which it was found.
            centre: of the target in pixels of the crop from its middle.
            scores: the network's probability and the filter's response at the target.
            other: the highest other peak's ratio to the target's.
        """
        decision = _remembering(state, state.gate.decide(*scores, (other,)))
        state = replace(state, passed_over="")
        gate = state.gate.after(*scores)
        if not decision.learn:
            notebook = state.notebook.refuse(self.config.undo_after)
            return replace(state, gate=gate, notebook=notebook, lesson=None, decision=_told(decision, notebook, state))
        cells = centre[0] / self.stride, centre[1] / self.stride
        lesson = Lesson(seen.samples, cells, seen.response)
        return replace(state, gate=gate, decision=decision, lesson=lesson)

    def refuse(self, state: OnlineState, reason: str, at_once: bool = False) -> OnlineState:
        """The state after a frame in which nothing can be learned, for a reason in words.

        Args:
            at_once: whether the last lessons are taken back for it, as where the target is lost.
        """
        notebook = state.notebook.refuse(self.config.undo_after, at_once)
        decision = _told(_remembering(state, Decision(False, reason)), notebook, state)
        return replace(state, notebook=notebook, lesson=None, decision=decision, passed_over="")

    def pass_over(self, state: OnlineState, reason: str) -> OnlineState:
        """The state where there was no time for the frame's lesson, for a reason in words."""
        if state.lesson is None:
            return state
        return replace(state, notebook=state.notebook.skipped(), lesson=None, passed_over=reason)

    def learn(self, states: Sequence[OnlineState | None]) -> list[OnlineState | None]:
        """The states after the lessons of a frame: of those that waited longest, all as one batch."""
        config = self.config
        pupils = [place for place, state in enumerate(states) if state is not None and state.lesson is not None]
        pupils.sort(key=lambda place: -_pupil(states, place)[0].notebook.waited)
        taught = list(states)
        for place in pupils[config.targets :]:
            state, _ = _pupil(states, place)
            taught[place] = self.pass_over(state, f"it was the turn of {config.targets} targets that had waited longer")
        together: dict[tuple[object, ...], list[int]] = {}
        for place in sorted(pupils[: config.targets]):
            state, lesson = _pupil(states, place)
            together.setdefault((state.size, lesson.samples.shape), []).append(place)
        for places in together.values():
            for place, state in zip(places, self._taught([_pupil(states, place) for place in places]), strict=True):
                taught[place] = state
        return taught

    def _taught(self, pupils: Sequence[tuple[OnlineState, Lesson]]) -> list[OnlineState]:
        config, size = self.config, pupils[0][0].size
        samples = _stacked([lesson.samples for _, lesson in pupils])
        device = samples.device
        centres = torch.tensor([lesson.centre for _, lesson in pupils], dtype=torch.float32, device=device)
        deviations = torch.tensor([state.deviations for state, _ in pupils], dtype=torch.float32, device=device)
        wanted = least_squares.gaussians(centres, deviations, size).flatten(1)
        around = least_squares.patches(samples, config.kernel, size, config.dilation)
        before = [state.notebook.lessons for state, _ in pupils]
        first, recent = _joined([lessons.first for lessons in before]), _joined([lessons.recent for lessons in before])
        recent = least_squares.with_frames(recent, around, wanted, config.lr, self._weights(pupils, wanted))
        filters = _stacked([lessons.weights for lessons in before])
        filters = least_squares.descend(
            recent.mixed(first, config.first_share), filters, config.regularisation, config.iterations
        )
        finite = filters.isfinite().all(dim=1).tolist()
        taught = []
        for row, ((state, _), lessons, good) in enumerate(zip(pupils, before, finite, strict=True)):
            if not good:  # nothing is kept of a lesson that is no number
                taught.append(self.refuse(state, "the lesson is not finite"))
                continue
            kept = Statistics(_own(recent.gram, row), _own(recent.target, row))
            learned = Lessons(lessons.first, kept, _own(filters, row), lessons.count + 1)
            notebook = state.notebook.learned(learned, config.keep_every)
            taught.append(replace(state, notebook=notebook, lesson=None))
        return taught

    def _weights(self, pupils: Sequence[tuple[OnlineState, Lesson]], wanted: torch.Tensor) -> torch.Tensor | None:
        """Of cells, more for those off the target that look like it; None where all weigh the same."""
        if not self.config.hard_negatives:
            return None
        responses = _stacked([lesson.response for _, lesson in pupils]).flatten(1).clamp(0, 1)
        return 1 + self.config.hard_negatives * (responses - wanted).clamp_min(0)

    def _shares(self, responses: torch.Tensor) -> list[float]:
        """The share of each response in the choice: less of one that has no clear peak, none of one without numbers."""
        known = responses.isfinite().flatten(1).all(dim=1)
        if not self.config.sidelobes:
            return (known * self.config.share).tolist()
        place = responses.nan_to_num().flatten(1).argmax(dim=1)
        side = responses.shape[-1]
        psr = peak_to_sidelobe(responses, place // side, place % side, self.config.kernel // 2)
        return (known * self.config.share * (psr / self.config.sidelobes).clamp(0, 1).nan_to_num()).tolist()


def _pupil(states: Sequence[OnlineState | None], place: int) -> tuple[OnlineState, Lesson]:
    state = states[place]
    assert state is not None
    assert state.lesson is not None
    return state, state.lesson


def _told(decision: Decision, notebook: Notebook, before: OnlineState) -> Decision:
    if notebook.undone and not before.notebook.undone:
        lost = before.notebook.lessons.count - notebook.lessons.count
        return Decision(False, f"{decision.reason}; the last {lost} lessons are taken back")
    return decision


def _remembering(state: OnlineState, decision: Decision) -> Decision:
    """A decision that tells what became of the lesson before."""
    if not state.passed_over:
        return decision
    return decision._replace(reason=f"{decision.reason}; the lesson before was passed over: {state.passed_over}")


def _joined(parts: Sequence[TupleT]) -> TupleT:
    """Tuples of tensors of several targets as one, with a first dimension more."""
    return type(parts[0])(*(_stacked(each) for each in zip(*parts, strict=True)))


def _own(batch: torch.Tensor, row: int) -> torch.Tensor:
    """One row of a batch, which does not keep the others in memory."""
    return batch[row].clone() if len(batch) > 1 else batch[row]


def _stacked(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors of several targets as one with a first dimension more; a single one is not copied."""
    return parts[0][None] if len(parts) == 1 else torch.stack(list(parts))
