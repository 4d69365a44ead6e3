"""Published one-pass results beside the sequences that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.rivals.find import find_results
from siam_tracker_core.evaluation.rivals.mat import read_mat

NAMED = 3
PUBLISHED = " (published)"


@dataclass(frozen=True)
class Rivals:
    """What archives hold of other trackers.

    Attributes:
        results: each tracker's results; one that has none is left out.
        warnings: a sentence on each tracker that is not complete, and on each result that does not fit.
    """

    results: dict[str, list[SequenceResult]]
    warnings: list[str]


def read_rivals(
    folders: Iterable[Path],
    sequences: Sequence[VideoSequence],
    frames: int | None = None,
    taken: Iterable[str] = (),
) -> Rivals:
    """Read the published results of trackers on sequences.

    Times are not taken: they are of other machines.

    Args:
        folders: archives or folders of single trackers; see ``find.find_results`` for their layouts.
        sequences: whole, as the data set has them.
        frames: take only the first so many frames.
        taken: names of our trackers; a rival of the same name is marked as published.

    Raises:
        ConfigError: if a .mat file needs scipy, which is not installed.
        DatasetError: if a folder holds no fitting result, or a file cannot be read.
    """
    rivals = Rivals({}, [])
    for folder in folders:
        for tracker, files in find_results(Path(folder), [sequence.name for sequence in sequences]).items():
            label = tracker + PUBLISHED if tracker in taken else tracker
            if label in rivals.results:
                raise DatasetError(f"{folder}: there are results of {tracker} in another folder too; give one of them")
            _read_tracker(rivals, label, files, sequences, frames)
    if not rivals.results:
        raise DatasetError("none of the published results fits its sequence; " + " ".join(rivals.warnings))
    return rivals


def _read_tracker(
    rivals: Rivals, label: str, files: dict[str, Path], sequences: Sequence[VideoSequence], frames: int | None
) -> None:
    results, unlike = [], []
    for sequence in sequences:
        if sequence.name not in files:
            continue
        boxes = _boxes(files[sequence.name], sequence)
        if len(boxes) == len(sequence):
            part = sequence.head(len(sequence) if frames is None else frames)
            results.append(SequenceResult(part.name, part.boxes, boxes[: len(part)], frames=part.frames))
        else:
            unlike.append(f"{sequence.name} ({len(boxes)} boxes in {files[sequence.name]} for {len(sequence)} frames)")
    if results:
        rivals.results[label] = results
    missing = [sequence.name for sequence in sequences if sequence.name not in files]
    if missing:
        told = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        rivals.warnings.append(
            f"The published results of {label} are not complete: {len(missing)} of {len(sequences)} sequences are "
            f"missing ({told})."
        )
    if unlike:
        rivals.warnings.append(
            f"Published results of {label} are left out, because they are of another length: {', '.join(unlike)}."
        )


def _boxes(path: Path, sequence: VideoSequence) -> NDArray[np.float64]:
    """A file's boxes (n, 4) in zero-based pixels.

    The archives count pixels from one, as their data sets do, but some authors' files count from zero. The first box is
    the truth of the first frame, which tells the one from the other; where it is neither, one is taken.
    """
    if path.suffix.lower() == ".mat":
        boxes = read_mat(path).copy()
        boxes[:, :2] -= 1
    else:
        boxes = read_rectangles(path)
    if len(boxes) and np.abs(boxes[0, :2] + 1 - sequence.boxes[0, :2]).max() < 0.5:
        boxes[:, :2] += 1
    return boxes
