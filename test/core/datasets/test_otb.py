"""OTB on a made copy of its layout, with every oddity that the real one has."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.otb import ATTRIBUTES, RANGES, read_otb, targets
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.otb import score_sequence
from siam_tracker_core.evaluation.results import SequenceResult

# The numbers of the images in the real folders where they matter, as kumatheworld/tracking-sanity Datasets.md counts
# them; all others get a few.
REAL_IMAGES = {"David": range(1, 771), "Football1": range(1, 82), "Freeman3": range(1, 475), "Freeman4": range(1, 298)}
BEGINS = {"Diving": range(1, 232), "BlurCar1": range(247, 989), "BlurCar3": range(3, 360), "BlurCar4": range(18, 398)}
NUMBERS = {**REAL_IMAGES, **BEGINS}


def truth_line(name: str, row: int) -> str:
    """Boxes that differ from line to line; separators differ from file to file, and in BlurCar1 inside the file."""
    values = (f"{10 + row}", f"{20 + row}", "30", "40")
    if name == "BlurCar1":
        return (" " if row == 495 else "\t").join(values)
    return {0: ",", 1: "\t", 2: " "}[len(name) % 3].join(values)


def write_target(folder: Path, file: str, name: str, count: int) -> None:
    (folder / file).write_text("".join(truth_line(name, row) + "\r\n" for row in range(count)))


@pytest.fixture(scope="module")
def otb_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("otb")
    for target in targets():
        name, _, number = target.partition(".")
        numbers = NUMBERS.get(name, range(1, 6))
        images = root / name / "img"
        images.mkdir(parents=True, exist_ok=True)
        digits = 5 if name == "Board" else 4
        for image in numbers:
            (images / f"{image:0{digits}d}.jpg").touch()
        first, last = RANGES.get(name, (numbers[0], numbers[-1]))
        truth = f"groundtruth_rect.{number}.txt" if number else "groundtruth_rect.txt"
        write_target(root / name, truth, name, last - first + 1)
    (root / "Human4" / "groundtruth_rect.1.txt").touch()  # empty in the real one
    (root / "Board" / "groundtruth_rect.txt").write_text("11,21,30,40\n" * 4 + "0,0,0,0\n")
    (root / "Box" / "box.zip").touch()
    (root / "anno").mkdir()
    return root


@pytest.fixture(scope="module")
def sequences(otb_root: Path) -> dict[str, Sequence]:
    return {sequence.name: sequence for sequence in read_otb(otb_root)}


def test_versions_have_the_published_numbers_of_targets() -> None:
    assert [len(targets(version)) for version in ("otb2013", "otb50", "otb2015")] == [51, 50, 100]
    everything = set(targets())
    assert len(everything) == 100
    assert set(targets("otb2013")) < everything
    assert set(targets("otb50")) < everything
    # got10k: 50 folders for 51 targets, 49 for 50, 98 for 100
    folders = [len({name.partition(".")[0] for name in targets(v)}) for v in ("otb2013", "otb50", "otb2015")]
    assert folders == [50, 49, 98]
    assert {name for name in everything if "." in name} == {
        *("Jogging.1", "Jogging.2", "Skating2.1", "Skating2.2", "Human4.2")
    }


def test_all_targets_are_read(otb_root: Path, sequences: dict[str, Sequence]) -> None:
    assert list(sequences) == list(targets())
    assert [sequence.name for sequence in read_benchmark("otb2013", otb_root)] == list(targets("otb2013"))
    assert [sequence.name for sequence in read_benchmark("otb50", otb_root)] == list(targets("otb50"))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("David", 300, 770),
        ("Football1", 1, 74),
        ("Freeman3", 1, 460),
        ("Freeman4", 1, 283),
        ("Diving", 1, 215),
        ("BlurCar1", 247, 988),
        ("BlurCar3", 3, 359),
        ("BlurCar4", 18, 397),
        ("Tiger1", 1, 5),
        ("Board", 1, 5),
    ],
)
def test_frames_begin_and_end_where_the_annotation_does(
    sequences: dict[str, Sequence], name: str, first: int, last: int
) -> None:
    assert [int(path.stem) for path in sequences[name].frames] == list(range(first, last + 1))


def test_boxes_are_zero_based_whatever_separates_the_numbers(sequences: dict[str, Sequence]) -> None:
    for sequence in sequences.values():
        if sequence.name != "Board":
            rows = np.arange(len(sequence))
            expected = np.stack([9.0 + rows, 19.0 + rows, np.full(len(rows), 30.0), np.full(len(rows), 40.0)], axis=1)
            np.testing.assert_array_equal(sequence.boxes, expected, err_msg=sequence.name)


def test_targets_of_one_folder_have_their_own_truth(otb_root: Path) -> None:
    (otb_root / "Jogging" / "groundtruth_rect.2.txt").write_text("101,102,3,4\n" * 5)
    first, second = (entry for entry in read_otb(otb_root, "otb2013") if entry.name.startswith("Jogging"))
    assert first.frames == second.frames
    assert (first.boxes[0, 0], second.boxes[0, 0]) == (9.0, 100.0)
    write_target(otb_root / "Jogging", "groundtruth_rect.2.txt", "Jogging", 5)


def test_a_folder_a_target_is_read_too(otb_root: Path, tmp_path: Path) -> None:
    for path in otb_root.iterdir():
        if path.name != "Jogging":
            (tmp_path / path.name.upper()).symlink_to(path)
    for number in "12":
        images = tmp_path / f"Jogging-{number}" / "img"
        images.mkdir(parents=True)
        (images / "0001.jpg").touch()
        (images.parent / "groundtruth_rect.txt").write_text(f"{number},1,3,4\n")
    separate = {entry.name: entry for entry in read_otb(tmp_path, "otb2013")}
    assert [separate[f"Jogging.{number}"].boxes[0, 0] for number in (1, 2)] == [0.0, 1.0]


def test_a_frame_without_extent_counts_as_missed(sequences: dict[str, Sequence]) -> None:
    board = sequences["Board"]
    np.testing.assert_array_equal(board.visibility, [1, 1, 1, 1, 0])
    guess = np.where((board.boxes[:, 2:] > 0).all(axis=1)[:, None], board.boxes, [300.0, 300.0, 30.0, 40.0])
    scores = score_sequence(SequenceResult("Board", board.boxes, guess))
    assert scores.success[10] == pytest.approx(4 / 5)  # got10k: IoU 0 there, among five frames
    assert scores.precision_20 == pytest.approx(4 / 5)


def test_attributes_are_the_published_ones(sequences: dict[str, Sequence]) -> None:
    assert sequences["Basketball"].attributes == {"IV", "OCC", "DEF", "OPR", "BC"}
    assert sequences["Football1"].attributes == {"IPR", "OPR", "BC"}
    assert sequences["Jogging.2"].attributes == {"OCC", "DEF", "OPR"}
    counts = Counter(attribute for entry in sequences.values() for attribute in entry.attributes)
    assert set(counts) == set(ATTRIBUTES)
    # How often each attribute stands in jwlim/tracker_benchmark data/tb_100.txt.
    published = {"IV": 38, "SV": 65, "OCC": 49, "DEF": 44, "MB": 31, "FM": 43, "IPR": 51, "OPR": 64, "OV": 14}
    assert counts == {**published, "BC": 32, "LR": 10}


def test_all_missing_targets_are_named_in_one_error(otb_root: Path, tmp_path: Path) -> None:
    for path in otb_root.iterdir():
        if path.name not in ("Basketball", "Skating2", "Human4"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "Human4").mkdir()
    (tmp_path / "Human4" / "groundtruth_rect.1.txt").touch()
    with pytest.raises(DatasetError) as caught:
        read_otb(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: 4 of the 100 sequences of otb2015 are missing: ")
    for place in (
        "Basketball (Basketball/groundtruth_rect.txt)",
        "Human4.2 (Human4/groundtruth_rect.2.txt)",
        "Skating2.1 (Skating2/groundtruth_rect.1.txt)",
        "Skating2.2 (Skating2/groundtruth_rect.2.txt)",
    ):
        assert place in message


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("David/groundtruth_rect.txt", "1,2,3,4\n" * 470, "471 images from number 300 to 770 but 470 lines"),
        ("Coke/groundtruth_rect.txt", "1,2,3,4\n" * 6, "5 images but 6 lines in groundtruth_rect.txt"),
        ("Coke/groundtruth_rect.txt", "1,2,3,4\n1,2,x,4\n", r"groundtruth_rect.txt, line 2: '1,2,x,4' is not four"),
        ("Coke/groundtruth_rect.txt", "1,2,3\n" * 5, "line 1: 3 numbers, expected 4"),
    ],
)
def test_a_malformed_target_is_one_clear_error(otb_root: Path, file: str, text: str, complaint: str) -> None:
    path = otb_root / file
    before = path.read_bytes()
    path.write_text(text)
    try:
        with pytest.raises(DatasetError, match=complaint):
            read_otb(otb_root)
    finally:
        path.write_bytes(before)


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    for call in (read_otb, lambda root: read_benchmark("otb2015", root)):
        with pytest.raises(DatasetError, match=re.escape(f"{tmp_path / 'nowhere'} is not a folder")):
            call(tmp_path / "nowhere")


def test_an_unknown_benchmark_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no benchmark 'otb'; known are davis, .*otb2013, otb2015.*vot"):
        read_benchmark("otb", tmp_path)
