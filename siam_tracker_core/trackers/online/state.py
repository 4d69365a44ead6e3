"""What a learner keeps of a target, and what a filter says of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from siam_tracker_core.trackers.common.gate import Decision, Gate
from siam_tracker_core.trackers.online.filter import Projection
from siam_tracker_core.trackers.online.lessons import Notebook

_SHOWN = Decision(True, "the target was shown in this frame")


class Seen(NamedTuple):
    """What a target's filter says of one window.

    Attributes:
        samples: (D, rows, columns), the projected features.
        response: (size, size), of the filter; 1 is as much like the target as it can be.
        share: that the response has in the choice.
        deviations: in cells, of the Gaussian that the response is to be, x and y.
    """

    samples: torch.Tensor
    response: torch.Tensor
    share: float
    deviations: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Lesson:
    """A frame that may be learned from.

    Attributes:
        samples: (D, rows, columns).
        centre: of the target, x and y in cells from the map's middle.
        response: (size, size), the filter's.
    """

    samples: torch.Tensor
    centre: tuple[float, float]
    response: torch.Tensor


@dataclass(frozen=True, eq=False)
class OnlineState:
    """What is known of one target beside its template.

    Attributes:
        projection: of its features.
        deviations: of the Gaussian in cells, x and y.
        size: side of its response maps in cells.
        notebook: its lessons.
        gate: decides what is learned from.
        usual: its likeness to itself (``LearningOutput``) while it is tracked for certain, a mean that forgets.
        decision: about the last frame.
        lesson: the last frame, where it is to be learned from.
        passed_over: why the last frame was not learned from although it was to be; else empty.
    """

    projection: Projection
    deviations: tuple[float, float]
    size: int
    notebook: Notebook
    gate: Gate
    usual: float = 1.0
    decision: Decision = _SHOWN
    lesson: Lesson | None = None
    passed_over: str = ""

    @property
    def told(self) -> str:
        """For a person: whether the last frame is to be learned from, and why."""
        return f"{'to be learned' if self.decision.learn else 'not learned'}: {self.decision.reason}"
