"""Settings of SiamFC, and of all trackers that search over its scales."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.trackers.common.limits import Limits, Odd, Share
from siam_tracker_core.trackers.common.siamese import SiameseConfig
from siam_tracker_core.trackers.online import OnlineConfig
from siam_tracker_core.trackers.online.config import ResponseCalibration


@dataclass(frozen=True)
class PyramidConfig:
    """Settings of the search over scales; defaults are those of the reference implementation's three-scale version.

    Attributes:
        scales: how many scales are searched, odd.
        scale_step: ratio of neighbouring scales.
        scale_penalty: factor on the response of other scales than the last one.
        scale_lr: share of a change of scale that is taken over in one frame.
        window_influence: share of the cosine window in the final response.
        response_up: factor on the response map's size before its peak is taken.
        scale_limits: least and largest search region relative to the first one.
    """

    scales: Annotated[Odd, Le(9)] = 3
    scale_step: Annotated[float, Gt(1), Le(2)] = 1.0375
    scale_penalty: Annotated[float, Gt(0), Le(1)] = 0.9745
    scale_lr: Share = 0.59
    window_influence: Share = 0.176
    response_up: Annotated[int, Ge(1), Le(32)] = 16
    scale_limits: Limits = (0.2, 5.0)

    __pydantic_config__ = STRICT
    __renamed__: ClassVar = {"scale_rate": "scale_lr", "upsampling": "response_up"}


@dataclass(frozen=True)
class ScaleSearchConfig(PyramidConfig, SiameseConfig):
    """Settings of a tracker that searches over scales."""


def _calibration() -> ResponseCalibration:
    return ResponseCalibration(bias=-3.85, peak=4.23, psr=0.88, response=3.16)


@dataclass(frozen=True)
class SiamFCOnlineConfig(OnlineConfig):
    """Settings of learning, with a share and coefficients for SiamFC's maps, from held-out videos (docs/online.md).

    Attributes:
        share: as above; see ``votes`` for what it is a share of.
        calibration: of the peak's height relative to the target's own, see ``Calibration``.
    """

    share: Share = 0.5
    calibration: ResponseCalibration = field(default_factory=_calibration)


@dataclass(frozen=True)
class SiamFCConfig(ScaleSearchConfig):
    """Settings of the tracker.

    Attributes:
        online: learning while tracking; off by default.
    """

    online: SiamFCOnlineConfig = field(default_factory=SiamFCOnlineConfig)
