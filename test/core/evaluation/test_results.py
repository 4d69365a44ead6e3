"""Results files: what is written comes back, and a damaged file says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.results import SequenceResult, load_result, save_result


def make_sequence(count: int = 4) -> Sequence:
    boxes = np.tile([10.0, 20.0, 30.0, 40.0], (count, 1)) + np.arange(count)[:, None]
    return Sequence("made", tuple(Path(f"{index:04d}.jpg") for index in range(1, count + 1)), boxes)


def make_result(sequence: Sequence) -> SequenceResult:
    predicted = sequence.boxes + 1 / 3
    predicted[2] = np.nan
    return SequenceResult(
        name=sequence.name,
        truth=sequence.boxes,
        predicted=predicted,
        scores=np.array([1.0, 0.1 + 0.2, np.nan, 0.5]),
        states=("tracking", "uncertain", None, "lost"),
        seconds=np.array([0.25, 1e-3, np.nan, 2e-3]),
        frames=sequence.frames,
        missed=np.array([False, False, True, False]),
    )


def test_a_result_comes_back_to_the_last_digit(tmp_path: Path) -> None:
    sequence = make_sequence()
    saved = make_result(sequence)
    save_result(saved, tmp_path / "deep" / "made.csv")
    loaded = load_result(tmp_path / "deep" / "made.csv", sequence)
    for column in ("truth", "predicted", "scores", "seconds", "missed"):
        np.testing.assert_array_equal(getattr(loaded, column), getattr(saved, column))
    assert loaded.states == saved.states
    assert loaded.frames == saved.frames
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["made.csv"], "no partial file may stay behind"


def test_what_was_not_measured_has_defaults() -> None:
    boxes = make_sequence().boxes
    result = SequenceResult("made", boxes, boxes)
    assert np.isnan(result.scores).all()
    assert np.isnan(result.seconds).all()
    assert result.states == (None,) * 4
    assert not result.missed.any()
    assert result.frames is None
    assert result.present.all()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("predicted", np.zeros((3, 4))),
        ("predicted", np.zeros((4, 2))),
        ("scores", np.zeros(5)),
        ("seconds", np.zeros((4, 1))),
        ("missed", np.zeros(3, dtype=bool)),
        ("states", ("tracking",)),
        ("frames", (Path("0001.jpg"),)),
    ],
)
def test_a_column_of_wrong_length_is_refused(column: str, value: object) -> None:
    boxes = make_sequence().boxes
    with pytest.raises(DatasetError, match=f"result made: .*{column}.*"):
        SequenceResult(**{"name": "made", "truth": boxes, "predicted": boxes, column: value})  # type: ignore[arg-type]


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(DatasetError, match="no frame"):
        SequenceResult("made", np.zeros((0, 4)), np.zeros((0, 4)))


def test_truth_must_be_boxes() -> None:
    with pytest.raises(DatasetError, match=r"expected \(frames, 4\)"):
        SequenceResult("made", np.zeros(4), np.zeros(4))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nothing\.csv does not exist"):
        load_result(tmp_path / "nothing.csv", make_sequence())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "first line must be x,y,width,height"),
        (lambda text: text.replace("x,y", "y,x", 1), "first line must be x,y,width,height"),
        (lambda text: text.rsplit("\n", 2)[0], "has 3 frames but sequence made has 4"),
        (lambda text: text + text.splitlines()[-1] + "\n", "has 5 frames but sequence made has 4"),
        (lambda text: text.rstrip("\n")[:-8], "line 5: "),
        (lambda text: text.replace("0.25", "soon"), "line 2: "),
    ],
)
def test_a_damaged_file_says_what_is_wrong(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    sequence, path = make_sequence(), tmp_path / "made.csv"
    save_result(make_result(sequence), path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(DatasetError, match=message) as raised:
        load_result(path, sequence)
    assert str(path) in str(raised.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DatasetError, match="cannot be read"):
        load_result(tmp_path / "made.csv", make_sequence())
