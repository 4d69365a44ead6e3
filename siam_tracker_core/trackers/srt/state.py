"""What SRT keeps of a target, and what its network says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.common.box_regression import BoxRegression
from siam_tracker_core.trackers.common.siamese import NetworkOutput, SiameseState


@dataclass(frozen=True)
class SRTOutput(NetworkOutput):
    """What the network says of one target in one frame; ``peak`` is the similarity of the best candidate.

    Attributes:
        box: the best candidate in pixels of the search crop.
        scale: its scale.
        features: float32 (D,), of its region of conv4_3, for the regression; empty without one.
    """

    box: Box
    scale: float
    features: NDArray[np.float32]

    @property
    def is_finite(self) -> bool:
        return super().is_finite and bool(np.isfinite(self.features).all())


class Template(NamedTuple):
    """What is matched of a target, in pixels of the search crop; the same in every frame.

    Attributes:
        exemplar: parts of its own region (``SRTNetwork.parts``), each (1, 1, D).
        boxes: (P * S, 4) of ``x, y, width, height``, the candidates.
        regions: (1, P * S, 4), what is matched of them, on the device.
    """

    exemplar: list[torch.Tensor]
    boxes: NDArray[np.float64]
    regions: torch.Tensor


class SRTTarget(NamedTuple):
    """What is kept of a target.

    Attributes:
        template: what it is matched with.
        regression: refines its boxes; None without one.
        first_box, first_side: its first box and the side of its first search window, in pixels.
    """

    template: Template
    regression: BoxRegression | None
    first_box: Box
    first_side: float


SRTState = SiameseState[SRTTarget]
