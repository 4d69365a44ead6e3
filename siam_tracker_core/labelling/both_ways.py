"""Follow a target from its start to the ends of a video and, stretch by stretch, back again.

A tracker that drifts rarely drifts back the way it came (forward-backward error: Kalal, Mikolajczyk and Matas, ICPR
2010), so where the way back agrees with the way there, the boxes can be trusted. A stretch whose way back does not come
home is tried again with half its length; what cannot be confirmed ends the track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import BoxError
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.labelling.footage import Footage
from siam_tracker_core.labelling.settings import LabelSettings
from siam_tracker_core.labelling.starts import Start
from siam_tracker_core.trackers.results import TrackState

KEPT = ""
DISAGREE = "directions disagree"
UNSURE = "lost, uncertain or below the least score"
NOT_REACHED = "after the end of the track"

# A stretch is not halved below so many frames.
_SHORTEST_STRETCH = 4


@dataclass(frozen=True)
class Label:
    """What is known of the target in one frame.

    Attributes:
        box: the mean of both directions, in zero-based pixels.
        overlap: IoU of both directions, 0..1.
        score: the lower of both scores, 0..1; NaN for trackers without one.
        reason: why the label is not kept; empty if it is.
    """

    box: Box
    overlap: float
    score: float
    reason: str = KEPT

    @property
    def kept(self) -> bool:
        """Whether the label is written."""
        return self.reason == KEPT


@dataclass(frozen=True)
class _Answer:
    """What one direction says of one frame."""

    box: NDArray[np.float64]
    score: float
    sure: bool


@dataclass(frozen=True)
class Pair:
    """The trackers of both directions, which remember a target each.

    Attributes:
        there: goes on from the start.
        back: comes back at the end of each stretch.
    """

    there: FrameTracker
    back: FrameTracker


def label_both_ways(footage: Footage, start: Start, trackers: Pair, settings: LabelSettings) -> dict[int, Label]:
    """Labels by frame, of the start's target, as far as it could be followed towards both ends of the video.

    Raises:
        BoxError: if no target can be in the start's box.
        DatasetError, ImageError: if a frame cannot be read, or has another size.
    """
    onwards = list(range(start.frame, len(footage)))
    backwards = list(range(start.frame, -1, -1))
    labels: dict[int, Label] = {}
    for order in (backwards, onwards):
        for index, label in _walk(footage, order, start.box, trackers, settings).items():
            if label.kept or index not in labels:  # the start's frame is in both
                labels[index] = label
    return labels


def _walk(
    footage: Footage, order: Sequence[int], box: Box, trackers: Pair, settings: LabelSettings
) -> dict[int, Label]:
    """Labels of the frames in one order, which begins with the start's."""
    images = {order[0]: footage.image(order[0])}
    trackers.there.init(images[order[0]], box)
    home = _Answer(box.to_array(), np.nan, True)
    labels: dict[int, Label] = {}
    place = 0
    while place < len(order) - 1:
        stretch = order[place : place + settings.stretch + 1]
        images = {stretch[0]: images[stretch[0]]} | {index: footage.image(index) for index in stretch[1:]}
        there = [home] + [_answer(trackers.there.update(images[index]), settings) for index in stretch[1:]]
        last = max(position for position, answer in enumerate(there) if answer.sure)
        found = _confirmed([images[index] for index in stretch], there, last, trackers.back, settings)
        labels |= {stretch[position]: label for position, label in enumerate(found)}
        if len(found) < len(stretch):
            reason = UNSURE if last < len(stretch) - 1 and len(found) == last + 1 else DISAGREE
            lost = {
                index: Label(Box.from_array(answer.box), 0.0, answer.score, reason)
                for index, answer in zip(stretch[len(found) :], there[len(found) :], strict=True)
            }
            return labels | lost
        home, place = there[-1], place + len(stretch) - 1
    return labels


def _confirmed(
    images: Sequence[NDArray[np.uint8]],
    there: Sequence[_Answer],
    last: int,
    tracker: FrameTracker,
    settings: LabelSettings,
) -> list[Label]:
    """Labels of the longest beginning of a stretch from whose end the way back comes home; none if there is none."""
    while last >= min(_SHORTEST_STRETCH, len(there) - 1) and last > 0:
        back = _way_back(images[: last + 1], there[last], tracker, settings)
        if back and float(iou(back[0].box, there[0].box)) >= settings.agreement:
            return [_label(*pair, settings) for pair in zip(there[: last + 1], back, strict=True)]
        last //= 2
    return []


def _way_back(
    images: Sequence[NDArray[np.uint8]], end: _Answer, tracker: FrameTracker, settings: LabelSettings
) -> list[_Answer]:
    """The answers from the end of a stretch to its beginning, in the order of the way there; none from no target."""
    try:
        tracker.init(images[-1], Box.from_array(end.box))
    except BoxError:
        return []
    answers = [end] + [_answer(tracker.update(image), settings) for image in reversed(images[:-1])]
    return answers[::-1]


def _label(there: _Answer, back: _Answer, settings: LabelSettings) -> Label:
    overlap = float(iou(there.box, back.box))
    score = float(np.fmin(there.score, back.score))
    reason = UNSURE if not (there.sure and back.sure) else DISAGREE if overlap < settings.agreement else KEPT
    return Label(Box.from_array((there.box + back.box) / 2), overlap, score, reason)


def _answer(answer: Any, settings: LabelSettings) -> _Answer:
    """A tracker's answer of one frame; sure if it is TRACKING, with a score that is not too low and a box."""
    box = getattr(answer, "box", answer)
    if box is None:
        return _Answer(np.full(4, np.nan), np.nan, False)
    row = (box if isinstance(box, Box) else Box.from_array(box)).to_array()
    score, state = getattr(answer, "score", None), getattr(answer, "state", None)
    value = np.nan if score is None else float(score)
    tracking = state is None or str(getattr(state, "value", state)) == TrackState.TRACKING.value
    sure = tracking and not value < settings.least_score and bool(np.isfinite(row).all() and (row[2:] > 0).all())
    return _Answer(row, value, sure)
