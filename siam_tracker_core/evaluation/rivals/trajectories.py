"""Published results of VOT's experiments: the trajectories of the challenges' archives and of vot-toolkit.

Both lie as ``TRACKER/EXPERIMENT/SEQUENCE/SEQUENCE_001.txt``, one a repetition, and the text is the same: a region a
line, or a code (see ``vot.files``). The old layout, of the challenges of 2013 to 2019, has ``SEQUENCE_time.txt`` with a
column a repetition; the new one, vot-toolkit's, has ``SEQUENCE_001_time.value``, may keep a trajectory as
``SEQUENCE_001.bin`` (votchallenge/toolkit:vot/region/io.py), and may have its trackers in a folder ``results``. With
``TRACKER/performance.txt``, which the old toolkit wrote, a tracker has an EFO.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.rivals.one_pass import NAMED, PUBLISHED
from siam_tracker_core.evaluation.vot.campaign import FOLDERS, Experiment
from siam_tracker_core.evaluation.vot.efo import read_performance
from siam_tracker_core.evaluation.vot.evaluate import VotEvaluation
from siam_tracker_core.evaluation.vot.files import load_run, parse_run
from siam_tracker_core.evaluation.vot.runs import SupervisedRun
from siam_tracker_core.evaluation.vot.scores import vot_scores

LAYOUT = "TRACKER/baseline/SEQUENCE/SEQUENCE_001.txt"
Runs = dict[str, tuple[SupervisedRun, ...]]


def with_vot_rivals(
    evaluation: VotEvaluation,
    folders: Iterable[Path],
    sequences: Sequence[VideoSequence],
    experiments: Sequence[Experiment],
) -> tuple[VotEvaluation, list[str]]:
    """An evaluation with the published results of other trackers among ours, and what is not complete of them.

    Raises:
        DatasetError: if a folder holds no result on any of the sequences, or a trajectory is malformed.
    """
    runs, scores = dict(evaluation.runs), dict(evaluation.scores)
    warnings: list[str] = []
    rules = evaluation.supervision
    for folder in folders:
        for tracker, of_tracker in read_vot_rivals(Path(folder), sequences, experiments).items():
            label = tracker + PUBLISHED if tracker in evaluation.runs else tracker
            if label in runs:
                raise DatasetError(f"{folder}: there are results of {tracker} in another folder too; give one of them")
            runs[label] = {experiment: of_tracker.get(experiment, {}) for experiment in experiments}
            scores[label] = {
                experiment: vot_scores(
                    found,
                    sequences,
                    evaluation.year,
                    bounded=rules.bounded,
                    rule=rules.rule,
                    filter_seconds=read_performance(_place(Path(folder), tracker)),
                )
                for experiment, found in of_tracker.items()
            }
            warnings += _gaps(label, of_tracker, sequences)
    return replace(evaluation, runs=runs, scores=scores), warnings


def read_vot_rivals(
    folder: Path, sequences: Sequence[VideoSequence], experiments: Sequence[Experiment]
) -> dict[str, dict[Experiment, Runs]]:
    """The runs that an archive, a workspace of vot-toolkit, or one tracker's folder holds, by tracker and experiment.

    Raises:
        DatasetError: if there is no run on any of the sequences, or one is malformed or of another length.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected published results in it, as {LAYOUT}")
    inside = _inside(folder)
    places = [inside] if _is_tracker(inside) else sorted(path for path in inside.iterdir() if _is_tracker(path))
    found: dict[str, dict[Experiment, Runs]] = {}
    for place in places:
        of_tracker = {experiment: _read(place / FOLDERS[experiment], sequences) for experiment in experiments}
        of_tracker = {experiment: runs for experiment, runs in of_tracker.items() if runs}
        if of_tracker:
            found[place.resolve().name] = of_tracker
    if not found:
        raise DatasetError(f"{folder} holds no result on any of the sequences; expected {LAYOUT}")
    return found


def _inside(folder: Path) -> Path:
    return folder / "results" if (folder / "results").is_dir() else folder


def _place(folder: Path, tracker: str) -> Path:
    """The folder of one tracker in an archive, which may be the archive itself."""
    inside = _inside(folder)
    return inside if _is_tracker(inside) else inside / tracker


def _is_tracker(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in FOLDERS.values())


def _read(folder: Path, sequences: Sequence[VideoSequence]) -> Runs:
    runs: Runs = {}
    for sequence in sequences:
        files = sorted(
            path
            for path in (folder / sequence.name).glob(f"{sequence.name}_*")
            if path.suffix in (".txt", ".bin") and path.stem.rpartition("_")[2].isdecimal()
        )
        if files:
            seconds = _old_seconds(folder / sequence.name / f"{sequence.name}_time.txt", sequence, len(files))
            runs[sequence.name] = tuple(
                _run(path, sequence, number, seconds) for number, path in enumerate(files, start=1)
            )
    return runs


def _run(path: Path, sequence: VideoSequence, repetition: int, seconds: np.ndarray | None) -> SupervisedRun:
    if path.suffix == ".bin":
        lines = _unpacked(path)
        if len(lines) != len(sequence):
            raise DatasetError(
                f"{path} has {len(lines)} frames but sequence {sequence.name} has {len(sequence)}; "
                "is it of another year's data set?"
            )
        regions, codes = parse_run(path, lines, "it is no trajectory of vot-toolkit")
        run = SupervisedRun(sequence.name, repetition, regions, codes, np.full(len(sequence), np.nan))
    else:
        run = load_run(path, sequence, repetition, advice="is it of another year's data set?")
    return run if seconds is None else replace(run, seconds=seconds[:, repetition - 1])


def _old_seconds(path: Path, sequence: VideoSequence, repetitions: int) -> np.ndarray | None:
    """The seconds (frames, repetitions) of the old layout; None where there are none."""
    if not path.is_file():
        return None
    try:
        values = np.loadtxt(path, delimiter=",", ndmin=2)
    except (ValueError, OSError):
        raise DatasetError(f"{path} is not a table of seconds, a line a frame and a column a repetition") from None
    if values.shape[0] != len(sequence) or values.shape[1] < repetitions:
        raise DatasetError(
            f"{path} has {values.shape[0]} lines of {values.shape[1]}; sequence {sequence.name} has {len(sequence)} "
            f"frames and {repetitions} repetitions"
        )
    return np.where(values > 0, values, np.nan)


def _unpacked(path: Path) -> list[str]:
    """A binary trajectory as the lines of a text file.

    Raises:
        DatasetError: if it is truncated, or has a region that is neither a code, a rectangle nor a polygon.
    """
    data, offset, lines = path.read_bytes(), 0, []

    def take(form: str) -> tuple[float, ...]:
        nonlocal offset
        values = struct.unpack_from(form, data, offset)
        offset += struct.calcsize(form)
        return values

    try:
        _, count = take("<hI")
        for _ in range(int(count)):
            (kind,) = take("<B")
            if kind == 0:
                values = take("<I")
            elif kind == 1:
                values = take("<ffff")
            elif kind == 2:
                (corners,) = take("<H")
                values = take(f"<{2 * int(corners)}f")
            else:
                raise DatasetError(f"{path}: regions of kind {kind} (masks, points) are not of VOT's supervised years")
            lines.append(",".join(f"{value:g}" if kind == 0 else repr(value) for value in values))
    except struct.error:
        raise DatasetError(f"{path} is truncated, or no binary trajectory of vot-toolkit") from None
    return lines


def _gaps(label: str, of_tracker: dict[Experiment, Runs], sequences: Sequence[VideoSequence]) -> list[str]:
    warnings = []
    for experiment, runs in of_tracker.items():
        missing = [sequence.name for sequence in sequences if sequence.name not in runs]
        if missing:
            told = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
            warnings.append(
                f"The published results of {label} in the {experiment} experiment are not complete: {len(missing)} of "
                f"{len(sequences)} sequences are missing ({told})."
            )
    return warnings
