"""Published one-pass results from made archives in every layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.rivals import read_rivals

FRAMES = 6
BOXES = np.array([[20.0 + 2 * frame, 30.0 - frame, 40.0, 24.0] for frame in range(FRAMES)])
NAMES = ("Basketball", "Jogging.1", "Jogging.2", "Human4.2")


@pytest.fixture
def sequences() -> list[Sequence]:
    frames = tuple(Path(f"{number:04d}.jpg") for number in range(FRAMES))
    return [Sequence(name, frames, BOXES + place) for place, name in enumerate(NAMES)]


def answers(place: int) -> np.ndarray:
    """What the made rival says of a sequence: right at first, then 3 pixels off."""
    boxes = BOXES + place
    boxes[1:, 0] += 3
    return boxes


def text(boxes: np.ndarray, separator: str = ",", origin: int = 1) -> str:
    rows = boxes + np.array([origin, origin, 0, 0])
    return "".join(separator.join(f"{value:.4f}" for value in row) + "\n" for row in rows)


def write_flat(root: Path) -> None:
    for place, name in enumerate(("basketball", "jogging-1", "jogging-2", "human4")):
        (root / f"{name}_My_Rival.txt").write_text(text(answers(place), "\t"))


def write_folders(root: Path) -> None:
    (root / "My_Rival_tracking_result").mkdir()
    for place, name in enumerate(NAMES):
        (root / "My_Rival_tracking_result" / f"{name}.txt").write_text(text(answers(place)))


def write_zero_based(root: Path) -> None:
    (root / "My_Rival").mkdir()
    for place, name in enumerate(NAMES):
        (root / "My_Rival" / f"{name}.txt").write_text(text(answers(place), " ", origin=0))


def write_repetitions(root: Path) -> None:
    for place, name in enumerate(NAMES):
        folder = root / "My_Rival" / name
        folder.mkdir(parents=True)
        (folder / f"{name}_001.txt").write_text(text(answers(place)))
        (folder / f"{name}_002.txt").write_text(text(answers(place) + 50))
        (folder / f"{name}_time.txt").write_text("0.1\n" * FRAMES)


def write_mat(root: Path, kind: str = "rect") -> None:
    scipy_io = pytest.importorskip("scipy.io")
    for place, name in enumerate(("basketball", "jogging-1", "jogging-2", "human4")):
        boxes = answers(place) + np.array([1, 1, 0, 0])
        struct: dict[str, object] = {"type": kind, "len": FRAMES, "res": boxes}
        if kind == "ivtAff":
            centres, template = boxes[:, :2] + boxes[:, 2:] / 2, np.array([32.0, 16.0])
            scales, nought = boxes[:, 2:] / template, np.zeros(FRAMES)
            struct["res"] = np.stack([*centres.T, scales[:, 0], nought, nought, scales[:, 1]], axis=1)
            struct["tmplsize"] = template
        if kind == "4corner":
            left, top, width, height = boxes.T
            abscissas = np.stack([left, left + width, left + width, left], axis=1)
            ordinates = np.stack([top, top, top + height, top + height], axis=1)
            struct["res"] = np.stack([abscissas, ordinates], axis=1).reshape(-1, 4)
        cell = np.empty((1, 1), dtype=object)
        cell[0, 0] = struct
        scipy_io.savemat(root / f"{name}_My_Rival.mat", {"results": cell})


def write_warped(root: Path) -> None:
    write_mat(root, "ivtAff")


def write_corners(root: Path) -> None:
    write_mat(root, "4corner")


@pytest.mark.parametrize(
    "write", [write_flat, write_folders, write_zero_based, write_repetitions, write_mat, write_warped, write_corners]
)
def test_every_layout_gives_the_same_boxes(write, tmp_path: Path, sequences: list[Sequence]) -> None:
    write(tmp_path)
    rivals = read_rivals([tmp_path], sequences)
    assert rivals.warnings == []
    assert list(rivals.results) == ["My_Rival"]
    assert [result.name for result in rivals.results["My_Rival"]] == list(NAMES)
    for place, result in enumerate(rivals.results["My_Rival"]):
        np.testing.assert_allclose(result.predicted, answers(place), atol=1e-3)
        assert np.isnan(result.seconds).all(), "times are another machine's"


def test_a_single_trackers_folder_and_fewer_frames(tmp_path: Path, sequences: list[Sequence]) -> None:
    write_folders(tmp_path)
    rivals = read_rivals([tmp_path / "My_Rival_tracking_result"], sequences, frames=4, taken=["My_Rival"])
    (results,) = rivals.results.values()
    assert list(rivals.results) == ["My_Rival (published)"]
    assert {len(result) for result in results} == {4}


def test_what_is_missing_or_of_another_length_is_told(tmp_path: Path, sequences: list[Sequence]) -> None:
    write_folders(tmp_path)
    folder = tmp_path / "My_Rival_tracking_result"
    (folder / "Basketball.txt").unlink()
    (folder / "Human4.2.txt").write_text(text(BOXES[:4]))
    rivals = read_rivals([tmp_path], sequences)
    assert [result.name for result in rivals.results["My_Rival"]] == ["Jogging.1", "Jogging.2"]
    missing, unlike = rivals.warnings
    assert missing.endswith("1 of 4 sequences are missing (Basketball).")
    assert "Human4.2 (4 boxes in" in unlike
    assert "for 6 frames" in unlike


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none/Else.txt", "1,2,3,4\n", "holds no result on any of the sequences"),
        ("R/Basketball.txt", "1,2,3\n", "3 numbers, expected 4"),
        ("R/Basketball.txt", "1,2,3,4\n", "none of the published results fits its sequence"),
        ("basketball_R.mat", "no MATLAB", "cannot be read as a MATLAB file"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    name: str, content: str, message: str, tmp_path: Path, sequences: list[Sequence]
) -> None:
    if name.endswith(".mat"):
        pytest.importorskip("scipy")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_rivals([tmp_path], sequences)


def test_twice_the_same_is_refused(tmp_path: Path, sequences: list[Sequence]) -> None:
    write_flat(tmp_path)
    write_zero_based(tmp_path)
    with pytest.raises(DatasetError, match="are both My_Rival's result on Basketball; remove one"):
        read_rivals([tmp_path], sequences)
    with pytest.raises(DatasetError, match="is not a folder"):
        read_rivals([tmp_path / "nowhere"], sequences)
