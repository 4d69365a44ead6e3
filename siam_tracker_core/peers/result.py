"""What a peer says of one frame."""

from __future__ import annotations

from dataclasses import dataclass

from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.results import TrackState


@dataclass(frozen=True)
class PeerResult:
    """What a peer says of one frame.

    Attributes:
        box: the target in pixels; the last one found while the state is "lost".
        score: confidence in 0..1, or None where a tracker has none.
        state: "tracking", or "lost" where the tracker says that it cannot find the target.
    """

    box: Box
    score: float | None = None
    state: str = TrackState.TRACKING.value
