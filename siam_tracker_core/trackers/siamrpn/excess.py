"""How much too large a network's boxes of one target are, told by the frame in which its box is known.

What belongs to an object is a matter of the label: a pedestrian with or without the outstretched arm, a face with or
without the hair. A network has one answer, and so its boxes of one target are too wide or too low by nearly the same
factors throughout a video. The target's own frame shows these factors: there the network's box stands beside the one
that was drawn. No paper on these trackers does so.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.siamrpn.proposals import Proposal

# A drawn box of which less is in the picture does not tell how large the network sees its target.
_IN_SIGHT = 0.9
# A proposal that overlaps less with the drawn box is of something else.
_LEAST_OVERLAP = 0.3
# Beyond that the network has taken a part for the whole, or the other way round, which it need not do again.
_MOST = 2.0


class Excess(NamedTuple):
    """Factors by which a network's boxes of a target are wider and higher than they should be."""

    width: float = 1.0
    height: float = 1.0

    @classmethod
    def of(cls, own: Proposal, width: float, height: float, share: float, in_sight: float = 1.0) -> Excess:
        """The factors that a target's own frame tells.

        Args:
            own: the network's proposal there, in a window around the target.
            width, height: of the target in pixels of the crop.
            share: of the factors, as a power: 0 for factors of 1.
            in_sight: share of the drawn box that lies in the picture.

        Returns:
            Factors within 1/2 and 2; 1 where the proposal is no number or not of the target, or the box reaches out.
        """
        if not share or in_sight < _IN_SIGHT or not all(map(math.isfinite, own)):
            return cls()
        drawn = Box.from_centre(0.0, 0.0, width, height)
        if Box.from_centre(own.dx, own.dy, own.width, own.height).iou(drawn) < _LEAST_OVERLAP:
            return cls()
        return cls(
            *(
                min(max((said / true) ** share, 1 / _MOST), _MOST)
                for said, true in ((own.width, width), (own.height, height))
            )
        )

    def removed(self, width: float, height: float) -> tuple[float, float]:
        """A size as it should be, of one as the network says it."""
        return width / self.width, height / self.height

    def added(self, width: float, height: float) -> tuple[float, float]:
        """A size as the network would say it, of one as it should be."""
        return width * self.width, height * self.height
