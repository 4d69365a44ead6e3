"""Settings of the filter that learns while tracking."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.trackers.common.calibration import Calibration
from siam_tracker_core.trackers.common.gate import GateConfig
from siam_tracker_core.trackers.common.limits import Count, NotNegative, Odd, Positive, Share, Whole

# What lies beyond is as good or as bad as these.
HELD_RESPONSE = -1.0, 2.0


def _gate() -> GateConfig:
    return GateConfig(distractor=0.5, matching=0.8, classification=0.6, least=0.4)


@dataclass(frozen=True)
class ResponseCalibration:
    """Logistic regression from the network's evidence and the filter's response to a score; see ``Calibration``.

    The response alone tells right places from wrong ones better than the network's evidence does (docs/online.md). The
    defaults are fitted on held-out videos for the anchor-free network.

    Attributes:
        bias: of the logit.
        peak, psr: coefficients of the network's evidence.
        response: coefficient of the filter's response at the target, within -1..2.
    """

    bias: float = -4.62
    peak: float = 0.25
    psr: float = 0.05
    response: float = 7.5

    __pydantic_config__ = STRICT

    def score(self, peak: float, psr: float, response: float) -> float:
        """Confidence in 0..1 of evidence as ``evidence_vector`` defines it, and a response; 0 for no numbers."""
        low, high = HELD_RESPONSE
        held = min(max(response, low), high) if math.isfinite(response) else math.nan
        return Calibration(self.bias + self.response * held, self.peak, self.psr).score(peak, psr)


@dataclass(frozen=True)
class OnlineConfig:
    """When and how a tracker learns from what it finds; docs/online.md has the equations and how values were chosen.

    Attributes:
        enabled: whether the tracker learns at all.
        features_from: units of the backbone, from its front, after which features are learned from; 0 for all of them.
        channels: that the search features are reduced to, by principal components of the target's first frame.
        kernel: side of the filter in cells of the response map, odd.
        dilation: distance of the filter's taps in cells.
        sigma: of the Gaussian that is wanted around the target, as a share of the target's sides.
        regularisation: lambda of the least squares, beside the mean over cells.
        first_share: weight of the first frame's samples among all that is learned, which never fades.
        lr: weight of a new frame; those before it fade by as much.
        iterations: steps of conjugate gradients after each frame that was learned from.
        share: of the filter's response in the scores that proposals are chosen by.
        sidelobes: peak-to-sidelobe ratio of the response from which on it has its whole share; less below.
        calibration: from evidence and response to the score of a result, on which LOST rests.
        familiar: a lost target is taken up again where its likeness is at least this share of what it usually was: a
            look-alike may look enough like the target for the score, but not as much as the target did. 0 asks for
            nothing.
        recognised: the same for a target that frames spoke against (see ``LostConfig``) without its being LOST yet:
            what is less like it speaks for loss too, whatever its score.
        hard_negatives: additional weight of cells off the target that look like it.
        gate: when to learn. *Matching* is the network's probability, *classification* the filter's response.
        undo_after: so many frames in a row that were not learned from take back the last lessons.
        keep_every: lessons after which they are safe: what is taken back is at least so many lessons, at most twice.
        targets: so many targets learn in a frame, those that waited longest first; the others skip it.
    """

    enabled: bool = False
    features_from: Whole = 0
    channels: Annotated[int, Ge(2), Le(256)] = 32
    kernel: Annotated[Odd, Le(15)] = 3
    dilation: Annotated[int, Ge(1), Le(4)] = 1
    sigma: Annotated[float, Gt(0), Le(1)] = 0.25
    regularisation: Positive = 4e-4
    first_share: Share = 0.3
    lr: Annotated[float, Gt(0), Le(1)] = 0.1
    iterations: Count = 5
    share: Share = 0.7
    sidelobes: NotNegative = 0.0
    calibration: ResponseCalibration = field(default_factory=ResponseCalibration)
    familiar: Annotated[float, Ge(0), Le(2)] = 0.75
    recognised: Annotated[float, Ge(0), Le(2)] = 0.0
    hard_negatives: NotNegative = 0.0
    gate: GateConfig = field(default_factory=_gate)
    undo_after: Count = 5
    keep_every: Count = 10
    targets: Count = 4

    __pydantic_config__ = STRICT

    @property
    def features(self) -> int | None:
        """``features_from`` of a tracker that learns, else None."""
        return self.features_from if self.enabled else None
