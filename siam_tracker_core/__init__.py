"""Siamese visual trackers in PyTorch: ``load_tracker``, then ``init`` with a box and ``update`` with every image."""

from siam_tracker_core.waiting import wait_asleep

wait_asleep()  # before anything loads PyTorch

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.group import TrackerGroup
from siam_tracker_core.trackers.tracker import ResponseMap, Tracker, TrackResult, TrackState
from siam_tracker_core.zoo import list_trackers, load_tracker

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Frame",
    "ResponseMap",
    "SiamTrackerError",
    "TrackResult",
    "TrackState",
    "Tracker",
    "TrackerGroup",
    "list_trackers",
    "load_tracker",
]
