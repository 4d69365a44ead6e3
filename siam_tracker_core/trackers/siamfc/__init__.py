"""SiamFC: fully convolutional Siamese tracking."""

from siam_tracker_core.trackers.siamfc.config import PyramidConfig, ScaleSearchConfig, SiamFCConfig, SiamFCOnlineConfig
from siam_tracker_core.trackers.siamfc.model import CPU_BATCH, SiamFCModel, SiamFCState, SiamFCTarget
from siam_tracker_core.trackers.siamfc.pyramid import PEAK_RADIUS, Move, ScalePyramid, SiamFCOutput

__all__ = [
    "CPU_BATCH",
    "PEAK_RADIUS",
    "Move",
    "PyramidConfig",
    "ScalePyramid",
    "ScaleSearchConfig",
    "SiamFCConfig",
    "SiamFCModel",
    "SiamFCOnlineConfig",
    "SiamFCOutput",
    "SiamFCState",
    "SiamFCTarget",
]
