"""The base of all trackers that look for their target around its last place: evidence, loss and the way back."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, ClassVar, Generic, TypeVar

import torch
from annotated_types import Ge, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.trackers.common.boxes import bounded
from siam_tracker_core.trackers.common.calibration import Calibration, evidence_vector
from siam_tracker_core.trackers.common.habits import Habits
from siam_tracker_core.trackers.common.lost import Confidence, LostConfig, LostSearch
from siam_tracker_core.trackers.model import SearchRequest, TargetState, TrackerModel
from siam_tracker_core.trackers.results import ResponseMap, TrackResult, TrackState


@dataclass(frozen=True)
class SiameseConfig:
    """Settings that all such trackers have.

    Attributes:
        exemplar_size: side of the exemplar crop in pixels.
        search_size: side of the search crop in pixels.
        context_amount: margin around the target as a share of its width plus height.
        lost: when the target counts as lost and found.
        calibration: from evidence to score; part of the weights file.
    """

    exemplar_size: Annotated[int, Ge(32)] = 127
    search_size: Annotated[int, Ge(64)] = 255
    context_amount: Annotated[float, Ge(0), Le(4)] = 0.5
    lost: LostConfig = field(default_factory=LostConfig)
    calibration: Calibration = field(default_factory=Calibration)

    __pydantic_config__ = STRICT
    __renamed__: ClassVar = {"context": "context_amount"}


@dataclass(frozen=True)
class NetworkOutput:
    """What a network says of one target in one frame.

    Attributes:
        window: the one with the best response, in image pixels.
        crop_size: side of its crop in pixels.
        peak: height of the response at its peak, in the network's own units.
        psr: peak-to-sidelobe ratio there.
        response: response map of that window, on the device.
    """

    window: Window
    crop_size: int
    peak: float
    psr: float
    response: torch.Tensor

    @property
    def pixels(self) -> float:
        """Image pixels a pixel of the crop."""
        return self.window.size / self.crop_size

    @property
    def is_finite(self) -> bool:
        """Whether peak and ratio are finite numbers."""
        return abs(self.peak) + abs(self.psr) < float("inf")


# A box that is smaller by this factor than it usually was is what was seen last of a target that hid. That target comes
# back as large as it was.
_HIDDEN = 1.5

TargetT = TypeVar("TargetT")
OtherT = TypeVar("OtherT")
OutputT = TypeVar("OutputT", bound=NetworkOutput)


@dataclass(frozen=True)
class SiameseState(TargetState, Generic[TargetT]):
    """What is known of one target.

    Attributes:
        search_side: side in pixels of the search window around the last box, at its scale.
        confident_box, confident_side: box and side where the evidence last spoke for the target.
        habits: how it moves, and how large it is.
        own_peak: the response's peak on the target's own frame.
        evidence: of the last frame, see ``Calibration``; of a tracker that learns also its filter's response there.
        confidence: whether the target is tracked or lost.
        lost_search: where it is looked for; None while it is not lost.
        target: what the paper keeps of a target.
    """

    search_side: float
    confident_box: Box
    confident_side: float
    habits: Habits
    own_peak: float
    evidence: tuple[float, ...]
    confidence: Confidence
    lost_search: LostSearch | None
    target: TargetT

    def about(self, target: OtherT) -> SiameseState[OtherT]:
        """The same with something else kept of the target."""
        parts = {item.name: getattr(self, item.name) for item in fields(self)}
        return SiameseState(**(parts | {"target": target}))

    @property
    def search_window(self) -> Window:
        """The window around the last box, at its scale."""
        return Window(*self.box.centre, self.search_side)

    @property
    def is_lost(self) -> bool:
        """Whether the target is being looked for elsewhere than at its last place."""
        return self.lost_search is not None


class SiameseModel(TrackerModel[SiameseState[TargetT], OutputT], Generic[TargetT, OutputT]):
    """Searches windows around the last box, and the whole picture while the target is lost.

    Attributes:
        config: the settings.
        stride: of the response map, in pixels of the search crop.
        lost_windows: the most windows that are searched in a frame while a target is lost.
    """

    config: SiameseConfig
    stride: int
    lost_windows: int

    def search(self, state: SiameseState[TargetT]) -> SearchRequest:
        if state.lost_search is None:
            return SearchRequest(self._windows(state), self._search_size(state))
        return self._lost_request(state, state.lost_search)

    def locate(self, state: SiameseState[TargetT], output: OutputT) -> tuple[SiameseState[TargetT], TrackResult]:
        config = self.config.lost
        if state.lost_search is not None and state.lost_search.candidate is not None:
            config = config.for_second_look()
        evidence = self._evidence(state.own_peak, output)
        score = self._score(evidence, output)
        familiar, recognised = self._known(state, output)
        confidence = state.confidence.after(score, config, familiar, recognised)
        if confidence.state is TrackState.LOST:
            moved = self._sought(state)
            if state.is_lost and score >= config.uncertain:
                moved = self._noticing(moved, self._moved(state, output).box)
        else:
            moved = replace(self._moved(state, output), lost_search=None)
            if score >= config.lost and (recognised or not state.confidence.doubtful):
                moved = replace(moved, confident_box=moved.box, confident_side=moved.search_side)
            if state.confidence.state is confidence.state is TrackState.TRACKING:
                moved = replace(moved, habits=state.habits.after(state.box, moved.box))
        moved = replace(moved, evidence=self._all_evidence(evidence, output), confidence=confidence)
        reason = confidence.reason(score, config)
        return moved, TrackResult(moved.box, score, confidence.state, self._response_map(state, output), reason)

    def lose(self, state: SiameseState[TargetT]) -> SiameseState[TargetT]:
        if not self.config.lost.enabled:
            return replace(state, box=bounded(state.box, state.box, 0.0, state.image_size))
        return replace(self._sought(state), confidence=Confidence(TrackState.LOST))

    def probe(self, state: SiameseState[TargetT], frame: Frame, window: Window) -> tuple[float, ...]:
        """The evidence (see ``SiameseState``) for a target inside a window, without moving it."""
        with torch.inference_mode():
            output = self._look(state.target, frame, window, state.box)
        return self._all_evidence(self._evidence(state.own_peak, output), output)

    def _begun(
        self, frame: Frame, box: Box, search_side: float, own: OutputT, target: TargetT
    ) -> SiameseState[TargetT]:
        """The state of a target whose own frame gave ``own``."""
        return SiameseState(
            box=box,
            image_size=(frame.width, frame.height),
            search_side=search_side,
            confident_box=box,
            confident_side=search_side,
            habits=Habits.of(box),
            own_peak=own.peak,
            evidence=self._evidence(own.peak, own),
            confidence=Confidence(),
            lost_search=None,
            target=target,
        )

    def _sought(self, state: SiameseState[TargetT]) -> SiameseState[TargetT]:
        """The state of a target that was not found: looked for further, or from where it was last believed to be."""
        if state.lost_search is not None:
            return replace(state, lost_search=state.lost_search.after(self._lost_count(state, state.lost_search)))
        last, usual = state.confident_box, Box.from_centre(*state.confident_box.centre, *state.habits.size)
        if usual.area < _HIDDEN * last.area:
            usual = last
        side = state.confident_side * math.sqrt(usual.area / last.area)
        # It may be the box that was given, which reaches as far outside as a user likes.
        back = replace(state, box=bounded(usual, usual, 0.0, state.image_size), search_side=side)
        search = LostSearch.around(
            back.search_window,
            self._lost_step(back),
            state.image_size,
            state.habits.velocity,
            state.confidence.doubtful,
        )
        return replace(back, lost_search=search)

    def _noticing(self, state: SiameseState[TargetT], box: Box) -> SiameseState[TargetT]:
        """The state of a lost target that may be in a box, which is looked at once more."""
        search = state.lost_search
        return state if search is None else replace(state, lost_search=search.noticing(box.centre))

    def _search_size(self, state: SiameseState[TargetT]) -> int:
        """Side in pixels of a target's search crop while it is not lost."""
        return self.config.search_size

    def _windows(self, state: SiameseState[TargetT]) -> tuple[Window, ...]:
        """The windows of a target that is not lost."""
        return (state.search_window,)

    def _lost_request(self, state: SiameseState[TargetT], search: LostSearch) -> SearchRequest:
        """What is searched for a lost target."""
        return SearchRequest(search.windows(self._lost_count(state, search)), self._search_size(state))

    def _lost_count(self, state: SiameseState[TargetT], search: LostSearch) -> int:
        """Windows in a frame of a lost target: those of a tracked one, or more where the picture is large."""
        return search.budget(len(self._windows(state)), self.lost_windows)

    def _lost_step(self, state: SiameseState[TargetT]) -> float:
        """Distance in pixels at which the responses of neighbouring windows meet."""
        return state.search_side * (1 - self.config.exemplar_size / self._search_size(state))

    def _evidence(self, own_peak: float, output: OutputT) -> tuple[float, float]:
        """What speaks for the target in an output; the first number is what the network's peaks say."""
        return evidence_vector(output.peak, own_peak, output.psr)

    def _all_evidence(self, evidence: tuple[float, float], output: OutputT) -> tuple[float, ...]:
        """The evidence with what others than the network say of an output."""
        return evidence

    def _score(self, evidence: tuple[float, float], output: OutputT) -> float:
        """Confidence in 0..1 of an output."""
        return self.config.calibration.score(*evidence)

    def _known(self, state: SiameseState[TargetT], output: OutputT) -> tuple[bool, bool]:
        """Whether an output is *familiar* and *recognised*, see ``Confidence.after``."""
        return True, True

    def _response_map(self, state: SiameseState[TargetT], output: OutputT) -> ResponseMap:
        response, window = output.response, output.window
        side = response.shape[-1] * self.stride * output.pixels
        return ResponseMap(
            lambda: response.float().cpu().numpy(), Box.from_centre(window.centre_x, window.centre_y, side, side)
        )

    @abstractmethod
    def _look(self, target: TargetT, frame: Frame, window: Window, box: Box) -> OutputT:
        """What the network says of one window, without any preference for the last place or size.

        Args:
            target: to look for.
            frame: to look in.
            window: to look through.
            box: of the target as last seen, for its size.
        """

    @abstractmethod
    def _moved(self, state: SiameseState[TargetT], output: OutputT) -> SiameseState[TargetT]:
        """The state at the place of the output; the size of a lost target that was found stays."""


def best_of(outputs: Sequence[OutputT], counts: Sequence[int]) -> list[OutputT]:
    """Of each target's outputs, one a window, the one with the highest peak.

    Args:
        outputs: one for each window, target by target.
        counts: windows of each target.
    """
    chosen, start = [], 0
    for count in counts:
        own = outputs[start : start + count]
        chosen.append(max(own, key=_height))
        start += count
    return chosen


def _height(output: NetworkOutput) -> float:
    return output.peak if output.is_finite else float("-inf")
