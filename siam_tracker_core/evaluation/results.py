"""What one tracker did on one sequence, and the file that keeps it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import write_text
from siam_tracker_core.geometry import iou
from siam_tracker_core.trackers.results import TrackState

COLUMNS = ("x", "y", "width", "height", "score", "state", "seconds", "missed")


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """One tracker's boxes on one sequence, beside the truth.

    The arrays are converted to the types below when the result is made, and all have N rows, one a frame.

    Attributes:
        name: the sequence's name, unique within one evaluation.
        truth: float64 (N, 4), ``x, y, width, height`` in zero-based pixels; NaN rows where the target is absent.
        predicted: float64 (N, 4), likewise; NaN rows where the tracker gave no box. Only this column is scored, so
            a late frame that must not count is NaN here too.
        scores: float64 (N,), the tracker's confidence in 0..1; NaN where it gave none.
        states: N entries, the value of a ``TrackState`` ("tracking", "uncertain", "lost") or None where it gave none.
        seconds: float64 (N,), time from the image to its answer; row 0 is the initialisation. NaN where not measured.
        frames: the N image files, or None where there are no files to show.
        missed: bool (N,), frames that were answered too late or not at all (a bag replayed in real time).
    """

    name: str
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    scores: NDArray[np.float64] = None  # type: ignore[assignment]
    states: tuple[str | None, ...] = None  # type: ignore[assignment]
    seconds: NDArray[np.float64] = None  # type: ignore[assignment]
    frames: tuple[Path, ...] | None = None
    missed: NDArray[np.bool_] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        truth = np.asarray(self.truth, dtype=np.float64)
        if truth.ndim != 2 or truth.shape[1] != 4:
            raise DatasetError(f"result {self.name}: truth has shape {truth.shape}, expected (frames, 4)")
        count = len(truth)
        if count == 0:
            raise DatasetError(f"result {self.name}: the sequence has no frame, so there is nothing to score")
        object.__setattr__(self, "truth", truth)
        predicted = np.asarray(self.predicted, dtype=np.float64)
        object.__setattr__(self, "predicted", self._checked("predicted", predicted, (count, 4)))
        object.__setattr__(self, "scores", self._column("scores", self.scores, count))
        object.__setattr__(self, "seconds", self._column("seconds", self.seconds, count))
        missed = np.zeros(count, dtype=bool) if self.missed is None else np.asarray(self.missed, dtype=bool)
        object.__setattr__(self, "missed", self._checked("missed", missed, (count,)))
        states = (None,) * count if self.states is None else tuple(self.states)
        self._check_count("states", len(states), count)
        object.__setattr__(self, "states", states)
        if self.frames is not None:
            self._check_count("frames", len(self.frames), count)
            object.__setattr__(self, "frames", tuple(Path(frame) for frame in self.frames))

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def present(self) -> NDArray[np.bool_]:
        """bool (N,): frames in which the target is there to be found, by the truth."""
        return np.asarray(~np.isnan(self.truth).any(axis=1))

    def in_state(self, state: TrackState) -> NDArray[np.bool_]:
        """bool (N,): frames of which the tracker says so."""
        return np.array([each == state.value for each in self.states], dtype=bool)

    @cached_property
    def overlaps(self) -> NDArray[np.float64]:
        """IoU of each frame, with the truth as the first prediction; see ``otb.overlaps``. Computed once, read-only."""
        values = self.overlaps_with(self.boxes(force_first=True))
        values.setflags(write=False)
        return values

    def overlaps_with(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """IoU of boxes (N, 4) with the truth: float64 (N,), NaN where the target is absent, 0 where a box is NaN."""
        values = np.asarray(iou(boxes, self.truth), dtype=np.float64)
        values = np.clip(values, 0.0, 1.0)  # rounding may put equal boxes a hair above 1, which would count as "> 1"
        return np.where(self.present, np.nan_to_num(values, nan=0.0), np.nan)

    def boxes(self, force_first: bool) -> NDArray[np.float64]:
        """The predictions (N, 4), NaN where one is not finite; in the first row the truth if that is forced."""
        boxes = np.where(np.isfinite(self.predicted).all(axis=1, keepdims=True), self.predicted, np.nan)
        if force_first:
            boxes[0] = self.truth[0]
        return boxes

    def _column(self, label: str, values: ArrayLike | None, count: int) -> NDArray[np.float64]:
        column = np.full(count, np.nan) if values is None else np.asarray(values, dtype=np.float64)
        return self._checked(label, column, (count,))

    def _checked(self, label: str, values: NDArray, shape: tuple[int, ...]) -> NDArray:
        if values.shape != shape:
            raise DatasetError(
                f"result {self.name}: {label} has shape {values.shape}, expected {shape}, a row for each of the "
                f"sequence's {shape[0]} frames"
            )
        return values

    def _check_count(self, label: str, found: int, count: int) -> None:
        if found != count:
            raise DatasetError(f"result {self.name}: {found} {label} for {count} frames; there must be one a frame")


def stretches(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First frame of every stretch of True, and the first one after it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def save_result(result: SequenceResult, path: str | Path) -> None:
    """Write a result as CSV: a header ``x,y,width,height,score,state,seconds,missed``, then a line for each frame.

    Numbers keep every digit and boxes are zero-based, so that ``load_result`` gives back the same result. The file
    appears whole or not at all: an interrupted run leaves no half of it behind.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for box, score, state, seconds, missed in zip(
        result.predicted.tolist(),
        result.scores.tolist(),
        result.states,
        result.seconds.tolist(),
        result.missed.tolist(),
        strict=True,
    ):
        writer.writerow([*box, score, state or "", seconds, int(missed)])
    write_text(Path(path), text.getvalue())


def result_lines(path: Path, sequence: Sequence) -> list[str]:
    """The lines of a file of results.

    Raises:
        DatasetError: if the file is missing or no text; names the sequence that it is expected to be of.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist; expected the results of sequence {sequence.name}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as a results file ({error})") from None


def load_result(path: str | Path, sequence: Sequence) -> SequenceResult:
    """Read what ``save_result`` wrote, beside the sequence that it belongs to.

    Args:
        path: the CSV file.
        sequence: gives the name, the truth and the frames.

    Raises:
        DatasetError: if the file is missing or not of that form, or has another number of frames than the sequence.
    """
    path = Path(path)
    lines = result_lines(path, sequence)
    if not lines or tuple(lines[0].split(",")) != COLUMNS:
        raise DatasetError(f"{path} is not a results file; its first line must be {','.join(COLUMNS)}")
    if len(lines) - 1 != len(sequence):
        raise DatasetError(
            f"{path} has {len(lines) - 1} frames but sequence {sequence.name} has {len(sequence)}; "
            "delete the file to run the sequence again"
        )
    rows = [_parse_row(path, number, row) for number, row in enumerate(csv.reader(lines[1:]), start=2)]
    boxes, scores, states, seconds, missed = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return SequenceResult(
        name=sequence.name,
        truth=sequence.boxes,
        predicted=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        scores=np.array(scores),
        states=states,
        seconds=np.array(seconds),
        frames=sequence.frames,
        missed=np.array(missed, dtype=bool),
    )


def _parse_row(path: Path, number: int, row: list[str]) -> tuple[list[float], float, str | None, float, bool]:
    try:
        x, y, width, height, score, state, seconds, missed = row
        box = [float(value) for value in (x, y, width, height)]
        return box, float(score), state or None, float(seconds), bool(int(missed))
    except ValueError:
        raise DatasetError(
            f"{path}, line {number}: {','.join(row)!r} is not {','.join(COLUMNS)}; "
            "delete the file to run the sequence again"
        ) from None
