"""Settings of SRT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.srt import Part
from siam_tracker_core.trackers.common.boxes import scale_factors
from siam_tracker_core.trackers.common.limits import Limits, Odd, Positive, Share, Whole
from siam_tracker_core.trackers.common.siamese import SiameseConfig


@dataclass(frozen=True)
class SRTConfig(SiameseConfig):
    """Settings of the tracker; defaults are the paper's (section 3.1), or this package's where it has none.

    Attributes:
        exemplar_size: side in pixels of the crop that shows the target in training; in tracking it is taken from the
            search crop of the first frame.
        search_size: side in pixels of the search crop, a multiple of 4. It holds all candidates and the receptive
            field's margin around them, and so sets the resolution at which the target is seen: 50 pixels for its
            longer side with 244.
        context_amount: margin around every region that is matched, as a share of width plus height; the paper has none.
        radial, angular: rings of candidates, and candidates on each.
        radius: of the outermost ring, in longer sides of the target.
        scales: how many scales at each place, odd, so that one of them is that of the box.
        scale_step: ratio of neighbouring scales; the paper does not tell.
        scales_of: what the scales are of: the ``first`` box, as in the paper, or the ``last`` candidate taken.
        scale_limits: least and largest size relative to the first box, for scales of the last one.
        scale_penalty: factor on the similarity of other scales than the middle one; none in the paper.
        window_influence: share of a cosine window over the radius in the similarity; none in the paper.
        regression: whether boxes are refined.
        regression_samples: boxes of the first frame that the regression learns from.
        regression_alpha: weight of its penalty (R-CNN, MDNet), for features of length 20.
        least_side: of the box in pixels, unless it was smaller from the start.
        lost_windows: windows in a frame while the target is lost.
        leave_out: parts of the network that take no part in the match: ``conv4_3``, ``conv5_3``, ``irnn``.
        seed: of the regression's samples.
    """

    exemplar_size: Annotated[int, Ge(92)] = 144
    search_size: Annotated[int, Ge(92)] = 244
    context_amount: Annotated[float, Ge(0), Le(4)] = 0.0
    radial: Annotated[int, Ge(1), Le(50)] = 10
    angular: Annotated[int, Ge(1), Le(50)] = 10
    radius: Annotated[float, Gt(0), Le(4)] = 1.0
    scales: Annotated[Odd, Le(15)] = 5
    scale_step: Annotated[float, Gt(1), Le(2)] = 1.1
    scales_of: Literal["first", "last"] = "first"
    scale_limits: Limits = (0.2, 5.0)
    scale_penalty: Annotated[float, Gt(0), Le(1)] = 1.0
    window_influence: Share = 0.0
    regression: bool = True
    regression_samples: Annotated[int, Ge(10)] = 1000
    regression_alpha: Positive = 1000.0
    least_side: Annotated[float, Ge(1)] = 10.0
    lost_windows: Annotated[int, Ge(2), Le(25)] = 2
    leave_out: tuple[Part, ...] = ()
    seed: Whole = 0

    def __post_init__(self) -> None:
        for name, size in (("exemplar_size", self.exemplar_size), ("search_size", self.search_size)):
            if size % 4:
                raise ConfigError(f"{name} is {size}; the network's stride is 4, so give {size // 4 * 4 + 4}")

    def factors(self) -> NDArray[np.float64]:
        """The scales of the candidates."""
        return scale_factors(self.scales, self.scale_step)

    def target_side(self, margin: float) -> float:
        """Longer side of the target's region in pixels of a crop, for a network with this margin."""
        return (self.search_size - 2 * margin) / (2 * self.radius + float(self.factors()[-1]))

    def region(self, width: float, height: float) -> tuple[float, float]:
        """Width and height of what is matched of a box: it and its context."""
        margin = self.context_amount * (width + height)
        return width + margin, height + margin
