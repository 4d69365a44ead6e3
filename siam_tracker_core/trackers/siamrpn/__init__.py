"""SiamRPN: tracking as one-shot detection."""

from siam_tracker_core.trackers.siamrpn.config import SiamRPNConfig
from siam_tracker_core.trackers.siamrpn.model import SiamRPNModel
from siam_tracker_core.trackers.siamrpn.state import Candidate, SiamRPNOutput, SiamRPNState

__all__ = ["Candidate", "SiamRPNConfig", "SiamRPNModel", "SiamRPNOutput", "SiamRPNState"]
