"""VOT's normalised speed: equivalent filter operations, the speed of a tracker in filterings of a picture.

A frame costs as many filter operations as its time has times that of a filter on the same machine; EFO is the inverse
of that cost. The filter takes the maximum around each pixel of 600x600 random numbers in double precision. The reports
of the challenges speak of windows of 30x30; the toolkit that made their numbers asks for 20 and looks at 10 pixels to
either side, 21x21, and so does this one (votchallenge/toolkit-legacy:tracker/benchmark_hardware.m and
benchmark_native.cpp, analysis/normalize_speed.m and analyze_speed.m). The maxima are PyTorch's pooling, which looks at
every pixel of a window as the toolkit's loops do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from collections.abc import Sequence as Many
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.vot.runs import SupervisedRun
from siam_tracker_core.files import write_text
from siam_tracker_core.threads import one_thread

FILE = "performance.txt"
KEY = "nonlinear_native"
SIDE, REACH, REPETITIONS = 600, 10, 20


def max_filter(image: torch.Tensor) -> torch.Tensor:
    """The largest value within ``REACH`` pixels along both axes, of those inside the picture: (H, W) of (H, W)."""
    return functional.max_pool2d(image[None, None], 2 * REACH + 1, 1, REACH)[0, 0]


@cache
def filter_seconds() -> float:
    """Mean seconds of the filter on one core of this machine over 20 times, as the toolkit; measured once a process."""
    image = torch.rand((SIDE, SIDE), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with one_thread():
        started = time.perf_counter()
        for _ in range(REPETITIONS):
            max_filter(image)
        return (time.perf_counter() - started) / REPETITIONS


def equivalent_filter_operations(runs: Mapping[str, Many[SupervisedRun]], seconds: float | None) -> float:
    """EFO of a tracker: the mean over sequences.

    A frame's time is the mean over all frames in which the tracker was asked, those of a start among them, and then
    over repetitions.

    Args:
        runs: the repetitions on each sequence, by its name.
        seconds: of the filter on the machine of the runs; None where it is not known.

    Returns:
        Above 0; NaN where the filter's time is not known, or no frame was timed.
    """
    if seconds is None:
        return float("nan")
    costs = [_frame_seconds(of_sequence) / seconds for of_sequence in runs.values() if len(of_sequence)]
    known = [1 / cost for cost in costs if cost > 0]
    return float(np.mean(known)) if known else float("nan")


def _frame_seconds(runs: Many[SupervisedRun]) -> float:
    """Seconds of a frame; NaN where none was timed."""
    means = [run.seconds[~np.isnan(run.seconds)].mean() for run in runs if not np.isnan(run.seconds).all()]
    return float(np.mean(means)) if means else float("nan")


def write_performance(folder: Path, seconds: float) -> None:
    """Keep the filter's seconds beside a tracker's results, in the toolkit's file."""
    write_text(folder / FILE, f"{KEY}={seconds!r}\n")


def read_performance(folder: Path) -> float | None:
    """The filter's seconds that lie beside a tracker's results; None where there is no such file or entry.

    Raises:
        DatasetError: if the entry is no positive number.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    entries = dict(line.partition("=")[::2] for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    told = {name.strip(): value.strip() for name, value in entries.items()}.get(KEY)
    if told is None or told == "NaN":
        return None
    try:
        seconds = float(told)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise DatasetError(f"{path}: {KEY}={told} is no number of seconds; remove the line, and EFO is left out")
    return seconds
