"""What every tracker gives for a frame, whatever paper it comes from."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from siam_tracker_core.geometry import Box


class TrackState(enum.Enum):
    """How far a result can be trusted."""

    TRACKING = "tracking"
    UNCERTAIN = "uncertain"
    LOST = "lost"


class ResponseMap:
    """The network's response over a region of the image, left on the device until it is read.

    Attributes:
        box: the image region in pixels that the map covers; each cell covers an equal share of it.
    """

    def __init__(self, fetch: Callable[[], NDArray[np.float32]], box: Box) -> None:
        self._fetch = fetch
        self._values: NDArray[np.float32] | None = None
        self.box = box

    @property
    def values(self) -> NDArray[np.float32]:
        """float32 (rows, cols), in the tracker's own response units; larger is more alike."""
        if self._values is None:
            self._values = self._fetch()
        return self._values

    def over(self, box: Box) -> ResponseMap:
        """The same map over the image region that it covers in other coordinates."""
        return ResponseMap(lambda: self.values, box)

    def __reduce__(self) -> tuple[Callable[..., ResponseMap], tuple[NDArray[np.float32], Box]]:
        """As its values, for what fetches them from a device cannot be pickled."""
        return _restored, (self.values, self.box)


def _restored(values: NDArray[np.float32], box: Box) -> ResponseMap:
    return ResponseMap(lambda: values, box)


@dataclass(frozen=True)
class TrackResult:
    """What a tracker says of one frame.

    Attributes:
        box: the target in image pixels; where it was last believed to be while the state is LOST.
        score: confidence in 0..1, comparable between frames of one tracker.
        state: how far the box can be trusted.
        response: the response map, or None where the tracker computed none for this frame.
        reason: why the state is not TRACKING, in words for a person; empty otherwise.
        learning: whether the tracker learns from this frame, and why; empty for trackers that decide nothing about it.
    """

    box: Box
    score: float
    state: TrackState
    response: ResponseMap | None = field(default=None, repr=False)
    reason: str = ""
    learning: str = ""

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        """The box as an array, so that a row of an array of boxes takes a result."""
        return np.asarray(self.box, dtype=dtype)
