"""The anchor-free tracker: SiamRPN's selection and LOST states on a network that gives a box for every cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le

from siam_tracker_core.limits import Share
from siam_tracker_core.trackers.common.calibration import Calibration
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.siamrpn.config import SiamRPNConfig


@dataclass(frozen=True)
class SiamBANConfig(SiamRPNConfig):
    """Settings of the tracker: those of SiamRPN, with values that suit boxes without anchors.

    They were chosen on held-out videos (docs/siamban.md). Small targets get no larger search crop: their crops are
    enlarged anyway, and the network learned from coarse ones.
    """

    small_share: Share = 0.0
    penalty_k: Annotated[float, Ge(0), Le(2)] = 0.06
    window_influence: Share = 0.30
    size_lr: Share = 0.6
    own_size: Share = 0.7
    lost: LostConfig = field(default_factory=lambda: LostConfig(lost=0.05, patience=10, recover=0.6))
    calibration: Calibration = field(default_factory=lambda: Calibration(bias=-4.0, peak=1.0, psr=0.2))
