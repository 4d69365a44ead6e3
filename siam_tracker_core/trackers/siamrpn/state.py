"""What SiamRPN keeps of a target, and what its network says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.runtimes import Tensors
from siam_tracker_core.trackers.common.siamese import SiameseState
from siam_tracker_core.trackers.online import OnlineState
from siam_tracker_core.trackers.online.model import LearningOutput
from siam_tracker_core.trackers.siamrpn.excess import Excess
from siam_tracker_core.trackers.siamrpn.proposals import Proposal


@dataclass(frozen=True)
class SiamRPNOutput(LearningOutput):
    """What the network says of one target in one frame; ``peak`` is the best proposal's probability.

    Attributes:
        proposal: the best one.
    """

    proposal: Proposal

    @property
    def is_finite(self) -> bool:
        return all(map(math.isfinite, self.proposal))


class SiamRPNTarget(NamedTuple):
    """What is kept of a target.

    Attributes:
        template: kernels of its exemplar.
        search_size: side in pixels of its search crops while it is not lost.
        online: what is learned of it while it is tracked, for trackers that do.
        excess: how much too large the network's boxes of it are.
    """

    template: Tensors
    search_size: int
    online: OnlineState | None = None
    excess: Excess = Excess()

    def knowing(self, online: OnlineState | None) -> SiamRPNTarget:
        """The same with something else learned."""
        return self._replace(online=online)


SiamRPNState = SiameseState[SiamRPNTarget]


@dataclass(frozen=True)
class Candidate:
    """A place where the network sees something like the target.

    Attributes:
        box: as proposed, in image pixels; it may reach beyond the image.
        score: probability of "target".
    """

    box: Box
    score: float


def box_in_image(window: Window, size: int, dx: float, dy: float, width: float, height: float) -> Box:
    """The box in image pixels of one that is given by centre and size in pixels of a window's crop."""
    pixels = window.size / size
    return Box.from_centre(
        window.centre_x + dx * pixels, window.centre_y + dy * pixels, width * pixels, height * pixels
    )
