"""VOT's supervised and real-time experiments, frame by frame, and their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_vot import Clock, Scripted, truth_boxes, write_vot

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.datasets.vot import read_vot
from siam_tracker_core.errors import BoxError, ConfigError, DatasetError
from siam_tracker_core.evaluation.one_pass import TrackerCrash
from siam_tracker_core.evaluation.vot import (
    RealTime,
    SupervisedRun,
    Supervision,
    load_run,
    run_realtime,
    run_supervised,
    save_run,
)
from siam_tracker_core.evaluation.vot.driver import read_answer
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.results import TrackResult, TrackState

FAR = np.array([500.0, 500.0, 10.0, 10.0])


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Sequence:
    (made,) = read_vot(write_vot(tmp_path_factory.mktemp("vot"), {"one": 30}))
    return made


def lost_at(*frames: int, answer: object = FAR):
    """Right everywhere, but for these frames."""
    return lambda identity, frame: answer if frame in frames else truth_boxes(identity, frame + 1)[frame]


def test_a_failure_is_followed_by_a_new_start_five_frames_later(sequence: Sequence) -> None:
    steps: list[int] = []
    tracker = Scripted(lost_at(3, 11, 27))
    run = run_supervised(tracker, sequence, 4, progress=steps.append)
    expected = [1, 3, 3, 2, 0, 0, 0, 0, 1, 3, 3, 2, 0, 0, 0, 0, 1, *[3] * 10, 2, 0, 0]
    assert run.codes.tolist() == expected
    assert [frame for _, frame, _ in tracker.inits] == [0, 8, 16]
    assert [box.to_array().tolist() for *_, box in tracker.inits] == [sequence.boxes[f].tolist() for f in (0, 8, 16)]
    assert (run.sequence, run.repetition, run.failures, len(run)) == ("one", 4, 3, 30)
    assert sum(steps) == 30
    asked = np.isin(run.codes, (1, 2, 3))
    assert (run.seconds[asked] >= 0).all()
    assert np.isnan(run.seconds[~asked]).all()


@pytest.mark.parametrize(
    "answer", [None, FAR, [np.nan, 1, 2, 3], [1, 2, np.inf, 3], [500, 500, 0, 0], SimpleNamespace(box=None)]
)
def test_an_answer_that_overlaps_nothing_is_a_failure(sequence: Sequence, answer: object) -> None:
    run = run_supervised(Scripted(lost_at(2, answer=answer)), sequence)
    assert run.codes[:9].tolist() == [1, 3, 2, 0, 0, 0, 0, 1, 3]


def test_only_what_is_inside_the_image_counts(sequence: Sequence) -> None:
    truth = sequence.boxes.copy()
    truth[1:] = [150, 100, 30, 30]  # the image ends at 160, 120
    moved = replace(sequence, boxes=truth)
    tracker = Scripted(lambda identity, frame: [165.0, 125.0, 30.0, 30.0])
    assert run_supervised(tracker, moved).codes[1] == 2
    assert run_supervised(tracker, moved, supervision=Supervision(bounded=False)).codes[1] == 3


def test_frames_without_truth_neither_fail_nor_start_a_tracker(sequence: Sequence) -> None:
    truth = sequence.boxes.copy()
    truth[[0, 1, 4, 5, 12, 13, 14]] = np.nan
    tracker = Scripted(lost_at(5, 8, 14, answer=None))
    run = run_supervised(tracker, replace(sequence, boxes=truth))
    # It starts in frame 2; nothing is asked of frame 4 and 5; it fails in 8, and 13 has no target to start from.
    assert run.codes[:17].tolist() == [0, 0, 1, 3, 3, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 1, 3]


def test_sequences_that_never_show_a_target_are_refused(sequence: Sequence) -> None:
    with pytest.raises(DatasetError, match="no frame of it has a target"):
        run_supervised(Scripted(lost_at()), replace(sequence, boxes=np.full((30, 4), np.nan)))
    with pytest.raises(DatasetError, match="it has no frame"):
        run_supervised(Scripted(lost_at()), Sequence("empty", (), np.zeros((0, 4))))


def test_a_crash_names_the_frame(sequence: Sequence) -> None:
    def script(identity: int, frame: int) -> object:
        if frame == 6:
            raise RuntimeError("out of\nideas")
        return truth_boxes(identity, frame + 1)[frame]

    with pytest.raises(TrackerCrash, match="frame 7 of 30: RuntimeError: out of ideas"):
        run_supervised(Scripted(script), sequence)
    with pytest.raises(TrackerCrash, match="frame 2 of 30: BoxError: a region needs 4 numbers"):
        run_supervised(Scripted(lambda identity, frame: (1, 2, 3)), sequence)


def test_an_unreadable_image_is_no_fault_of_the_tracker(sequence: Sequence, tmp_path: Path) -> None:
    frames = (*sequence.frames[:3], tmp_path / "gone.png", *sequence.frames[4:])
    with pytest.raises(DatasetError, match=r"gone.png does not exist"):
        run_supervised(Scripted(lost_at()), replace(sequence, frames=frames))


@pytest.mark.parametrize("wrong", [{"skip": 0}, {"failure_overlap": 1.0}, {"failure_overlap": -0.1}, {"rule": "near"}])
def test_impossible_rules_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Supervision(**wrong)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": np.inf}, {"grace": -1}])
def test_impossible_clocks_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RealTime(**wrong)


def test_what_trackers_answer() -> None:
    corners = [[0, 0], [4, 0], [4, 4]]
    assert read_answer(Box(1, 2, 3, 4)).tolist() == [1, 2, 3, 4]
    assert read_answer(TrackResult(Box(1, 2, 3, 4), 0.5, TrackState.LOST)).tolist() == [1, 2, 3, 4]
    assert read_answer(corners).tolist() == corners
    assert read_answer(SimpleNamespace(box=Box(1, 2, 3, 4), polygon=corners)).tolist() == corners
    assert read_answer(SimpleNamespace(box=Box(1, 2, 3, 4), polygon=None)).tolist() == [1, 2, 3, 4]
    assert read_answer(None) is None
    for wrong in ([1, 2, 3], [[1, 2], [3, 4]], np.zeros((4, 3))):
        with pytest.raises(BoxError, match="a region needs"):
            read_answer(wrong)


def seen_frames(sequence: Sequence, seconds: dict[int, float], grace: int, fast: float = 0.01, lost=()) -> tuple:
    clock = Clock()
    tracker = Scripted(lost_at(*lost), clock, lambda frame: seconds.get(frame, fast))
    run = run_realtime(tracker, sequence, real_time=RealTime(25, grace), clock=clock)
    return [frame for _, frame in tracker.updates], run


def test_a_fast_tracker_sees_every_frame(sequence: Sequence) -> None:
    seen, run = seen_frames(sequence, {}, 0, fast=0.039)
    assert seen == list(range(1, 30))
    assert run.codes.tolist() == [1, *[3] * 29]
    np.testing.assert_allclose(run.seconds, 0.039)


def test_a_late_answer_stands_for_the_frames_that_came_meanwhile(sequence: Sequence) -> None:
    seen, run = seen_frames(sequence, {5: 0.15}, 0)
    # 0.15 s are 3.75 frames: the answer to frame 5 also stands for frames 6 and 7; frame 8 is the newest then.
    assert seen == [1, 2, 3, 4, 5, *range(8, 30)]
    for frame in (6, 7):
        np.testing.assert_array_equal(run.regions[frame], run.regions[5])
        assert np.isnan(run.seconds[frame])
    np.testing.assert_array_equal(run.regions[8], truth_boxes(0, 9)[8])


def test_grace_forgives_the_first_late_answers_after_each_start(sequence: Sequence) -> None:
    slow = dict.fromkeys([0, 2, 4, 6], 0.13)
    assert seen_frames(sequence, slow, 3)[0] == [1, 2, 3, 4, 5, 6, *range(9, 30)], "the start is one of the three"
    assert seen_frames(sequence, slow, 4)[0] == list(range(1, 30))
    # The frame after a failure starts anew, with all of the grace.
    seen, run = seen_frames(sequence, slow | dict.fromkeys([15, 17, 19, 21], 0.13), 3, lost=[10])
    assert run.codes[10:16].tolist() == [2, 0, 0, 0, 0, 1]
    assert [frame for frame in seen if frame > 15] == [16, 17, 18, 19, 20, 21, *range(24, 30)]


def test_a_late_start_lets_its_own_box_stand(sequence: Sequence) -> None:
    seen, run = seen_frames(sequence, {0: 0.15}, 0)
    assert seen == list(range(3, 30))
    np.testing.assert_array_equal(run.regions[1], sequence.boxes[0])
    np.testing.assert_array_equal(run.regions[2], sequence.boxes[0])


def test_a_box_that_stands_too_long_is_a_failure(sequence: Sequence) -> None:
    truth = np.tile([10.0, 10, 20, 20], (30, 1))
    truth[7:, 0] = 100
    moved = replace(sequence, boxes=truth)
    clock = Clock()
    tracker = Scripted(lambda identity, frame: truth[frame], clock, lambda frame: 0.3 if frame == 4 else 0.01)
    run = run_realtime(tracker, moved, real_time=RealTime(25, 0), clock=clock)
    assert run.codes[:14].tolist() == [1, 3, 3, 3, 3, 3, 3, 2, 0, 0, 0, 0, 1, 3]
    assert run_supervised(tracker, moved).failures == 0


def same(first: SupervisedRun, second: SupervisedRun) -> None:
    assert (first.sequence, first.repetition) == (second.sequence, second.repetition)
    np.testing.assert_array_equal(first.codes, second.codes)
    np.testing.assert_array_equal(first.seconds, second.seconds)
    for one, other in zip(first.regions, second.regions, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)


numbers = st.floats(-1e5, 1e5)
polygon = st.integers(3, 6).flatmap(lambda n: st.lists(numbers, min_size=2 * n, max_size=2 * n))
regions = st.one_of(
    st.lists(numbers, min_size=4, max_size=4).map(np.array), polygon.map(lambda values: np.array(values).reshape(-1, 2))
)
frames = st.tuples(st.one_of(st.integers(0, 2), regions), st.one_of(st.just(np.nan), st.floats(0, 10)))


@given(st.lists(frames, min_size=1, max_size=10))
def test_files_keep_every_digit(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    run = SupervisedRun(
        "one",
        7,
        tuple(None if isinstance(what, int) else what for what, _ in rows),
        np.array([what if isinstance(what, int) else 3 for what, _ in rows], dtype=np.int8),
        np.array([seconds for _, seconds in rows]),
    )
    path = tmp_path_factory.mktemp("run") / "one_007.txt"
    save_run(run, path)
    holder = Sequence("one", (Path("x"),) * len(rows), np.zeros((len(rows), 4)))
    same(load_run(path, holder, 7), run)


def test_files_have_vots_form(sequence: Sequence, tmp_path: Path) -> None:
    clock = Clock()
    run = run_supervised(Scripted(lost_at(3), clock), sequence.head(8), clock=clock)
    save_run(run, tmp_path / "one" / "one_001.txt")
    x, y, width, height = sequence.boxes[1]
    lines = (tmp_path / "one" / "one_001.txt").read_text().splitlines()
    assert lines[:2] == ["1", f"{x},{y},{width},{height}"]
    assert lines[3:] == ["2", "0", "0", "0", "0"]
    times = (tmp_path / "one" / "one_001_time.value").read_text().splitlines()
    assert [float(line) if line else None for line in times] == pytest.approx([0.01] * 4 + [None] * 4)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["one_001.txt", "one_001_time.value"]


def test_files_of_others_need_no_times(sequence: Sequence, tmp_path: Path) -> None:
    path = tmp_path / "one_001.txt"
    path.write_text("1.0\n10.1234,5.0,3,4\nnan\n2\n")  # vot-toolkit may write codes with a point
    run = load_run(path, sequence.head(4), 1)
    assert run.codes.tolist() == [1, 3, 0, 2]
    assert np.isnan(run.seconds).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n2\n", "has 2 frames but sequence one has 4"),
        ("1\n1,2,3,4\n1,2,3\n0\n", "line 3: 3 numbers"),
        ("1\n5\n0\n0\n", "line 2: 5 is no code"),
        ("1\nbox\n0\n0\n", "line 2: 'box' is not numbers"),
    ],
)
def test_damaged_files_are_named(sequence: Sequence, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "one_001.txt"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_run(path, sequence.head(4), 1)
    path.write_text("1\n0\n0\n0\n")
    (tmp_path / "one_001_time.value").write_text("0.1\nsoon\n\n\n")
    with pytest.raises(DatasetError, match="not a file of seconds"):
        load_run(path, sequence.head(4), 1)


def test_runs_are_the_same_but_for_time(sequence: Sequence) -> None:
    first, second = (run_supervised(Scripted(lost_at(9)), sequence, number) for number in (1, 2))
    assert first.same_as(second)
    nudged = run_supervised(Scripted(lost_at(9, 12, answer=truth_boxes(0, 13)[12] + 0.1)), sequence)
    assert not first.same_as(nudged)
    assert not first.same_as(run_supervised(Scripted(lost_at(10)), sequence))


def test_a_run_must_hang_together() -> None:
    with pytest.raises(DatasetError, match="there must be one a frame"):
        SupervisedRun("one", 1, (None,), np.array([1, 2], np.int8), np.zeros(1))
    with pytest.raises(DatasetError, match="a region belongs to each TRACKED frame"):
        SupervisedRun("one", 1, (None,), np.array([3], np.int8), np.zeros(1))
