"""SRT: the Siamese recurrent tracker."""

from siam_tracker_core.trackers.srt.config import SRTConfig
from siam_tracker_core.trackers.srt.model import SRTModel
from siam_tracker_core.trackers.srt.state import SRTOutput, SRTState

__all__ = ["SRTConfig", "SRTModel", "SRTOutput", "SRTState"]
