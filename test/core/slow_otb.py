"""OTB's metrics written out frame by frame, as got10k publishes them, and boxes to try them on."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from siam_tracker_core.evaluation.results import SequenceResult

Rows = list[list[float]]


def make_result(truth: Rows, predicted: Rows, seconds: list[float] | None = None, **columns: object) -> SequenceResult:
    return SequenceResult("made", np.array(truth), np.array(predicted), seconds=seconds, **columns)  # type: ignore[arg-type]


def slow_iou(a: list[float], b: list[float]) -> float:
    """got10k ``utils/metrics.py``, ``rect_iou``: one pair of boxes, in plain floats."""
    width = max(min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]), 0.0)
    height = max(min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]), 0.0)
    shared = width * height
    value = shared / (a[2] * a[3] + b[2] * b[3] - shared + 2.220446049250313e-16)
    return min(max(value, 0.0), 1.0)


def slow_error(a: list[float], b: list[float]) -> float:
    """got10k ``center_error``: the distance of the centres ``x + (w - 1) / 2``."""
    (ax, ay), (bx, by) = ((box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2) for box in (a, b))
    return math.sqrt((ax - bx) ** 2 + (ay - by) ** 2)


def slow_scores(truth: Rows, predicted: Rows) -> tuple[list[float], list[float]]:
    """got10k ``experiments/otb.py``: both curves of one sequence."""
    boxes = [truth[0], *predicted[1:]]
    pairs = [(box, real) for box, real in zip(boxes, truth, strict=True) if not any(map(math.isnan, real))]
    overlaps = [0.0 if any(map(math.isnan, box)) else slow_iou(box, real) for box, real in pairs]
    errors = [math.inf if any(map(math.isnan, box)) else slow_error(box, real) for box, real in pairs]
    success = [sum(value > threshold for value in overlaps) / len(pairs) for threshold in np.linspace(0, 1, 21)]
    precision = [sum(value <= threshold for value in errors) / len(pairs) for threshold in range(51)]
    return success, precision


positions = st.floats(-50, 50).map(lambda value: round(value, 3))
sizes = st.floats(2, 90).map(lambda value: round(value, 3))
boxes = st.tuples(positions, positions, sizes, sizes).map(list)
absent = st.just([math.nan] * 4)
