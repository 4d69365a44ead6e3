"""Latencies of lost frames are told apart from those of tracked ones."""

from __future__ import annotations

import numpy as np

from siam_tracker_core.evaluation import SequenceResult
from siam_tracker_ros.bag_evaluation.scores import latency_by_state


def test_each_frame_counts_for_its_state_and_the_first_for_none() -> None:
    boxes = np.tile([1.0, 2.0, 30.0, 40.0], (7, 1))
    states = ("tracking", "tracking", "uncertain", "lost", "lost", "tracking", "lost")
    seconds = np.array([9.0, 0.010, 0.020, 0.050, 0.070, 0.030, np.nan])
    times = latency_by_state(SequenceResult("made", boxes, boxes, states=states, seconds=seconds))
    assert times == {"tracking": {"p50": 20.0, "p95": 30.0}, "lost": {"p50": 50.0, "p95": 70.0}}
