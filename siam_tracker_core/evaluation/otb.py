"""One-pass evaluation as OTB defines it: success, precision and speed.

Sources: Wu, Lim, Yang, "Online Object Tracking: A Benchmark" (CVPR 2013) for the plots; the details on which published
numbers depend follow the got10k toolkit (``experiments/otb.py``, ``utils/metrics.py``) and PySOT
(``toolkit/utils/statistics.py``):

- success: the share of frames with IoU > t, strictly, at the 21 thresholds 0, 0.05, ..., 1; its area is the mean of
  the 21 values. A perfect tracker therefore scores 20/21, because no IoU exceeds 1.
- precision: the share of frames whose centre is at most t pixels off, at t = 0, 1, ..., 50; its score is at 20.
- frames without the target (NaN truth) count for nothing; a frame with the target but without a predicted box (NaN or
  infinite) counts as IoU 0 and as infinitely far off.
- the first prediction is the truth that the tracker was given.
- figures are taken for each sequence and then averaged, so that a long sequence weighs no more than a short one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.results import SequenceResult

FloatArray = NDArray[np.float64]

SUCCESS_THRESHOLDS: FloatArray = np.linspace(0, 1, 21)
PRECISION_THRESHOLDS: FloatArray = np.arange(0, 51, dtype=np.float64)
PRECISION_AT = 20


@dataclass(frozen=True, eq=False)
class Scores:
    """The figures of one sequence, or their mean over several.

    Attributes:
        success: float64 (21,), share of frames in 0..1 at each of ``SUCCESS_THRESHOLDS``.
        precision: float64 (51,), share of frames in 0..1 at each of ``PRECISION_THRESHOLDS``.
        fps: frames per second, NaN where no time was measured.
    """

    success: FloatArray
    precision: FloatArray
    fps: float

    @property
    def success_auc(self) -> float:
        """Area under the success curve, in 0..20/21."""
        return float(self.success.mean())

    @property
    def precision_20(self) -> float:
        """Precision at 20 pixels, in 0..1."""
        return float(self.precision[PRECISION_AT])


def centre_distance(first: FloatArray, second: FloatArray) -> FloatArray:
    """Distance between the centres of boxes (N, 4), in pixels.

    The centre is ``x + (w - 1) / 2`` as in got10k's ``center_error``: the middle of the pixels from ``x`` to
    ``x + w - 1``. The half pixel drops out of the difference as long as both boxes are treated alike; taking one box's
    centre so and the other's at ``x + w / 2`` would shift every distance by up to 0.7 px and move frames across the
    20 px line.
    """
    first_centre = first[:, :2] + (first[:, 2:] - 1) / 2
    second_centre = second[:, :2] + (second[:, 2:] - 1) / 2
    distance: FloatArray = np.sqrt(np.square(first_centre - second_centre).sum(axis=1))
    return distance


def overlaps(result: SequenceResult, force_first: bool = True) -> FloatArray:
    """IoU of each frame: float64 (N,) in 0..1, NaN where the target is absent, 0 where a box is missing.

    Args:
        force_first: take the truth as the prediction of the first frame, as the protocol does.
    """
    return result.overlaps if force_first else result.overlaps_with(result.boxes(force_first=False))


def distances(result: SequenceResult, force_first: bool = True) -> FloatArray:
    """Centre distance of each frame in pixels: float64 (N,), NaN where the target is absent, infinite without a box."""
    values = centre_distance(result.boxes(force_first), result.truth)
    return np.where(result.present, np.nan_to_num(values, nan=np.inf, posinf=np.inf), np.nan)


def score_sequence(result: SequenceResult, force_first: bool = True) -> Scores:
    """The figures of one sequence.

    Args:
        force_first: take the truth as the prediction of the first frame, as the protocol does.

    Raises:
        DatasetError: if the target is absent in every frame, so that there is nothing to count.
    """
    present = result.present
    if not present.any():
        raise DatasetError(f"sequence {result.name}: the truth is NaN in every frame, so there is nothing to score")
    frame_overlaps = overlaps(result, force_first)[present, None]
    frame_distances = distances(result, force_first)[present, None]
    return Scores(
        success=(frame_overlaps > SUCCESS_THRESHOLDS).mean(axis=0),
        precision=(frame_distances <= PRECISION_THRESHOLDS).mean(axis=0),
        fps=frames_per_second(result.seconds),
    )


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean over sequences; the speed is the mean over those that have one.

    Raises:
        DatasetError: if there is no sequence.
    """
    if not scores:
        raise DatasetError("no sequence was evaluated, so there is no mean; every one failed or none was given")
    speeds = np.array([score.fps for score in scores])
    measured = speeds[~np.isnan(speeds)]
    return Scores(
        success=np.mean([score.success for score in scores], axis=0),
        precision=np.mean([score.precision for score in scores], axis=0),
        fps=float(measured.mean()) if measured.size else float("nan"),
    )


def score(results: Sequence[SequenceResult], force_first: bool = True) -> Scores:
    """The mean figures of one tracker over its sequences; see ``score_sequence`` and ``mean_scores``."""
    return mean_scores([score_sequence(result, force_first) for result in results])


def frames_per_second(seconds: FloatArray) -> float:
    """got10k's speed: the mean of 1/t over the frames with a measured, positive time; NaN where there is none."""
    measured = seconds[np.isfinite(seconds) & (seconds > 0)]
    return float((1.0 / measured).mean()) if measured.size else float("nan")


def lost_frames(result: SequenceResult) -> NDArray[np.bool_]:
    """bool (N,): frames with the target in which the tracker missed it altogether.

    That is an overlap of 0, a box that was not given, or an answer that was late; the first frame never counts.
    """
    lost = result.present & (result.missed | (np.nan_to_num(overlaps(result)) <= 0))
    lost[0] = False
    return lost
