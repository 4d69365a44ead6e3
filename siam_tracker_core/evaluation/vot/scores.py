"""VOT's figures of supervised runs: accuracy, robustness, expected average overlap.

Source: votchallenge/toolkit:vot/analysis/supervised.py for every figure that it has. Papers and toolkits give
robustness in three ways, so all are kept: failures a sequence, failures in 100 frames (the R of PySOT's tables,
STVIR/pysot:toolkit/evaluation/ar_benchmark.py), and ``exp(-S F / N)``, the chance to get through S frames without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets import Sequence, read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.otb import frames_per_second
from siam_tracker_core.evaluation.vot.eao import FloatArray, Segment, eao, eao_curve, interval_of, segments
from siam_tracker_core.evaluation.vot.efo import equivalent_filter_operations
from siam_tracker_core.evaluation.vot.polygons import Rule, overlaps
from siam_tracker_core.evaluation.vot.runs import FrameCode, SupervisedRun, truth_regions

BURN_IN = 10
SENSITIVITY = 30.0
ALL = "all"


class SequenceScores(NamedTuple):
    """One sequence: mean overlap in 0..1 and failures, both the mean over its repetitions."""

    accuracy: float
    failures: float


class TagScores(NamedTuple):
    """The frames with one tag: mean overlap in 0..1 (NaN without any), failures in all of them, and their number."""

    accuracy: float
    failures: float
    frames: int


@dataclass(frozen=True, eq=False)
class VotScores:
    """The figures of one tracker in one experiment.

    Attributes:
        accuracy: mean over sequences, by length, of their mean overlap, in 0..1; the 10 frames from each start on do
            not count.
        failures: failures a sequence: mean over sequences, by length, as vot-toolkit weighs them.
        failures_total: failures in all sequences together.
        failures_per_100: failures in 100 frames.
        robustness: ``exp(-S F / N)`` in 0..1, with ``failures`` for F and the mean length of a sequence for N.
        eao: mean of ``eao_curve`` over ``interval``, in 0..1; NaN if every stretch is shorter than that.
        eao_curve: float64 (longest,), the expected average overlap for each length.
        interval: the year's lengths, low and high.
        per_sequence: each sequence's figures.
        per_tag: figures of the frames with each of VOT's tags; ``all`` for all frames. Unlike ``accuracy``, every
            frame of every run weighs the same.
        frames: in all sequences together.
        fps: frames per second of ``update``, the mean over sequences; NaN where no time was measured.
        efo: VOT's normalised speed, see ``efo``; NaN where a time or that of the filter was not measured.
    """

    accuracy: float
    failures: float
    failures_total: float
    failures_per_100: float
    robustness: float
    eao: float
    eao_curve: FloatArray
    interval: tuple[int, int]
    per_sequence: dict[str, SequenceScores]
    per_tag: dict[str, TagScores]
    frames: int
    fps: float
    efo: float

    @property
    def ar_point(self) -> tuple[float, float]:
        """Where the tracker is in the AR plot: robustness, accuracy."""
        return self.robustness, self.accuracy


def vot_scores(
    runs: Mapping[str, Many[SupervisedRun]],
    sequences: Many[Sequence],
    year: str,
    *,
    burn_in: int = BURN_IN,
    sensitivity: float = SENSITIVITY,
    bounded: bool = True,
    rule: Rule = "exact",
    filter_seconds: float | None = None,
) -> VotScores:
    """The figures of one tracker.

    Args:
        runs: the repetitions on each sequence, by its name.
        sequences: what was run on; those without runs are left out of every figure.
        year: of the challenge, "2015" to "2019"; says where the expected average overlap is taken.
        burn_in: frames from each start on that do not count for accuracy, that of the start among them.
        sensitivity: frames S of ``exp(-S F / N)``.
        bounded: count only what lies inside the image.
        rule: how overlap is measured; see ``polygons.overlaps``.
        filter_seconds: of VOT's filter on the machine of the runs, for EFO; None where it is not known.

    Raises:
        ConfigError: for an unknown year.
        DatasetError: if no sequence has a run, or a run has another number of frames than its sequence.
    """
    interval = interval_of(year)
    judged = [
        _Judged(sequence, runs[sequence.name], burn_in, bounded, rule)
        for sequence in sequences
        if runs.get(sequence.name)
    ]
    if not judged:
        raise DatasetError("no sequence has a run, so there is nothing to score; every one failed or none was given")
    per_sequence = {one.sequence.name: one.scores() for one in judged}
    accuracies, failures = np.array(list(per_sequence.values())).T
    lengths = np.array([len(one.sequence) for one in judged])
    mean_failures = float(np.average(failures, weights=lengths))
    curve = eao_curve([part for one in judged for part in one.segments()])
    speeds = np.array([one.fps() for one in judged])
    measured = speeds[~np.isnan(speeds)]
    return VotScores(
        accuracy=float(np.average(accuracies, weights=lengths)),
        failures=mean_failures,
        failures_total=float(failures.sum()),
        failures_per_100=float(100 * failures.sum() / lengths.sum()),
        robustness=float(np.exp(-sensitivity * mean_failures / lengths.mean())),
        eao=eao(curve, interval),
        eao_curve=curve,
        interval=interval,
        per_sequence=per_sequence,
        per_tag=_per_tag(judged),
        frames=int(lengths.sum()),
        fps=float(measured.mean()) if measured.size else float("nan"),
        efo=equivalent_filter_operations({one.sequence.name: one.runs for one in judged}, filter_seconds),
    )


class _Judged:
    """The runs on one sequence with their overlaps."""

    def __init__(self, sequence: Sequence, runs: Many[SupervisedRun], burn_in: int, bounded: bool, rule: Rule) -> None:
        self.sequence = sequence
        self.runs = runs
        for run in runs:
            if len(run) != len(sequence):
                raise DatasetError(
                    f"repetition {run.repetition} on {sequence.name} has {len(run)} frames, the sequence "
                    f"{len(sequence)}; they must agree"
                )
        self.overlaps = [frame_overlaps(run, sequence, bounded, rule) for run in runs]
        self.counted = [
            settled(run, burn_in) & ~np.isnan(values) for run, values in zip(runs, self.overlaps, strict=True)
        ]

    def scores(self) -> SequenceScores:
        accuracies = [
            values[counted].mean() if counted.any() else 0.0
            for values, counted in zip(self.overlaps, self.counted, strict=True)
        ]
        return SequenceScores(float(np.mean(accuracies)), float(np.mean([run.failures for run in self.runs])))

    def segments(self) -> list[Segment]:
        return [part for run, values in zip(self.runs, self.overlaps, strict=True) for part in segments(run, values)]

    def fps(self) -> float:
        updates = [run.seconds[run.codes != FrameCode.INITIALISED] for run in self.runs]
        return frames_per_second(np.concatenate(updates))


def frame_overlaps(run: SupervisedRun, sequence: Sequence, bounded: bool, rule: Rule) -> FloatArray:
    """Overlap of a run with the truth in each frame, the one that every figure is made of.

    Args:
        run: as many frames as the sequence.
        sequence: with the truth; its first image is read for its size if ``bounded``.
        bounded: count only what lies inside the image.
        rule: how overlap is measured; see ``polygons.overlaps``.

    Returns:
        float64 (N,) in 0..1; NaN where the run has no region or the target is absent.
    """
    return overlaps(run.regions, truth_regions(sequence), image_size(sequence.frames[0]) if bounded else None, rule)


def settled(run: SupervisedRun, burn_in: int) -> NDArray[np.bool_]:
    """bool (N,): tracked frames that come at least ``burn_in`` frames after the last start."""
    frames = np.arange(len(run))
    last_start = np.maximum.accumulate(np.where(run.codes == FrameCode.INITIALISED, frames, -burn_in))
    return (run.codes == FrameCode.TRACKED) & (frames - last_start >= burn_in)


@lru_cache(maxsize=4096)
def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file in pixels; read once.

    Raises:
        DatasetError: if it cannot be read.
    """
    height, width = read_image(path).shape[:2]
    return width, height


def _per_tag(judged: list[_Judged]) -> dict[str, TagScores]:
    labels = sorted({label for one in judged for label in one.sequence.tags})
    return {label: _tag_scores(judged, label) for label in [ALL, *labels]}


def _tag_scores(judged: list[_Judged], label: str) -> TagScores:
    total, count, failures, frames = 0.0, 0, 0.0, 0
    for one in judged:
        everywhere = np.ones(len(one.sequence), dtype=bool)
        marked = everywhere if label == ALL else one.sequence.tags.get(label, ~everywhere)
        frames += int(marked.sum())
        failures += float(np.mean([(marked & (run.codes == FrameCode.FAILED)).sum() for run in one.runs]))
        for values, counted in zip(one.overlaps, one.counted, strict=True):
            total += float(values[counted & marked].sum())
            count += int((counted & marked).sum())
    return TagScores(total / count if count else float("nan"), failures, frames)
