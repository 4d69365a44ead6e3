"""MDNet: tracking by an online classifier of candidate boxes."""

from siam_tracker_core.trackers.mdnet.config import ClassifierConfig, MDNetConfig
from siam_tracker_core.trackers.mdnet.model import MDNetModel, MDNetOutput, MDNetState

__all__ = ["ClassifierConfig", "MDNetConfig", "MDNetModel", "MDNetOutput", "MDNetState"]
