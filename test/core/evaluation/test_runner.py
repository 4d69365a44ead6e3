"""Runs: what is timed and kept, what resumes, and what a crash costs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.one_pass import TrackerCrash, run_sequence
from siam_tracker_core.evaluation.resolve import TrackerSpec, make_tracker
from siam_tracker_core.evaluation.runner import evaluate_trackers
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.results import TrackResult, TrackState


@dataclass
class Still:
    """Says that the target never moves, and counts how often it was asked."""

    name: str = "still"
    fails_at: int = -1
    updates: int = 0
    inits: int = 0

    def init(self, image: np.ndarray, box: Box) -> None:
        self.box, self.frame = box, 0
        self.inits += 1

    def update(self, image: np.ndarray) -> object:
        self.frame += 1
        self.updates += 1
        if self.frame == self.fails_at:
            raise RuntimeError("out of\nideas")
        return TrackResult(self.box, 0.5, TrackState.UNCERTAIN)


def write_sequence(folder: Path, name: str, count: int = 5) -> Sequence:
    (folder / name).mkdir(parents=True)
    frames = []
    for index in range(count):
        frames.append(folder / name / f"{index + 1:04d}.jpg")
        cv2.imwrite(str(frames[-1]), np.full((48, 64, 3), 10 * index, np.uint8))
    return Sequence(name, tuple(frames), np.tile([10.0, 10.0, 20.0, 20.0], (count, 1)))


def spec(tracker: object, label: str = "") -> TrackerSpec:
    return TrackerSpec(label or tracker.name, tracker)  # type: ignore[attr-defined, arg-type]


def test_a_run_keeps_boxes_scores_states_and_times(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path, "a")
    steps: list[int] = []
    result = run_sequence(Still(), sequence, steps.append)
    assert steps == [1] * 5
    np.testing.assert_array_equal(result.predicted, sequence.boxes)
    assert result.states == (None, *["uncertain"] * 4)
    assert np.isnan(result.scores[0])
    assert (result.scores[1:] == 0.5).all()
    assert (result.seconds > 0).all(), "the time of init is in row 0"
    assert result.frames == sequence.frames


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, [np.nan] * 4),
        (Box(1, 2, 3, 4), [1, 2, 3, 4]),
        ((1, 2, 3, 4), [1, 2, 3, 4]),
        (np.array([1.0, 2, 3, 4]), [1, 2, 3, 4]),
        (SimpleNamespace(box=(1, 2, 3, 4)), [1, 2, 3, 4]),
    ],
)
def test_anything_with_init_and_update_can_be_run(tmp_path: Path, answer: object, expected: list[float]) -> None:
    tracker = SimpleNamespace(init=lambda image, box: None, update=lambda image: answer)
    result = run_sequence(tracker, write_sequence(tmp_path, "a", 2))
    np.testing.assert_array_equal(result.predicted[1], expected)


def test_no_answer_counts_as_no_overlap(tmp_path: Path) -> None:
    tracker = SimpleNamespace(init=lambda image, box: None, update=lambda image: None)
    result = run_sequence(tracker, write_sequence(tmp_path, "a", 4))
    assert otb.score_sequence(result).success_auc == pytest.approx(20 / 21 / 4)
    assert otb.lost_frames(result).sum() == 3


def test_a_sequence_without_a_start_is_refused(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path, "a")
    sequence.boxes[0] = np.nan
    with pytest.raises(DatasetError, match="sequence a cannot be evaluated: its first frame has no target"):
        run_sequence(Still(), sequence)
    with pytest.raises(DatasetError, match="it has no frame"):
        run_sequence(Still(), Sequence("empty", (), np.zeros((0, 4))))


def test_a_crash_names_frame_and_cause(tmp_path: Path) -> None:
    with pytest.raises(TrackerCrash, match="frame 3 of 5: RuntimeError: out of ideas"):
        run_sequence(Still(fails_at=2), write_sequence(tmp_path, "a"))


def test_an_answer_that_is_no_box_is_a_crash(tmp_path: Path) -> None:
    tracker = SimpleNamespace(init=lambda image, box: None, update=lambda image: (1, 2))
    with pytest.raises(TrackerCrash, match="a box needs 4 numbers"):
        run_sequence(tracker, write_sequence(tmp_path, "a"))


def test_a_crash_loses_its_sequence_only(tmp_path: Path) -> None:
    sequences = [write_sequence(tmp_path, "long", 6), write_sequence(tmp_path, "short", 3)]
    run = evaluate_trackers([spec(Still(fails_at=4))], sequences, tmp_path / "out", show_progress=False)
    assert [result.name for result in run.results["still"]] == ["short"]
    (failure,) = run.failures
    assert (failure.tracker, failure.sequence) == ("still", "long")
    assert "out of ideas" in failure.reason


def test_an_unreadable_image_loses_its_sequence_only(tmp_path: Path) -> None:
    sequences = [write_sequence(tmp_path, "broken"), write_sequence(tmp_path, "whole")]
    sequences[0].frames[2].write_bytes(b"")
    run = evaluate_trackers([spec(Still())], sequences, tmp_path / "out", show_progress=False)
    assert [result.name for result in run.results["still"]] == ["whole"]
    assert "0003.jpg is not a readable image" in run.failures[0].reason


def test_an_interrupted_run_resumes(tmp_path: Path) -> None:
    sequences = [write_sequence(tmp_path, name) for name in ("a", "b", "c")]
    evaluate_trackers([spec(Still())], sequences[:2], tmp_path / "out", show_progress=False)
    again = Still()
    run = evaluate_trackers([spec(again)], sequences, tmp_path / "out", show_progress=False)
    assert again.inits == 1, "only the third sequence was left to run"
    assert run.resumed == 2
    assert [result.name for result in run.results["still"]] == ["a", "b", "c"]
    fresh = Still()
    evaluate_trackers([spec(fresh)], sequences, tmp_path / "out", fresh=True, show_progress=False)
    assert fresh.inits == 3


def test_a_damaged_results_file_is_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sequence = write_sequence(tmp_path, "a")
    evaluate_trackers([spec(Still())], [sequence], tmp_path / "out", show_progress=False)
    (tmp_path / "out" / "results" / "still" / "a.csv").write_text("x,y\n1,2\n")
    run = evaluate_trackers([spec(Still())], [sequence], tmp_path / "out", show_progress=False)
    assert run.resumed == 0
    assert len(run.results["still"]) == 1
    assert "running the sequence again" in caplog.text


def test_results_of_another_tracker_are_not_taken_for_this_one(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path, "a")
    other = SimpleNamespace(init=lambda image, box: None, update=lambda image: None)
    evaluate_trackers([spec(Still())], [sequence], tmp_path / "out", show_progress=False)
    with pytest.raises(ConfigError, match=r"results of another tracker of that name.*--fresh"):
        evaluate_trackers([spec(other, "still")], [sequence], tmp_path / "out", show_progress=False)
    run = evaluate_trackers([spec(other, "still")], [sequence], tmp_path / "out", fresh=True, show_progress=False)
    assert np.isnan(run.results["still"][0].predicted[1]).all()


def test_results_on_another_sequence_of_the_name_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    sequence, out = write_sequence(tmp_path, "a"), tmp_path / "out"
    evaluate_trackers([spec(Still())], [sequence], out, show_progress=False)
    kept = (out / "results/still/a.csv").read_bytes()
    elsewhere = replace(sequence, boxes=sequence.boxes + 1)
    for other in (sequence.head(3), elsewhere):
        with pytest.raises(ConfigError, match=r"on other sequences of the same name \(a\).*--fresh"):
            evaluate_trackers([spec(Still())], [other], out, show_progress=False)
    assert (out / "results/still/a.csv").read_bytes() == kept, "nothing is lost by a mistake"
    corrected = replace(sequence, boxes=sequence.boxes.copy())
    corrected.boxes[3] += 1
    assert evaluate_trackers([spec(Still())], [corrected], out, show_progress=False).resumed == 1
    evaluate_trackers([spec(Still())], [elsewhere], out, fresh=True, show_progress=False)
    assert evaluate_trackers([spec(Still())], [elsewhere], out, show_progress=False).resumed == 1


def test_a_fresh_run_of_another_tracker_leaves_no_result_of_the_former_one(tmp_path: Path) -> None:
    sequences, out = [write_sequence(tmp_path, name) for name in "ab"], tmp_path / "out"
    evaluate_trackers([spec(Still())], sequences, out, show_progress=False)
    other = SimpleNamespace(init=lambda image, box: None, update=lambda image: None)
    evaluate_trackers([spec(other, "still")], sequences[:1], out, fresh=True, show_progress=False)
    run = evaluate_trackers([spec(other, "still")], sequences, out, show_progress=False)
    assert run.resumed == 1
    assert np.isnan(run.results["still"][1].predicted[1]).all(), "b too is the new tracker's"


def test_an_interrupted_fresh_run_leaves_nothing_to_be_taken_for_its_own(tmp_path: Path) -> None:
    sequences, out = [write_sequence(tmp_path, name) for name in "ab"], tmp_path / "out"
    evaluate_trackers([spec(Still())], sequences, out, show_progress=False)

    def interrupted(image: np.ndarray) -> None:
        raise KeyboardInterrupt

    stopped = Still()
    stopped.update = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        evaluate_trackers([spec(stopped)], sequences, out, fresh=True, show_progress=False)
    assert evaluate_trackers([spec(Still())], sequences, out, show_progress=False).resumed == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specs": []}, "no tracker was named"),
        ({"sequences": []}, "no sequence"),
        ({"specs": [spec(Still()), spec(Still())]}, "'still' is named twice"),
        ({"jobs": 0}, "jobs is 0"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_impossible_requests_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    request = {"specs": [spec(Still())], "sequences": [write_sequence(tmp_path, "a")], "out": tmp_path / "out"}
    with pytest.raises((ConfigError, DatasetError), match=message):
        evaluate_trackers(**{**request, **changes})  # type: ignore[arg-type]


def test_two_sequences_of_one_name_are_refused(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path, "a")
    with pytest.raises(ConfigError, match="two sequences are called 'a'"):
        evaluate_trackers([spec(Still())], [sequence, sequence], tmp_path / "out")


@pytest.mark.skipif(not hasattr(cv2, "TrackerKCF_create"), reason="this OpenCV has no KCF")
def test_two_processes_give_the_same_boxes(tmp_path: Path) -> None:
    sequences = [write_sequence(tmp_path, name) for name in ("a", "b", "c")]
    threads = cv2.getNumThreads()
    runs = [
        evaluate_trackers(
            [TrackerSpec.of("kcf")], sequences, tmp_path / f"out{jobs}", jobs=jobs, threads=1, show_progress=False
        )
        for jobs in (1, 2)
    ]
    cv2.setNumThreads(threads)
    for one, two in zip(runs[0].results["kcf"], runs[1].results["kcf"], strict=True):
        assert one.name == two.name
        np.testing.assert_array_equal(one.predicted, two.predicted)


def test_labels_come_from_names_files_and_instances() -> None:
    assert TrackerSpec.of("kcf").label == "kcf"
    assert TrackerSpec.of(os.path.join("runs", "mine.safetensors")).label == "mine"  # noqa: PTH118
    assert TrackerSpec.of(Still()).label == "still"


def test_an_unknown_tracker_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="nonesuch"):
        make_tracker("nonesuch")
