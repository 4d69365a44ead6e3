"""The message and service types of siam_tracker_msgs, or a clear word on how to get them."""

from __future__ import annotations

try:
    from siam_tracker_msgs.action import FollowTarget
    from siam_tracker_msgs.msg import (
        TargetEvent,
        TargetPosition,
        TargetPositionArray,
        TrackedTarget,
        TrackedTargetArray,
    )
    from siam_tracker_msgs.srv import LabelTarget, RemoveTarget, SetTarget
except ImportError as error:
    raise ImportError(
        f"the message types of siam_tracker_msgs cannot be imported ({error}); build them with "
        "'pip install ./siam_tracker_msgs' in this repository, or in a colcon workspace with "
        "'colcon build --base-paths src/<repository> src/<repository>/siam_tracker_msgs', and source its setup file"
    ) from error

__all__ = [
    "FollowTarget",
    "LabelTarget",
    "RemoveTarget",
    "SetTarget",
    "TargetEvent",
    "TargetPosition",
    "TargetPositionArray",
    "TrackedTarget",
    "TrackedTargetArray",
]
