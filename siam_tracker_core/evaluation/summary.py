"""The figures of a tracker that go into tables and ``summary.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.lost_calls import lost_calls
from siam_tracker_core.evaluation.results import SequenceResult

Results = Mapping[str, Sequence[SequenceResult]]


def summarise(results: Sequence[SequenceResult]) -> dict[str, Any]:
    """One tracker's figures over its sequences, ready for JSON.

    Returns:
        ``success_auc`` and ``precision_20`` in 0..1, ``fps`` (all three as ``otb.score`` gives them), ``sequences``,
        ``frames``, ``frames_lost`` (see ``otb.lost_frames``), ``frames_missed`` (answered late or not at all),
        ``lost_calls`` (see ``LostCalls.figures``) and ``latency_ms`` with ``p50`` and ``p95`` over all updates. What
        was not measured is None.

    Raises:
        DatasetError: if there is no sequence, or one without any target.
    """
    scores = otb.score(results)
    milliseconds = latencies(results)
    calls = lost_calls(results)
    return {
        "success_auc": scores.success_auc,
        "precision_20": scores.precision_20,
        "fps": None if math.isnan(scores.fps) else scores.fps,
        "sequences": len(results),
        "frames": sum(len(result) for result in results),
        "frames_lost": int(sum(otb.lost_frames(result).sum() for result in results)),
        "frames_missed": int(sum(result.missed.sum() for result in results)),
        "lost_calls": None if calls is None else calls.figures(),
        "latency_ms": {"p50": percentile(milliseconds, 50), "p95": percentile(milliseconds, 95)},
    }


def latencies(results: Sequence[SequenceResult]) -> NDArray[np.float64]:
    """All measured times of updates, in milliseconds; the initialisation in row 0 is no update."""
    seconds = np.concatenate([result.seconds[1:] for result in results]) if results else np.empty(0)
    return seconds[np.isfinite(seconds)] * 1e3


def percentile(values: NDArray[np.float64], share: float) -> float | None:
    """A percentile (0..100) of the values, None where there are none."""
    return float(np.percentile(values, share)) if values.size else None


def ranked(summaries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The trackers' names, best success AUC first."""
    return sorted(summaries, key=lambda name: -summaries[name]["success_auc"])
