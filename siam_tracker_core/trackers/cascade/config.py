"""Settings of the cascaded tracker."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.cascade.peaks import PeakConfig
from siam_tracker_core.trackers.common.gate import GateConfig
from siam_tracker_core.trackers.common.limits import Count, Odd, Share
from siam_tracker_core.trackers.common.siamese import SiameseConfig
from siam_tracker_core.trackers.mdnet.config import MDNetConfig
from siam_tracker_core.trackers.siamfc import PyramidConfig, SiamFCConfig

# The networks, as the names of a weights file's tensors and descriptions begin.
HALVES = ("matching", "classification")


@dataclass(frozen=True)
class CascadeConfig(SiameseConfig):
    """Settings of the tracker; defaults are those of section 4.1 where it has any.

    Attributes:
        parts: ``both``; or one half alone, for the ablations of Figure 3: ``matching`` is SiamFC, ``classification``
            is MDNet.
        peaks: which places are looked at.
        patch_scales: how many patches there are at each, odd.
        patch_step: ratio of neighbouring ones.
        size_lr: share of a change of size that is taken over in a frame; the paper does not tell, 1 takes all of it.
        lost_windows: windows that are searched in a frame while the target is lost, with patches of one scale.
        gate: when to learn.
        update_every: after so many frames that were learned from the last layers are updated; 1 does so in every one,
            as the paper's text has it, 10 is MDNet's interval.
        failure: where the classification score is below this, the last layers are updated at once, with what the
            short memory holds, as MDNet's are.
        siamfc: ``response_up`` and ``scale_limits`` are the whole tracker's, all others are for ``parts: matching``:
            the whole tracker searches one scale without preference for the middle, and its sizes are the patches'.
        mdnet: ``classifier`` and ``least_side`` are the whole tracker's, all others are for ``parts: classification``;
            what is LOST the cascade's own settings say there, too.
    """

    parts: Literal["both", "matching", "classification"] = "both"
    peaks: PeakConfig = field(default_factory=PeakConfig)
    patch_scales: Annotated[Odd, Le(15)] = 3
    patch_step: Annotated[float, Gt(1), Le(2)] = 1.02
    size_lr: Annotated[float, Gt(0), Le(1)] = 1.0
    lost_windows: Annotated[int, Ge(2), Le(25)] = 3
    gate: GateConfig = field(default_factory=GateConfig)
    update_every: Count = 10
    failure: Share = 0.5
    siamfc: PyramidConfig = field(default_factory=PyramidConfig)
    mdnet: MDNetConfig = field(default_factory=MDNetConfig)

    __renamed__: ClassVar = {
        "size_rate": "size_lr",
        "scale_rate": "siamfc.scale_lr",
        "upsampling": "siamfc.response_up",
        **{each.name: f"siamfc.{each.name}" for each in fields(PyramidConfig)},
    }

    def __post_init__(self) -> None:
        if self.gate.distractor < self.peaks.ratio:
            raise ConfigError(
                f"gate.distractor {self.gate.distractor:g} is below peaks.ratio {self.peaks.ratio:g}, under which no "
                "peaks are looked for; give both the same, or the gate the larger one"
            )

    @property
    def matching(self) -> SiamFCConfig:
        """The settings of the matching half as a tracker of its own."""
        shared = {each.name: getattr(self, each.name) for each in fields(SiameseConfig)}
        return SiamFCConfig(**shared, **vars(self.siamfc))

    @property
    def classification(self) -> MDNetConfig:
        """The settings of the classification half as a tracker of its own."""
        return replace(self.mdnet, lost=self.lost)
