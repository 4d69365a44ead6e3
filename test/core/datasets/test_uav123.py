"""UAV123 and UAV20L on a made copy of their layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.benchmark_files import read_table
from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.uav123 import read_uav123
from siam_tracker_core.errors import DatasetError


@pytest.fixture
def uav_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy with the real numbers of frames, but of two videos only."""
    table = read_table("uav123")
    kept = ("bird1", "wakeboard10")
    short = {
        version: {name: part for name, part in parts.items() if part[0] in kept} for version, parts in table.items()
    }
    for version, parts in short.items():
        for name, (folder, first, last) in parts.items():
            images = tmp_path / "data_seq" / "UAV123" / folder
            images.mkdir(parents=True, exist_ok=True)
            for number in range(first, last + 1):
                (images / f"{number:06d}.jpg").touch()
            truths = tmp_path / "anno" / version
            (truths / "att").mkdir(parents=True, exist_ok=True)
            lines = [f"{number},2,30,40" for number in range(first, last + 1)]
            lines[1] = "NaN,NaN,NaN,NaN"
            (truths / f"{name}.txt").write_text("\n".join(lines) + "\n")
            (truths / "att" / f"{name}.txt").write_text("1,0,0,0,1,0,0,0,0,0,0,1\n")
    monkeypatch.setattr("siam_tracker_core.datasets.uav123.read_table", lambda _: short)
    return tmp_path


def test_the_table_holds_the_published_numbers() -> None:
    table = read_table("uav123")
    counts = {version: len(parts) for version, parts in table.items()}
    frames = {version: sum(last - first + 1 for _, first, last in parts.values()) for version, parts in table.items()}
    assert counts == {"UAV123": 123, "UAV20L": 20}
    assert frames == {"UAV123": 112_578, "UAV20L": 58_670}  # the paper's numbers of frames
    assert len({folder for folder, _, _ in table["UAV123"].values()}) == 91  # folders of images


def test_parts_of_a_video_are_their_own_sequences(uav_root: Path) -> None:
    sequences = {entry.name: entry for entry in read_benchmark("uav123", uav_root)}
    second = sequences["bird1_2"]
    assert [second.frames[0].as_posix(), second.frames[-1].name] == [
        (uav_root / "data_seq/UAV123/bird1/000775.jpg").as_posix(),
        "001477.jpg",
    ]
    assert second.boxes[0].tolist() == [774.0, 1.0, 30.0, 40.0]
    assert np.isnan(second.boxes[1]).all()
    assert second.visibility[:3].tolist() == [1.0, 0.0, 1.0]
    assert second.attributes == {"SV", "FOC", "SOB"}
    assert [len(sequences[f"bird1_{part}"]) for part in (1, 2, 3)] == [253, 703, 865]


def test_uav20l_takes_whole_videos_from_the_same_images(uav_root: Path) -> None:
    sequences = {entry.name: entry for entry in read_benchmark("uav20l", uav_root)}
    assert set(sequences) == {"bird1"}
    assert len(sequences["bird1"]) == 2437


def test_without_att_files_there_are_no_attributes(uav_root: Path) -> None:
    (uav_root / "anno" / "UAV123" / "att" / "bird1_1.txt").unlink()
    bird = next(entry for entry in read_uav123(uav_root) if entry.name == "bird1_1")
    assert bird.attributes == frozenset()


def test_all_missing_sequences_are_named_in_one_error(uav_root: Path) -> None:
    (uav_root / "anno" / "UAV123" / "bird1_2.txt").unlink()
    (uav_root / "data_seq" / "UAV123" / "wakeboard10").rename(uav_root / "elsewhere")
    with pytest.raises(DatasetError) as caught:
        read_uav123(uav_root)
    message = str(caught.value)
    assert "2 of the 4 sequences of UAV123 are missing" in message
    assert "bird1_2 (anno/UAV123/bird1_2.txt)" in message
    assert "wakeboard10 (data_seq/UAV123/wakeboard10)" in message


def test_missing_images_are_counted_and_the_first_is_named(uav_root: Path) -> None:
    for number in (800, 801):
        (uav_root / "data_seq" / "UAV123" / "bird1" / f"{number:06d}.jpg").unlink()
    with pytest.raises(DatasetError, match=r"2 of the 703 images of bird1_2 are missing, first 000800.jpg"):
        read_uav123(uav_root)


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("bird1_1.txt", "1,2,3,4\n" * 252, "bird1_1.txt holds 252 boxes; expected 253"),
        ("bird1_1.txt", "1,2,3,4\nnought\n", "bird1_1.txt, line 2: 'nought' is not four numbers"),
        ("att/bird1_1.txt", "1,0,1\n", "bird1_1.txt holds 3 labels; expected 12"),
        ("att/bird1_1.txt", ",".join("2" * 12), "holds labels from 2 to 2; expected 0..1"),
    ],
)
def test_a_malformed_file_is_one_clear_error(uav_root: Path, file: str, text: str, complaint: str) -> None:
    (uav_root / "anno" / "UAV123" / file).write_text(text)
    with pytest.raises(DatasetError, match=complaint):
        read_uav123(uav_root)


def test_another_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"data_seq.UAV123 is not a folder; expected bike1/000001.jpg"):
        read_uav123(tmp_path)
