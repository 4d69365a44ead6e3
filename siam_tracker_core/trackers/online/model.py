"""The base of trackers that learn while they track: what a filter is asked in a frame, and what it is told."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.runtimes import Backend, Tensors
from siam_tracker_core.threads import one_thread
from siam_tracker_core.trackers.common.habits import mixed
from siam_tracker_core.trackers.common.siamese import NetworkOutput, SiameseModel, SiameseState
from siam_tracker_core.trackers.online.config import OnlineConfig
from siam_tracker_core.trackers.online.learner import Learner
from siam_tracker_core.trackers.online.peaks import response_at, rival, wanted_at
from siam_tracker_core.trackers.online.state import OnlineState, Seen
from siam_tracker_core.trackers.results import TrackResult, TrackState

SelfT = TypeVar("SelfT")


class Pupil(Protocol):
    """What is kept of a target of a tracker that may learn."""

    @property
    def online(self) -> OnlineState | None:
        """What is learned of it; None for a tracker that does not learn."""

    def knowing(self: SelfT, online: OnlineState | None) -> SelfT:
        """The same with something else learned."""


@dataclass(frozen=True)
class LearningOutput(NetworkOutput):
    """What the network says of one target in one frame, and what its filter says there.

    Attributes:
        seen: what the filter says of the window; None for a tracker that does not learn.
        liking: its response at the place that was taken.
        likeness: the same as a share of what is wanted there: the middle of a Gaussian lies between the cells.
    """

    seen: Seen | None = field(default=None, kw_only=True)
    liking: float = field(default=math.nan, kw_only=True)
    likeness: float = field(default=math.nan, kw_only=True)

    def heard(self: HeardT, seen: Seen | None, centre: tuple[float, float]) -> HeardT:
        """The same with what a filter says, if there is one, of the place that was taken.

        Args:
            seen: what it says of the window.
            centre: of the place, x and y in cells from the map's middle.
        """
        if seen is None:
            return self
        liking = response_at(seen.response, centre)
        wanted = wanted_at(len(seen.response), centre, seen.deviations)
        return replace(self, seen=seen, liking=liking, likeness=liking / wanted)


class Spot(NamedTuple):
    """Where a target was found in its window.

    Attributes:
        centre: x and y in pixels of the crop from its middle.
        sides: width and height in pixels of the crop.
        score: the network's, of which shares mean something: 0 for nothing alike.
        response: (size, size), its scores in the window.
    """

    centre: tuple[float, float]
    sides: tuple[float, float]
    score: float
    response: torch.Tensor


PupilT = TypeVar("PupilT", bound=Pupil)
HeardT = TypeVar("HeardT", bound=LearningOutput)


class LearningModel(SiameseModel[PupilT, HeardT], Generic[PupilT, HeardT]):
    """A tracker that learns where its settings say so.

    Attributes:
        backend: runs the network; its search branch gives features last where the tracker learns.
        learner: None where it does not.
    """

    backend: Backend
    learner: Learner | None

    @property
    def runtime(self) -> str:
        return self.backend.runtime

    @property
    def threads(self) -> int | None:
        return self.backend.threads

    def locate(self, state: SiameseState[PupilT], output: HeardT) -> tuple[SiameseState[PupilT], TrackResult]:
        moved, result = super().locate(state, output)
        online = moved.target.online
        if self.learner is None or online is None:
            return moved, result
        online = self._judged(self.learner, online, moved, output)
        return _knowing(moved, online), replace(result, learning=online.told)

    def adapt(self, states: Sequence[SiameseState[PupilT]], frame: Frame) -> list[SiameseState[PupilT]]:
        if self.learner is None:
            return list(states)
        with one_thread():
            learned = self.learner.learn([state.target.online for state in states])
        return [_knowing(state, online) for state, online in zip(states, learned, strict=True)]

    def pass_over(self, state: SiameseState[PupilT], reason: str) -> SiameseState[PupilT]:
        online = state.target.online
        if self.learner is None or online is None:
            return state
        return _knowing(state, self.learner.pass_over(online, reason))

    def _begin_learning(self, config: OnlineConfig) -> None:
        """Set up what learns, if the settings say so."""
        self.learner = Learner(config, self.backend.stride) if config.enabled else None
        self.can_wait = self.learner is not None

    def _first_lesson(
        self, target: PupilT, template: Tensors, frame: Frame, window: Window, size: int, box: Box, score: float
    ) -> PupilT:
        """A target that knows itself from its own frame.

        Args:
            target: that was shown.
            template: of it.
            frame: in which it was shown.
            window: the search window around it.
            size: side of its search crops in pixels.
            box: of it.
            score: the network's on this frame, see ``Spot``.
        """
        if self.learner is None:
            return target
        crops, centres = self.learner.views(frame, window, size)
        answers = self.backend.search(template, crops)
        scale = size / window.size
        sides = box.width * scale, box.height * scale
        return target.knowing(self.learner.begin(answers[-1], centres, answers[0].shape[-1], sides, score))

    def _seen(self, online: Sequence[OnlineState | None], features: Sequence[torch.Tensor], size: int) -> list[Seen]:
        """What the filters say of N windows; nothing unless every target has one.

        Args:
            online: what is learned of the target of each window.
            features: (N, C, rows, columns), as the only item.
            size: side of the response maps in cells.
        """
        states = [state for state in online if state is not None]
        if self.learner is None or not states or len(states) < len(online):
            return []
        with one_thread():
            return self.learner.look(states, features[0], size)

    def _judged(
        self, learner: Learner, online: OnlineState, state: SiameseState[PupilT], output: HeardT
    ) -> OnlineState:
        """What is learned of a target after it was located."""
        if state.is_lost or output.seen is None:
            return learner.refuse(online, "the target is lost", at_once=True)
        if state.confidence.on_trial:
            return learner.refuse(online, "the target has just been found again, to be confirmed by the next frame")
        spot = self._spot(state, output)
        if state.confidence.state is TrackState.TRACKING and math.isfinite(output.likeness):
            online = replace(online, usual=mixed(online.usual, output.likeness))
        x, y, width, height = (side / learner.stride for side in (*spot.centre, *spot.sides))
        other = rival(spot.response, (x, y), (width / 2, height / 2)) / max(spot.score, 1e-6)
        return learner.decide(online, output.seen, spot.centre, (spot.score, output.liking), other)

    def _all_evidence(self, evidence: tuple[float, float], output: HeardT) -> tuple[float, ...]:
        return evidence if self.learner is None or output.seen is None else (*evidence, output.liking)

    def _score(self, evidence: tuple[float, float], output: HeardT) -> float:
        if self.learner is None or output.seen is None or not output.seen.share:
            return super()._score(evidence, output)
        return self.learner.config.calibration.score(*evidence, output.liking)

    def _known(self, state: SiameseState[PupilT], output: HeardT) -> tuple[bool, bool]:
        online = state.target.online
        if self.learner is None or online is None or output.seen is None:
            return True, True
        config, likeness = self.learner.config, output.likeness
        return likeness >= config.familiar * online.usual, likeness >= config.recognised * online.usual

    @abstractmethod
    def _spot(self, state: SiameseState[PupilT], output: HeardT) -> Spot:
        """Where an output says that a target is, which is at the state's place now."""


def _knowing(state: SiameseState[PupilT], online: OnlineState | None) -> SiameseState[PupilT]:
    return replace(state, target=state.target.knowing(online))
