"""DSiam: SiamFC whose exemplar and search features follow the target's look."""

from siam_tracker_core.trackers.dsiam.adaptation import Adaptation, learned
from siam_tracker_core.trackers.dsiam.config import DSiamConfig
from siam_tracker_core.trackers.dsiam.model import DSiamModel, DSiamState, DSiamTarget

__all__ = ["Adaptation", "DSiamConfig", "DSiamModel", "DSiamState", "DSiamTarget", "learned"]
