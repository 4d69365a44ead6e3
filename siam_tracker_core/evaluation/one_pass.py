"""One tracker on one sequence: started once, on the truth of the first frame, and followed to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.geometry import Box

Progress = Callable[[int], object]


class TrackerCrash(Exception):
    """A tracker raised in the middle of a sequence; the message names the frame and the cause."""

    @classmethod
    def at(cls, index: int, count: int, error: Exception) -> TrackerCrash:
        """The crash at a frame, counted from 0, of so many."""
        cause = f"{type(error).__name__}: {error}".replace("\n", " ").strip()
        return cls(f"frame {index + 1} of {count}: {cause}")


def run_sequence(tracker: FrameTracker, sequence: Sequence, progress: Progress | None = None) -> SequenceResult:
    """Start a tracker on the first frame of a sequence and follow to the end (OTB's one-pass evaluation).

    Args:
        tracker: anything with ``init(image, box)`` and ``update(image)``. An update gives an object with ``.box`` and,
            if it likes, ``.score`` and ``.state``; a ``Box``; four numbers; or None where it has no answer, which
            counts as a frame without overlap.
        sequence: its first frame must show the target.
        progress: called with 1 after every frame.

    Returns:
        The result; ``seconds`` holds the time of ``init`` in row 0 and of each ``update`` after it, without the reading
        of the image file.

    Raises:
        DatasetError: if the sequence is empty, its first frame has no target, or an image cannot be read.
        TrackerCrash: if the tracker raises.
    """
    first = sequence.box(0) if len(sequence) else None
    if first is None:
        what = "its first frame has no target to start from" if len(sequence) else "it has no frame"
        raise DatasetError(f"sequence {sequence.name} cannot be evaluated: {what}")
    count = len(sequence)
    predicted, scores, seconds = np.full((count, 4), np.nan), np.full(count, np.nan), np.full(count, np.nan)
    states: list[str | None] = [None] * count
    for index in range(count):
        image = sequence.image(index)
        started = time.perf_counter()
        try:
            answer = tracker.init(image, first) if index == 0 else tracker.update(image)
            seconds[index] = time.perf_counter() - started
            if index == 0:
                predicted[0] = first.to_array()
            elif answer is not None:
                predicted[index], scores[index], states[index] = _read_answer(answer)
        except Exception as error:
            raise TrackerCrash.at(index, count, error) from error
        if progress is not None:
            progress(1)
    return SequenceResult(
        sequence.name, sequence.boxes, predicted, scores, tuple(states), seconds, frames=sequence.frames
    )


def _read_answer(answer: Any) -> tuple[np.ndarray, float, str | None]:
    box = getattr(answer, "box", answer)
    row = box.to_array() if isinstance(box, Box) else Box.from_array(box).to_array()
    score, state = getattr(answer, "score", None), getattr(answer, "state", None)
    return (
        row,
        np.nan if score is None else float(score),
        None if state is None else str(getattr(state, "value", state)),
    )
