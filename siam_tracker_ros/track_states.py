"""The states of a track, as the library names them and as messages number them."""

from __future__ import annotations

from siam_tracker_core import TrackState
from siam_tracker_ros.interfaces import TrackedTarget

# Of a message's number.
STATES = {
    TrackedTarget.STATE_TRACKING: TrackState.TRACKING,
    TrackedTarget.STATE_UNCERTAIN: TrackState.UNCERTAIN,
    TrackedTarget.STATE_LOST: TrackState.LOST,
}
# Of a state.
NUMBERS = {state: number for number, state in STATES.items()}
