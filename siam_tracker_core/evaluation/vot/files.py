"""Results of supervised runs as files that vot-toolkit reads and writes too.

One run is ``SEQUENCE_001.txt``, a line a frame: a code (1 the tracker was initialised, 2 it failed, 0 nothing is known)
or its region, ``x,y,width,height`` or ``x1,y1,x2,y2,...``. Beside it ``SEQUENCE_001_time.value`` has the seconds of
each frame, empty where there are none. Under ``results`` they lie as in a workspace of vot-toolkit
(votchallenge/toolkit:vot/workspace/storage.py, vot/tracker/results.py): ``TRACKER/EXPERIMENT/SEQUENCE``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.datasets.vot import parse_region
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.results import result_lines
from siam_tracker_core.evaluation.vot.polygons import Region
from siam_tracker_core.evaluation.vot.runs import FrameCode, SupervisedRun
from siam_tracker_core.files import write_text

RUN_AGAIN = "delete the file to run the sequence again"


def run_path(folder: Path, sequence: str, repetition: int) -> Path:
    """Where the run of a repetition lies below the folder of a tracker's experiment."""
    return folder / sequence / f"{sequence}_{repetition:03d}.txt"


def save_run(run: SupervisedRun, path: Path) -> None:
    """Write a run; every digit is kept, and the file appears whole or not at all."""
    regions = [
        str(int(code)) if region is None else ",".join(repr(float(value)) for value in region.ravel())
        for code, region in zip(run.codes, run.regions, strict=True)
    ]
    seconds = ["" if np.isnan(value) else repr(float(value)) for value in run.seconds]
    write_text(_times_path(path), _text(seconds))
    write_text(path, _text(regions))  # last, because it says that the run is complete


def load_run(path: Path, sequence: Sequence, repetition: int, advice: str = RUN_AGAIN) -> SupervisedRun:
    """Read a run that this package, vot-toolkit or PySOT wrote.

    Args:
        path: the text file; its times are NaN where there is no ``_time.value`` beside it.
        sequence: what it was run on.
        repetition: counted from 1.
        advice: what the user may do about a file that is not right.

    Raises:
        DatasetError: if the file is missing or malformed, or has another number of frames than the sequence.
    """
    regions, codes = parse_run(path, _read(path, sequence, advice), advice)
    return SupervisedRun(sequence.name, repetition, regions, codes, _load_seconds(path, sequence, advice))


def parse_run(path: Path, lines: list[str], advice: str) -> tuple[tuple[Region | None, ...], NDArray[np.int8]]:
    """The regions and codes of a run's lines.

    Raises:
        DatasetError: if a line is neither a region nor a code; it names ``path`` and ends with ``advice``.
    """
    regions: list[Region | None] = []
    codes: list[int] = []
    for number, line in enumerate(lines, start=1):
        try:
            region = parse_region(line)
            codes.append(FrameCode.TRACKED if isinstance(region, np.ndarray) else _code(region))
        except ValueError as error:
            raise DatasetError(f"{path}, line {number}: {error}; {advice}") from None
        regions.append(region if isinstance(region, np.ndarray) else None)
    return tuple(regions), np.array(codes, dtype=np.int8)


def _code(value: float) -> int:
    if np.isnan(value):
        return FrameCode.UNKNOWN
    if value in (FrameCode.UNKNOWN, FrameCode.INITIALISED, FrameCode.FAILED):
        return int(value)
    raise ValueError(f"{value:g} is no code; expected 1 (initialised), 2 (failed), 0 (unknown) or a region")


def _load_seconds(path: Path, sequence: Sequence, advice: str) -> np.ndarray:
    path = _times_path(path)
    if not path.is_file():
        return np.full(len(sequence), np.nan)
    try:
        return np.array([float(line) if line.strip() else np.nan for line in _read(path, sequence, advice)])
    except ValueError:
        raise DatasetError(f"{path} is not a file of seconds, one a frame; delete it and the run beside it") from None


def _times_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_time.value")


def _read(path: Path, sequence: Sequence, advice: str) -> list[str]:
    lines = result_lines(path, sequence)
    if len(lines) != len(sequence):
        raise DatasetError(f"{path} has {len(lines)} frames but sequence {sequence.name} has {len(sequence)}; {advice}")
    return lines


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
