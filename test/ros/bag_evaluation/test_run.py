"""What a run counts as missed."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from siam_tracker_ros.bag_evaluation.run import AnswerBook, BagRun
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.stamps import from_nanoseconds


def run_of(stamps: list[int], book: AnswerBook) -> BagRun:
    reader = SimpleNamespace(
        path=Path("made"), stamps=np.array(stamps), recorded=np.array(stamps), __len__=lambda: len(stamps)
    )
    reader = type("Reader", (), {**vars(reader), "__len__": lambda self: len(stamps)})()
    truth = np.tile([10.0, 10, 20, 20], (len(stamps), 1))
    return BagRun(reader, truth, print, None, book, print, 1.0)  # type: ignore[arg-type]


def test_a_late_or_missing_answer_is_a_missed_frame_with_the_last_box_that_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stamps = [1_000_000_000 * (1 + index) for index in range(5)]
    book = AnswerBook()
    run = run_of(stamps, book)
    run.target = 3
    run.published = np.array([100.0, 101, 102, 103, 104])
    # image 1 in time, image 2 late (while 3 is due), image 3 never, image 4 in time
    for index, when in ((1, 101.5), (2, 103.5), (4, 104.9)):
        monkeypatch.setattr(time, "monotonic", lambda when=when: when)
        track = TrackedTarget(id=3, x=float(index), y=0.0, width=5.0, height=5.0, score=0.5)
        answer = TrackedTargetArray(targets=[TrackedTarget(id=2), track])
        answer.header.stamp = from_nanoseconds(stamps[index])
        book.take(answer)
    result = run.result("real_time")
    assert result.missed.tolist() == [False, False, True, True, False]
    assert result.predicted[:, 0].tolist() == [10, 1, 1, 2, 4]
    assert result.states == ("tracking", "tracking", None, None, "tracking")
    np.testing.assert_allclose(result.seconds, [np.nan, 0.5, 1.5, np.nan, 0.9])
    patient = run.result("every_frame")
    assert patient.missed.tolist() == [False, False, False, True, False]
    assert np.isnan(patient.predicted[3]).all()
