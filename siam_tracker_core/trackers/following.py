"""What trackers share that look for their target around its last place: states, evidence, loss and the way back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar

import torch
from annotated_types import Ge, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.trackers.base import ResponseMap, Tracker, TrackResult, TrackState
from siam_tracker_core.trackers.confidence import Calibration, LostConfig, StateMachine, evidence_vector
from siam_tracker_core.trackers.lost_search import LostSearch

Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class FollowingConfig:
    """Settings that all such trackers have.

    Attributes:
        exemplar_size: side of the exemplar crop in pixels.
        search_size: side of the search crop in pixels.
        context: margin around the target as a share of its width plus height.
        lost: when the target counts as lost and found.
        calibration: from evidence to score; part of the weights file.
    """

    exemplar_size: Annotated[int, Ge(32)] = 127
    search_size: Annotated[int, Ge(64)] = 255
    context: Annotated[float, Ge(0), Le(4)] = 0.5
    lost: LostConfig = field(default_factory=LostConfig)
    calibration: Calibration = field(default_factory=Calibration)

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Look:
    """What a network says of one target in one frame.

    Attributes:
        choice: index of the window with the best response.
        peak: height of the response at its peak, in the network's own units.
        psr: peak-to-sidelobe ratio there.
        response: response map of the chosen window, on the device.
    """

    choice: int
    peak: float
    psr: float
    response: torch.Tensor


LookT = TypeVar("LookT", bound=Look)


class FollowingTracker(Tracker):
    """A tracker that searches windows around the last box, and sweeps its surroundings while the target is lost.

    Attributes:
        config: the settings.
        stride: of the response map, in pixels of the search crop.
    """

    config: FollowingConfig
    stride: int

    def __init__(self) -> None:
        super().__init__()
        self._box = Box(0, 0, 0, 0)

    @property
    def box(self) -> Box:
        return self._box

    @property
    def search_size(self) -> int:
        """Side in pixels of this target's search crop while it is not lost."""
        return self.config.search_size

    @property
    def crop_size(self) -> int:
        return self.search_size

    @property
    def evidence(self) -> tuple[float, float]:
        """The evidence (see ``Calibration``) in the last frame."""
        return self._evidence

    @property
    def search_window(self) -> Window:
        """The window around the last box, at its scale."""
        return Window(*self._box.centre, self._search)

    @property
    def is_lost(self) -> bool:
        """Whether the target is being looked for elsewhere than at its last place."""
        return self._lost_search is not None

    def probe(self, frame: Frame, window: Window) -> tuple[float, float]:
        """The evidence (see ``Calibration``) for the target inside a window, without moving the target."""
        with torch.inference_mode():
            look = self._look(frame, window)
        return self._evidence_of(look)

    def _begin(self, box: Box, search: float, own: Look) -> None:
        """Take up a target whose own frame gave ``own``; ``search`` is the side of its search window in pixels."""
        self._box = self._confident_box = box
        self._search = self._confident_search = search
        self._own_peak = own.peak
        self._evidence = self._evidence_of(own)
        self._states = StateMachine(self.config.lost)
        self._lost_search: LostSearch | None = None
        self._windows: list[Window] = []

    def locate(self, answer: Any) -> TrackResult:
        self._evidence = self._evidence_of(answer)
        score = self._score(answer)
        window = self._windows[answer.choice]
        state = self._states.see(score)
        if state is not TrackState.LOST:
            self._move(window, answer, resize=not self.is_lost)
            self._lost_search = None
            if score >= self.config.lost.lost:
                self._confident_box, self._confident_search = self._box, self._search
        elif self._lost_search is None:
            self._give_up()
        return TrackResult(self._box, score, state, self._response_map(window, answer), self._states.reason(score))

    def _evidence_of(self, look: Look) -> tuple[float, float]:
        """What speaks for the target in a look; the first number is what the network's peaks say."""
        return evidence_vector(look.peak, self._own_peak, look.psr)

    def _score(self, answer: Any) -> float:
        """Confidence in 0..1 of an answer whose evidence has just been taken."""
        return self.config.calibration.score(*self._evidence)

    def _give_up(self) -> None:
        """Return to where the evidence last spoke for the target, and look around from there."""
        # It may be the box that was given, which reaches as far outside as a user likes.
        self._box = bounded(self._confident_box, self._confident_box, 0.0, self.image_size)
        self._search = self._confident_search
        # Tiles meet where the response maps end.
        step = self._search * (1 - self.config.exemplar_size / self.search_size)
        self._lost_search = LostSearch(self.search_window, step, self.image_size)

    def _response_map(self, window: Window, look: Look) -> ResponseMap:
        side = look.response.shape[-1] * self.stride * window.size / self.crop_size
        response = look.response
        return ResponseMap(
            lambda: response.float().cpu().numpy(), Box.from_centre(window.centre_x, window.centre_y, side, side)
        )

    @abstractmethod
    def _look(self, frame: Frame, window: Window) -> Look:
        """What the network says of one window, without any preference for the last place or size."""

    @abstractmethod
    def _move(self, window: Window, answer: Any, resize: bool) -> None:
        """Follow the answer from its window; the size changes only with ``resize``."""


def best_of_windows(trackers: Sequence[FollowingTracker], looks: Sequence[LookT]) -> list[LookT]:
    """Of each tracker's looks at its windows, the one with the highest peak, with that window as its choice.

    Args:
        trackers: whose ``windows`` were looked at.
        looks: one for each window, tracker by tracker.
    """
    chosen, start = [], 0
    for tracker in trackers:
        own = looks[start : start + len(tracker._windows)]
        best = max(range(len(own)), key=lambda number: own[number].peak)
        chosen.append(replace(own[best], choice=best))
        start += len(own)
    return chosen


def damped(last: Box, width: float, height: float, rate: float) -> tuple[float, float]:
    """Width and height when a share of the change from the last box is taken over: all with a ``rate`` of 1."""
    return (1 - rate) * last.width + rate * width, (1 - rate) * last.height + rate * height


def bounded(box: Box, last: Box, least_side: float, image_size: tuple[int, int]) -> Box:
    """A box of finite size within the limits of a target's box.

    Each side is at least ``least_side``, or the last box's where that was shorter, and at most the image's; then the
    centre is moved into the image. So at least half of each side is in the picture, and no corner is further outside
    than half a side.

    Args:
        box: in pixels; its place need not be finite.
        last: the box of the frame before, whose place and sides are finite.
        least_side: in pixels.
        image_size: width and height in pixels.
    """
    sides = [
        min(max(side, min(least_side, old)), float(limit))
        for side, old, limit in zip((box.width, box.height), (last.width, last.height), image_size, strict=True)
    ]
    centre = [min(max(place, 0.0), float(limit)) for place, limit in zip(box.centre, image_size, strict=True)]
    return Box.from_centre(*centre, *sides)
