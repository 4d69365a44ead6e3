"""Learning while tracking: a filter beside a Siamese network, learned in closed form on the features that are there."""

from siam_tracker_core.trackers.online.config import OnlineConfig
from siam_tracker_core.trackers.online.learner import Learner
from siam_tracker_core.trackers.online.state import OnlineState, Seen

__all__ = ["Learner", "OnlineConfig", "OnlineState", "Seen"]
