"""VOT's figures against a slow reading of the papers' definitions, and against numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_vot import Scripted, failing_script, truth_boxes, write_vot

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.datasets.vot import read_vot
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.vot import SupervisedRun, eao, eao_curve, overlap, run_supervised, vot_scores
from siam_tracker_core.evaluation.vot.eao import Segment

LENGTHS = {"first": 150, "second": 70, "third": 130}
SIZE = (160, 120)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> list[Sequence]:
    tags = {"occlusion": lambda frame: frame % 3 == 0, "motion_change": lambda frame: 40 <= frame < 60}
    return read_vot(write_vot(tmp_path_factory.mktemp("vot"), LENGTHS, tags=tags))


@pytest.fixture(scope="module")
def runs(sequences: list[Sequence]) -> dict[str, list[SupervisedRun]]:
    """Two different repetitions on each sequence but the second."""
    return {
        sequence.name: [
            run_supervised(Scripted(failing_script(period)), sequence, number)
            for number, period in enumerate((37, 52)[: 1 if sequence.name == "second" else 2], start=1)
        ]
        for sequence in sequences
    }


def slow_scores(runs: dict[str, list[SupervisedRun]], sequences: list[Sequence]) -> dict[str, object]:
    """Accuracy and failures by the text of the VOT papers, frame by frame."""
    per_sequence, total_frames = {}, 0
    accuracy_sum = failure_sum = 0.0
    for sequence in sequences:
        accuracies, failures = [], []
        for run in runs[sequence.name]:
            counted, started = [], None
            failed = 0
            for frame, code in enumerate(run.codes):
                if code == 1:
                    started = frame
                elif code == 2:
                    failed += 1
                elif code == 3 and frame - started >= 10:
                    counted.append(overlap(run.regions[frame], sequence.boxes[frame], SIZE))
            accuracies.append(sum(counted) / len(counted))
            failures.append(failed)
        per_sequence[sequence.name] = (sum(accuracies) / len(accuracies), sum(failures) / len(failures))
        accuracy_sum += per_sequence[sequence.name][0] * len(sequence)
        failure_sum += per_sequence[sequence.name][1] * len(sequence)
        total_frames += len(sequence)
    failures_mean = failure_sum / total_frames
    return {
        "accuracy": accuracy_sum / total_frames,
        "failures": failures_mean,
        "robustness": math.exp(-30 * failures_mean / (total_frames / len(sequences))),
        "per_sequence": per_sequence,
    }


def slow_eao(runs: dict[str, list[SupervisedRun]], sequences: list[Sequence], low: int, high: int) -> float:
    """Kristan et al. 2015: for each length, the average over segments of the average overlap over that many frames.

    A segment that ended in failure is continued with zeros; one that ended with its sequence is left out of lengths
    past its end.
    """
    pieces = []
    for sequence in sequences:
        for run in runs[sequence.name]:
            piece: list[float] = []
            for frame, code in enumerate(run.codes):
                if code == 1:
                    piece = []
                elif code == 3:
                    piece.append(overlap(run.regions[frame], sequence.boxes[frame], SIZE))
                elif code == 2:
                    pieces.append((piece, True))
            if 2 not in run.codes or np.flatnonzero(run.codes == 1)[-1] > np.flatnonzero(run.codes == 2)[-1]:
                pieces.append((piece, False))
    longest = max(len(piece) for piece, _ in pieces)
    expected = []
    for length in range(low, min(high, longest) + 1):
        averages = []
        for piece, failed in pieces:
            if failed or len(piece) >= length:
                averages.append(sum(piece[:length]) / length)
        expected.append(sum(averages) / len(averages))
    return sum(expected) / len(expected)


def test_accuracy_and_robustness_are_what_the_papers_say(runs, sequences) -> None:
    found, expected = vot_scores(runs, sequences, "2016"), slow_scores(runs, sequences)
    assert found.failures_total > 4, "the script fails on purpose"
    for name in ("accuracy", "failures", "robustness"):
        assert getattr(found, name) == pytest.approx(expected[name], abs=1e-12)
    for name, figures in expected["per_sequence"].items():
        np.testing.assert_allclose(found.per_sequence[name], figures, atol=1e-12)
    assert found.ar_point == (found.robustness, found.accuracy)
    assert found.frames == 350
    total = sum(failures for _, failures in expected["per_sequence"].values())
    assert found.failures_total == pytest.approx(total)
    assert found.failures_per_100 == pytest.approx(total / 3.5)


@pytest.mark.parametrize(
    ("year", "low", "high"),
    [("2015", 108, 371), ("2016", 108, 371), ("2017", 100, 356), ("2018", 100, 356), ("2019", 46, 291)],
)
def test_expected_average_overlap_is_what_the_paper_says(runs, sequences, year: str, low: int, high: int) -> None:
    found = vot_scores(runs, sequences, year)
    assert found.interval == (low, high)
    assert found.eao == pytest.approx(slow_eao(runs, sequences, low, high), abs=1e-12)


def test_a_curve_by_hand() -> None:
    parts = [
        Segment(np.array([0.0, 0.8, 0.6, 0.4]), False),
        Segment(np.array([0.0, 0.5]), True),  # failed in the third frame, so zeros from there on
        Segment(np.array([0.0, 1.0, 1.0]), False),  # says nothing of three frames
    ]
    third = [0.6, 0.5 / 3]
    expected = [0, (0.8 + 0.5 + 1) / 3, (0.7 + 0.25 + 1) / 3, sum(third) / 2]
    np.testing.assert_allclose(eao_curve(parts), expected)
    assert eao(eao_curve(parts), (1, 2)) == pytest.approx((expected[1] + expected[2]) / 2)
    assert eao(eao_curve(parts), (3, 900)) == pytest.approx(expected[3])
    assert math.isnan(eao(eao_curve(parts), (4, 9)))
    with pytest.raises(DatasetError, match="no run"):
        eao_curve([])


def test_a_perfect_tracker_scores_one(sequences: list[Sequence]) -> None:
    perfect = Scripted(lambda identity, frame: truth_boxes(identity, frame + 1)[frame])
    found = vot_scores({one.name: [run_supervised(perfect, one)] for one in sequences}, sequences, "2019")
    assert (found.accuracy, found.failures, found.robustness, found.eao) == pytest.approx((1, 0, 1, 1))
    np.testing.assert_allclose(found.eao_curve[1:], 1)


def test_a_hopeless_tracker_scores_nothing(sequences: list[Sequence]) -> None:
    hopeless = Scripted(lambda identity, frame: None)
    found = vot_scores({one.name: [run_supervised(hopeless, one)] for one in sequences}, sequences, "2019")
    assert found.accuracy == 0, "without a frame that counts, a sequence's accuracy is 0, as in vot-toolkit"
    assert found.failures_total == sum(len(range(1, count, 6)) for count in LENGTHS.values())
    assert math.isnan(found.eao), "no segment is long enough to say anything"
    assert found.per_tag["all"].failures == found.failures_total
    assert math.isnan(found.per_tag["all"].accuracy)


def test_tags_split_frames_and_failures(runs, sequences) -> None:
    found = vot_scores(runs, sequences, "2016")
    assert set(found.per_tag) == {"all", "occlusion", "motion_change", "unassigned"}
    for label, (accuracy, failures, frames) in found.per_tag.items():
        counted, failed, marked_frames = [], 0.0, 0
        for sequence in sequences:
            marked = np.ones(len(sequence), bool) if label == "all" else sequence.tags[label]
            marked_frames += marked.sum()
            for run in runs[sequence.name]:
                failed += (marked & (run.codes == 2)).sum() / len(runs[sequence.name])
                started = 0
                for frame in range(len(sequence)):
                    started = frame if run.codes[frame] == 1 else started
                    if run.codes[frame] == 3 and marked[frame] and frame - started >= 10:
                        counted.append(overlap(run.regions[frame], sequence.boxes[frame], SIZE))
        assert (accuracy, failures, frames) == pytest.approx((np.mean(counted), failed, marked_frames))
    assert found.per_tag["all"].failures == pytest.approx(found.failures_total)


def test_frames_without_truth_count_for_nothing_in_accuracy(sequences: list[Sequence]) -> None:
    one = sequences[0]
    boxes = one.boxes.copy()
    boxes[50:60] = np.nan
    gaps = Sequence(one.name, one.frames, boxes)
    perfect = Scripted(lambda identity, frame: truth_boxes(identity, frame + 1)[frame])
    found = vot_scores({one.name: [run_supervised(perfect, gaps)]}, [gaps], "2019")
    assert found.accuracy == pytest.approx(1)
    assert found.eao_curve[100] == pytest.approx(0.9), "but the paper's average over 100 frames takes them as 0"


def test_speed_is_that_of_updates(sequences: list[Sequence]) -> None:
    one = sequences[1].head(4)
    regions = (None, *one.boxes[1:])
    seconds = np.array([9.0, 0.1, np.nan, 0.05])
    run = SupervisedRun(one.name, 1, regions, np.array([1, 3, 3, 3], np.int8), seconds)
    assert vot_scores({one.name: [run]}, [one], "2016").fps == pytest.approx(15)


def test_what_cannot_be_scored_is_refused(runs, sequences) -> None:
    with pytest.raises(ConfigError, match=r"no VOT-2014 .* known are 2015, 2016"):
        vot_scores(runs, sequences, "2014")
    with pytest.raises(DatasetError, match="no sequence has a run"):
        vot_scores({"other": runs["first"]}, sequences, "2016")
    with pytest.raises(DatasetError, match="has 150 frames, the sequence 70"):
        vot_scores({"second": runs["first"]}, sequences, "2016")
    partial = vot_scores({"second": runs["second"]}, sequences, "2016")
    assert list(partial.per_sequence) == ["second"]
    assert partial.frames == 70


def test_the_longest_prediction_off_the_image_is_cropped(tmp_path: Path) -> None:
    (one,) = read_vot(write_vot(tmp_path, {"one": 12}))
    boxes = np.tile([150.0, 100, 20, 20], (12, 1))  # 10 x 20 of it are inside 160 x 120
    one = Sequence("one", one.frames, boxes)
    wide = run_supervised(Scripted(lambda identity, frame: [150.0, 100, 40, 20]), one)
    assert vot_scores({"one": [wide]}, [one], "2016").accuracy == pytest.approx(1)
    assert vot_scores({"one": [wide]}, [one], "2016", bounded=False).accuracy == pytest.approx(0.5)
