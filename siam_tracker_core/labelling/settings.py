"""What counts as a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from siam_tracker_core.config import STRICT

Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class LabelSettings:
    """What counts as a label.

    Attributes:
        agreement: IoU that both directions need in a frame for its label to be kept.
        least_score: score that both directions need in a frame; trackers without a score pass.
        stretch: frames that are followed before the way back; shorter ones find an error sooner and forgive more.
        shortest: labelled frames that a track needs.
        targets: tracks of a video at most.
        every: frames from one look for moving regions to the next.
    """

    agreement: Share = 0.6
    least_score: Share = 0.3
    stretch: Annotated[int, Ge(4), Le(500)] = 30
    shortest: Annotated[int, Ge(2)] = 10
    targets: Annotated[int, Gt(0)] = 3
    every: Annotated[int, Gt(0)] = 30

    __pydantic_config__ = STRICT
