"""Fitting a tracker's scores: when is the target really under the peak?

Evidence is gathered on training sequences: frames in which the tracker is right or has drifted, windows beside the
target in its own video, and windows of other videos, where the target cannot be. A logistic regression (scikit-learn)
turns it into a probability. Of a tracker that learns while it tracks, the filter's response is part of the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.trackers.common.calibration import Calibration
from siam_tracker_core.trackers.common.siamese import NetworkOutput, SiameseModel, SiameseState
from siam_tracker_core.trackers.online.config import HELD_RESPONSE, ResponseCalibration
from siam_tracker_core.trackers.tracker import Tracker

RIGHT, WRONG = 0.5, 0.2

TargetT = TypeVar("TargetT")
OutputT = TypeVar("OutputT", bound=NetworkOutput)


@dataclass(frozen=True)
class Evidence:
    """Evidence with the truth.

    Attributes:
        values: float64 (n, 2), relative peak and log peak-to-sidelobe ratio; (n, 3) with the filter's response.
        right: bool (n,), whether the target was there.
    """

    values: NDArray[np.float64]
    right: NDArray[np.bool_]


def gather(
    tracker: Tracker[SiameseState[TargetT], OutputT], sequences: list[Sequence], every: int = 5, seed: int = 0
) -> Evidence:
    """Track all sequences, and look where the target is not.

    Args:
        tracker: of a ``SiameseModel``, with ``lost.enabled`` off, so that it always follows the highest peak.
        sequences: with ground truth.
        every: frames between two looks beside the target and into another video.
        seed: of the directions and videos.

    Raises:
        DatasetError: if a sequence does not begin with its target.
    """
    for sequence in sequences:
        if sequence.box(0) is None:
            raise DatasetError(f"sequence {sequence.name} cannot be tracked: its first frame has no target")
    model = tracker.model
    assert isinstance(model, SiameseModel)
    rng = np.random.default_rng(seed)
    values: list[tuple[float, ...]] = []
    right: list[bool] = []
    for sequence in tqdm(sequences, desc="gathering evidence", unit="sequence", disable=None):
        tracker.init(sequence.image(0), sequence.boxes[0])
        for index in range(1, len(sequence)):
            frame = tracker.upload(sequence.image(index))
            truth = sequence.box(index)
            found = tracker.update(frame)
            overlap = found.box.iou(truth) if truth else 0.0
            if overlap > RIGHT or overlap < WRONG:
                values.append(tracker.state.evidence)
                right.append(overlap > RIGHT)
            if index % every == 0 and truth:
                window = tracker.state.search_window
                values.append(model.probe(tracker.state, frame, _beside(window, truth, rng)))
                other = sequences[rng.integers(len(sequences))]
                if other.name != sequence.name:
                    stranger = tracker.upload(other.image(int(rng.integers(len(other)))))
                    x, y = rng.uniform((0, 0), (stranger.width, stranger.height))
                    values.append(model.probe(tracker.state, stranger, Window(float(x), float(y), window.size)))
                right += [False] * (len(values) - len(right))
    table, there = np.array(values), np.array(right)
    # A network or filter that overflows says nothing.
    usable = np.isfinite(table).all(axis=1)
    return Evidence(table[usable], there[usable])


def _beside(window: Window, truth: Box, rng: np.random.Generator) -> Window:
    """A window whose response map does not reach the target."""
    angle = rng.uniform(0, 2 * np.pi)
    distance = window.size * rng.uniform(0.8, 1.2)
    x, y = truth.centre
    return Window(x + distance * float(np.cos(angle)), y + distance * float(np.sin(angle)), window.size)


def fit(evidence: Evidence) -> tuple[Calibration | ResponseCalibration, float]:
    """The calibration that explains the evidence, and the area under its ROC curve.

    Evidence with the filter's response has a ``ResponseCalibration``.

    Raises:
        DatasetError: if the evidence is all right or all wrong.
    """
    if evidence.right.all() or not evidence.right.any():
        raise DatasetError(
            f"the target was under the peak in {evidence.right.sum()} of {len(evidence.right)} looks, and evidence of "
            "both kinds is needed; give more or other sequences, or a tracker that follows its target"
        )
    # The penalty on the coefficients takes features of unit deviation for granted; peaks of some networks have a tenth.
    held = evidence.values.copy()
    held[:, 2:] = held[:, 2:].clip(*HELD_RESPONSE)
    scaler = StandardScaler().fit(held)
    values = scaler.transform(held)
    # Each kind weighs one half, whatever the share of frames in which the target is lost.
    model = LogisticRegression(class_weight="balanced").fit(values, evidence.right)
    slopes = model.coef_[0] / scaler.scale_
    kind = Calibration if len(slopes) == 2 else ResponseCalibration
    calibration = kind(float(model.intercept_[0] - slopes @ scaler.mean_), *map(float, slopes))
    return calibration, float(roc_auc_score(evidence.right, model.decision_function(values)))
