"""Use the tracker from a node of your own, without its services and topics showing.

::

    tracker = TrackerClient(my_node)
    tracker.wait_until_ready(timeout=10.0)
    target = tracker.set_target((100, 80, 40, 60), stamp=image, label="person")
    track = tracker.wait_for_track(target)
    print(track.x, track.y, track.score)

All calls block and may be made from anywhere: from a thread of your own, from the thread that spins your node, from
inside its callbacks, with your node spun by any executor or by none. The client does not depend on your node being
spun, because it has a small node of its own, spun by a thread of its own.
"""

from siam_tracker_ros.client.arguments import BoxLike
from siam_tracker_ros.client.errors import TrackerError, TrackerTimeout
from siam_tracker_ros.client.tracker_client import TrackerClient

__all__ = ["BoxLike", "TrackerClient", "TrackerError", "TrackerTimeout"]
