"""What the cascade keeps of a target, and what its networks say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from siam_tracker_core.geometry import Box
from siam_tracker_core.runtimes import Tensors
from siam_tracker_core.trackers.common.gate import Decision, Gate
from siam_tracker_core.trackers.common.random_state import RandomState
from siam_tracker_core.trackers.common.siamese import NetworkOutput, SiameseState
from siam_tracker_core.trackers.mdnet.classifier import Classifier

_SHOWN = Decision(True, "the target was shown in this frame")


@dataclass(frozen=True)
class CascadeOutput(NetworkOutput):
    """What both networks say of one target in one frame; ``peak`` is the raw correlation, without bias.

    Attributes:
        box: of the best patch.
        matching: response at its peak as the gate takes it.
        classification: softmax probability of "target" of the best patch.
        others: of all other peaks, the ratios to the highest one.
    """

    box: Box
    matching: float
    classification: float
    others: tuple[float, ...]

    @property
    def is_finite(self) -> bool:
        return super().is_finite and math.isfinite(self.matching + self.classification)


@dataclass(frozen=True)
class CascadeTarget:
    """What is kept of a target.

    Attributes:
        template: of its exemplar.
        first_side: side in pixels of its first search window.
        classifier: its own, which learns.
        gate: decides when.
        random: of the boxes that are learned from.
        decision: whether the last frame is learned from.
        fails: whether the classifier no longer knows a target that is still followed.
        learned: frames that were learned from since the last update.
    """

    template: Tensors
    first_side: float
    classifier: Classifier
    gate: Gate
    random: RandomState
    decision: Decision = _SHOWN
    fails: bool = False
    learned: int = 0


CascadeState = SiameseState[CascadeTarget]
