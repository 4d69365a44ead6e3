"""VOT's experiments over several trackers: repetitions, resuming, crashes, and processes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from made_vot import Scripted, failing_script, truth_boxes, write_vot

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.datasets.vot import box_corners, read_vot
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.resolve import TrackerSpec, make_tracker
from siam_tracker_core.evaluation.vot import FrameCode, RealTime, Supervision, evaluate_vot, run_supervised
from siam_tracker_core.evaluation.vot.supervised import is_deterministic


@pytest.fixture
def sequences(tmp_path: Path) -> list[Sequence]:
    return read_vot(write_vot(tmp_path / "data", {"a": 60, "b": 40}))


@dataclass
class Dice:
    """Somewhere near the truth, elsewhere each time it starts."""

    name: str = "dice"
    starts: int = 0
    failing: frozenset[int] = field(default_factory=frozenset)

    def init(self, image: np.ndarray, box: object) -> None:
        self.starts += 1
        if self.starts in self.failing:
            raise RuntimeError("lost the dice")

    def update(self, image: np.ndarray) -> np.ndarray:
        frame, identity, _ = (int(value) for value in image[0, 0])
        return truth_boxes(identity, frame + 1)[frame] + self.starts


def evaluate(specs, sequences, out: Path, **options):
    defaults = {"year": "2019", "experiments": ["supervised"], "show_progress": False}
    return evaluate_vot(specs, sequences, out, **{**defaults, **options})


def spec(tracker: object, label: str = "") -> TrackerSpec:
    return TrackerSpec(label or tracker.name, tracker)  # type: ignore[attr-defined, arg-type]


def test_both_experiments_and_their_files(sequences: list[Sequence], tmp_path: Path) -> None:
    found = evaluate([spec(Scripted(failing_script()))], sequences, tmp_path, experiments=["supervised", "realtime"])
    assert found.failures == []
    runs = found.runs["scripted"]
    assert {name: len(of) for name, of in runs["supervised"].items()} == {"a": 3, "b": 3}
    assert {name: len(of) for name, of in runs["realtime"].items()} == {"a": 1, "b": 1}
    assert found.scores["scripted"]["supervised"].failures_total > 0
    assert found.year == "2019"
    assert found.identities["scripted"]["class"] == "Scripted"
    texts = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("results/**/*.txt"))
    assert texts == [
        *(f"results/scripted/baseline/{name}/{name}_{n:03d}.txt" for name in "ab" for n in (1, 2, 3)),
        *(f"results/scripted/realtime/{name}/{name}_001.txt" for name in "ab"),
    ]


def test_a_tracker_that_is_not_deterministic_runs_every_repetition(sequences, tmp_path: Path) -> None:
    found = evaluate([spec(Dice())], sequences, tmp_path, repetitions=6)
    assert [len(runs) for runs in found.runs["dice"]["supervised"].values()] == [6, 6]
    assert len({run.regions[5][0] for run in found.runs["dice"]["supervised"]["a"]}) == 6


def test_a_tracker_that_says_so_runs_once(sequences, tmp_path: Path) -> None:
    tracker = Scripted(failing_script())
    tracker.deterministic = True
    found = evaluate([spec(tracker)], sequences, tmp_path)
    assert [len(runs) for runs in found.runs["scripted"]["supervised"].values()] == [1, 1]


def test_a_run_resumes(sequences: list[Sequence], tmp_path: Path) -> None:
    first = evaluate([spec(Scripted(failing_script()))], sequences, tmp_path)
    (tmp_path / "results/scripted/baseline/b/b_002.txt").unlink()
    again = Scripted(failing_script())
    second = evaluate([spec(again)], sequences, tmp_path)
    assert second.resumed == 5
    assert {identity for identity, *_ in again.inits} == {1}, "only one repetition of b was left"
    assert second.scores["scripted"]["supervised"].eao == first.scores["scripted"]["supervised"].eao
    fresh = Scripted(failing_script())
    assert evaluate([spec(fresh)], sequences, tmp_path, fresh=True).resumed == 0
    assert len(fresh.updates) > 3 * 60


def test_a_fresh_run_leaves_no_repetition_of_the_former_one(sequences, tmp_path: Path) -> None:
    evaluate([spec(Dice())], sequences, tmp_path, repetitions=5)
    evaluate([spec(Scripted(failing_script()), "dice")], sequences, tmp_path, fresh=True)
    assert len(list((tmp_path / "results/dice/baseline/a").glob("*.txt"))) == 3, "vot-toolkit would count them all"


def test_a_damaged_file_is_run_again(sequences, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate([spec(Scripted(failing_script()))], sequences, tmp_path)
    (tmp_path / "results/scripted/baseline/a/a_001.txt").write_text("1\n")
    found = evaluate([spec(Scripted(failing_script()))], sequences, tmp_path)
    assert "has 1 frames but sequence a has 60" in caplog.text
    assert len(found.runs["scripted"]["supervised"]["a"]) == 3


def test_a_crash_loses_its_sequence_only(sequences: list[Sequence], tmp_path: Path) -> None:
    found = evaluate([spec(Dice(failing=frozenset([2]))), spec(Dice("lucky"))], sequences, tmp_path, repetitions=4)
    (failure,) = found.failures
    assert (failure.tracker, failure.sequence) == ("dice", "a")
    assert failure.reason == "supervised experiment, repetition 2: frame 1 of 60: RuntimeError: lost the dice"
    assert list(found.runs["dice"]["supervised"]) == ["b"]
    assert list(found.scores["dice"]["supervised"].per_sequence) == ["b"]
    assert list(found.runs["lucky"]["supervised"]) == ["a", "b"]


def test_when_every_sequence_fails_there_are_no_scores(sequences: list[Sequence], tmp_path: Path) -> None:
    found = evaluate([spec(Dice(failing=frozenset(range(99))))], sequences, tmp_path)
    assert [failure.sequence for failure in found.failures] == ["a", "b"]
    assert found.scores == {"dice": {}}


def test_a_sequence_without_target_is_reported(sequences: list[Sequence], tmp_path: Path) -> None:
    sequences[0].boxes[:] = np.nan
    found = evaluate([spec(Scripted(failing_script()))], sequences, tmp_path)
    assert "no frame of it has a target" in found.failures[0].reason
    assert list(found.runs["scripted"]["supervised"]) == ["b"]


def test_results_by_other_rules_are_not_mixed(sequences: list[Sequence], tmp_path: Path) -> None:
    trackers = [spec(Scripted(failing_script()))]
    evaluate(trackers, sequences, tmp_path, experiments=["realtime"])
    with pytest.raises(ConfigError, match=r"holds runs by other rules.*--fresh"):
        evaluate(trackers, sequences, tmp_path, experiments=["realtime"], real_time=RealTime(rate=20))
    evaluate(trackers, sequences, tmp_path, experiments=["realtime"], real_time=RealTime(rate=20), fresh=True)
    evaluate(trackers, sequences, tmp_path, real_time=RealTime(rate=30))  # nothing to the supervised experiment
    with pytest.raises(ConfigError, match="holds runs by other rules"):
        evaluate(trackers, sequences, tmp_path, supervision=Supervision(rule="raster"))


def test_runs_on_another_truth_are_not_mixed(sequences: list[Sequence], tmp_path: Path) -> None:
    """VOT-2015 and VOT-2016 are the same videos with another truth."""
    trackers = [spec(Scripted(failing_script()))]
    evaluate(trackers, sequences, tmp_path)
    moved = [replace(one, boxes=one.boxes + 1) for one in sequences]
    outlined = [replace(one, polygons=tuple(box_corners(one.boxes))) for one in sequences]
    for other in (moved, outlined, [one.head(30) for one in sequences]):
        with pytest.raises(ConfigError, match=r"on other sequences of the same name \(a, b\).*--fresh"):
            evaluate(trackers, other, tmp_path)
    assert evaluate(trackers, sequences, tmp_path).resumed == 6
    assert evaluate(trackers, moved, tmp_path, fresh=True).resumed == 0
    assert evaluate(trackers, moved, tmp_path).resumed == 6


def test_a_fresh_run_by_other_rules_leaves_none_by_the_former_ones(sequences, tmp_path: Path) -> None:
    trackers = [spec(Scripted(failing_script()))]
    evaluate(trackers, sequences, tmp_path)
    other = {"supervision": Supervision(skip=9)}
    evaluate(trackers, sequences[:1], tmp_path, fresh=True, **other)
    assert evaluate(trackers, sequences, tmp_path, **other).resumed == 3, "those of b were made by skip=5"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(cv2, "TrackerKCF_create"), reason="this OpenCV has no KCF")
@pytest.mark.parametrize("name", ["siamfc", "kcf", "csrt"])
def test_what_is_called_deterministic_gives_the_same_run_twice(name: str, tmp_path: Path) -> None:
    made = made_sequence(frames=8, size=(160, 120))
    frames = tuple(tmp_path / f"{index:04d}.png" for index in range(len(made.frames)))
    for path, image in zip(frames, made.frames, strict=True):
        cv2.imwrite(str(path), image)
    sequence = Sequence("made", frames, made.boxes)
    trackers = [make_tracker(name, "cpu") for _ in range(2)]
    assert all(is_deterministic(tracker) for tracker in trackers)
    first, again, other = (run_supervised(tracker, sequence) for tracker in (trackers[0], *trackers))
    tracked = first.codes == FrameCode.TRACKED
    assert tracked.sum() >= 3
    for run in (again, other):
        np.testing.assert_array_equal(run.codes, first.codes)
        for frame in np.flatnonzero(tracked):
            np.testing.assert_array_equal(run.regions[frame], first.regions[frame])


def test_who_is_called_deterministic() -> None:
    assert not is_deterministic(Dice())
    assert is_deterministic(SimpleNamespace(deterministic=True))  # type: ignore[arg-type]
    assert not is_deterministic(make_tracker("mil")), "OpenCV's MIL draws its samples at random"
    siamfc = make_tracker("siamfc", "cpu")
    assert is_deterministic(siamfc)
    siamfc.model.device = torch.device("cuda")  # type: ignore[attr-defined]
    assert not is_deterministic(siamfc)
    for name in ("mdnet", "cascade", "srt"):
        assert not is_deterministic(make_tracker(name, "cpu")), f"{name} draws random numbers"


def test_repetitions_draw_other_numbers_and_are_all_made(sequences, tmp_path: Path) -> None:
    class Seeded(Dice):
        """Says which repetitions were asked for."""

        def __init__(self) -> None:
            super().__init__()
            self.asked: list[int] = []

        def repeat(self, repetition: int) -> None:
            self.asked.append(repetition)

    tracker = Seeded()
    evaluate([spec(tracker)], sequences[:1], tmp_path, repetitions=5, experiments=("supervised",))
    assert sorted(set(tracker.asked)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"year": "2020"}, "no VOT-2020"),
        ({"experiments": []}, "give one or more of supervised, realtime"),
        ({"experiments": ["unsupervised"]}, "experiments are"),
        ({"repetitions": 0}, "repetitions is 0"),
        ({"jobs": 0}, "jobs is 0"),
        ({"specs": []}, "no tracker was named"),
        ({"sequences": []}, "no sequence"),
    ],
)
def test_impossible_requests_are_refused(sequences, tmp_path: Path, changes: dict, message: str) -> None:
    request = {"specs": [spec(Dice())], "sequences": sequences, "out": tmp_path, **changes}
    with pytest.raises((ConfigError, DatasetError), match=message):
        evaluate(**request)


@pytest.mark.skipif(not hasattr(cv2, "TrackerKCF_create"), reason="this OpenCV has no KCF")
def test_two_processes_give_the_same_runs(sequences: list[Sequence], tmp_path: Path) -> None:
    short = [one.head(8) for one in sequences]
    threads = cv2.getNumThreads()
    one, two = (
        evaluate([TrackerSpec.of("kcf")], short, tmp_path / str(jobs), jobs=jobs, threads=1).runs["kcf"]["supervised"]
        for jobs in (1, 2)
    )
    cv2.setNumThreads(threads)
    assert list(one) == list(two) == ["a", "b"]
    for name in one:
        assert all(first.same_as(second) for first, second in zip(one[name], two[name], strict=True))
