"""The cascaded Siamese tracker: match, then classify, then decide whether to learn."""

from siam_tracker_core.trackers.cascade.config import HALVES, CascadeConfig
from siam_tracker_core.trackers.cascade.model import CascadeModel
from siam_tracker_core.trackers.cascade.state import CascadeOutput, CascadeState

__all__ = ["HALVES", "CascadeConfig", "CascadeModel", "CascadeOutput", "CascadeState"]
