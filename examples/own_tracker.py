"""A tracker of one's own in sixty lines: the template is the target's colours, and the best of nine shifts wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from siam_tracker_core import Box, Frame, Tracker, TrackResult, TrackState
from siam_tracker_core.geometry import Window
from siam_tracker_core.trackers.model import SearchRequest, TargetState, TrackerModel

SIZE, SHIFTS = 32, (-4, 0, 4)


@dataclass(frozen=True)
class ColourState(TargetState):
    """The target's box and image size, and its template (3, SIZE, SIZE)."""

    template: torch.Tensor


@dataclass(frozen=True)
class Likeness:
    """How much each window looks like the template, 0..1; the first one is where the target was."""

    scores: tuple[float, ...]

    @property
    def is_finite(self) -> bool:
        return bool(torch.tensor(self.scores).isfinite().all())


class ColourModel(TrackerModel[ColourState, Likeness]):
    name, device, config = "colour", torch.device("cpu"), None

    def start(self, frame: Frame, box: Box) -> ColourState:
        window = Window(*box.centre, max(box.width, box.height))
        return ColourState(box, (frame.width, frame.height), frame.crops([window], SIZE)[0].float())

    def search(self, state: ColourState) -> SearchRequest:
        (x, y), side = state.box.centre, max(state.box.width, state.box.height)
        return SearchRequest(tuple(Window(x + dx, y + dy, side) for dy in SHIFTS for dx in SHIFTS), SIZE)

    def forward(self, states: Sequence[ColourState], frame: Frame, crops: torch.Tensor) -> list[Likeness]:
        templates = torch.stack([state.template for state in states])[:, None]
        apart = (crops.float().view(len(states), -1, 3, SIZE, SIZE) - templates).abs().mean(dim=(2, 3, 4))
        return [Likeness(tuple(scores)) for scores in (1 - apart / 255).tolist()]

    def locate(self, state: ColourState, output: Likeness) -> tuple[ColourState, TrackResult]:
        best = max(range(len(output.scores)), key=output.scores.__getitem__)
        window = self.search(state).windows[best]
        box = Box.from_centre(window.centre_x, window.centre_y, state.box.width, state.box.height)
        return replace(state, box=box), TrackResult(box, output.scores[best], TrackState.TRACKING)

    def lose(self, state: ColourState) -> ColourState:
        return state

    def warm_up(self, targets: int = 1) -> None:
        """Nothing is slow the first time."""


tracker = Tracker(ColourModel())
