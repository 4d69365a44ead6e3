"""SiamRPN: tracking as one-shot detection."""

from siam_tracker_core.trackers.siamrpn.config import SiamRPNConfig
from siam_tracker_core.trackers.siamrpn.model import Candidate, SiamRPNModel, SiamRPNOutput, SiamRPNState

__all__ = ["Candidate", "SiamRPNConfig", "SiamRPNModel", "SiamRPNOutput", "SiamRPNState"]
