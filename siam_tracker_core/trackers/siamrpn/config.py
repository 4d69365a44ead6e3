"""Settings of SiamRPN, and of trackers without anchors that the same model runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.common.calibration import Calibration
from siam_tracker_core.trackers.common.limits import Count, Share, Whole
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.common.siamese import SiameseConfig
from siam_tracker_core.trackers.online import OnlineConfig


@dataclass(frozen=True)
class SiamRPNConfig(SiameseConfig):
    """Settings of the tracker; defaults are those of PySOT's AlexNet model (reference values, section 2).

    Attributes:
        small_search_size: side of the search crop in pixels for small targets (DaSiamRPN:code/run_SiamRPN.py, 287).
        small_share: targets that take up less of their first image than this are small (likewise); 0 for none.
        penalty_k: k of equation 13, the penalty on changes of scale and ratio.
        window_influence: share of the cosine window in the final score.
        size_lr: share of a change of size that is taken over in one frame, times penalty and score.
        own_size: share, as a power, of the factors by which the network's box of the target's own frame is too large
            that is taken out of its later boxes (``excess``); 0, as published, takes out nothing.
        centre_cells: only boxes of the central so many cells are taken (g of section 4.3); 0 takes all. A map of
            even size has one more where this is odd, and the other way round.
        least_side: of the box in pixels, unless it was smaller from the start.
        lost_search: what is searched while the target is lost, without cosine window and regardless of
            ``centre_cells``: ``sweep``, windows of the usual size at places that change from frame to frame, or
            ``enlarge``, one large window at the place of loss (PySOT:pysot/tracker/siamrpnlt_tracker.py).
        lost_windows: the most windows in a frame of the sweep, which has fewer where they show the picture in 3 s.
        lost_size: side of the enlarged search crop in pixels, at the usual scale.
        top_k: so many of the best proposals take part in the suppression of ``SiamRPNModel.candidates``. The paper
            gives neither this number nor the next one.
        candidate_overlap: IoU above which of two proposals only the better one is a candidate.
        lost: log-odds tell much apart, so little speaks for loss, and much for a target that is found again.
        calibration: of log-odds; see ``Calibration``.
        online: learning while tracking; off by default.
    """

    small_search_size: Annotated[int, Ge(64)] = 287
    small_share: Share = 0.004
    penalty_k: Annotated[float, Ge(0), Le(2)] = 0.16
    window_influence: Share = 0.40
    size_lr: Share = 0.30
    own_size: Share = 0.0
    centre_cells: Whole = 0
    least_side: Annotated[float, Ge(1)] = 10.0
    lost_search: Literal["sweep", "enlarge"] = "sweep"
    lost_windows: Annotated[int, Ge(2), Le(25)] = 3
    lost_size: Annotated[int, Ge(64), Le(2047)] = 831
    top_k: Count = 64
    candidate_overlap: Share = 0.3
    lost: LostConfig = field(default_factory=lambda: LostConfig(lost=0.05, recover=0.9))
    calibration: Calibration = field(default_factory=lambda: Calibration(bias=-4.0, peak=1.0, psr=0.2))
    online: OnlineConfig = field(default_factory=OnlineConfig)

    __renamed__: ClassVar = {"penalty": "penalty_k", "size_rate": "size_lr"}

    def __post_init__(self) -> None:
        usual = max(self.search_size, self.small_search_size)
        if self.lost_search == "enlarge" and self.lost_size <= usual:
            raise ConfigError(f"lost_size {self.lost_size} enlarges nothing: search crops have {usual} pixels already")

    def searches(self) -> dict[str, int]:
        """Sides in pixels of the search crops that are in use, by the names of their settings."""
        sizes = {"search_size": self.search_size}
        if self.small_share:
            sizes["small_search_size"] = self.small_search_size
        if self.lost_search == "enlarge":
            sizes["lost_size"] = self.lost_size
        return sizes
