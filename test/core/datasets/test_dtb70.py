"""DTB70 on a made copy of its layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from siam_tracker_core.datasets.benchmark_files import read_table
from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.dtb70 import ATTRIBUTES, read_dtb70
from siam_tracker_core.errors import DatasetError


@pytest.fixture
def dtb_root(tmp_path: Path) -> Path:
    for name in read_table("dtb70"):
        images = tmp_path / name / "img"
        images.mkdir(parents=True)
        for number in (1, 2, 3):
            (images / f"{number:05d}.jpg").touch()
        (tmp_path / name / "groundtruth_rect.txt").write_text("1004,517,65,68\n1005.4,515.04,63,66\n1,1,2,2\n")
    return tmp_path


def test_seventy_sequences_with_attributes(dtb_root: Path) -> None:
    sequences = {entry.name: entry for entry in read_benchmark("dtb70", dtb_root)}
    assert len(sequences) == 70
    animal = sequences["Animal1"]
    assert [path.name for path in animal.frames] == ["00001.jpg", "00002.jpg", "00003.jpg"]
    assert animal.boxes[1].tolist() == pytest.approx([1004.4, 514.04, 63, 66])
    assert animal.attributes == {"SV", "ARV", "SOA"}  # experiments/anno/att/Animal1.txt: 1,1,0,0,0,0,0,0,0,1,0
    assert sequences["Basketball"].attributes == {"OCC", "FCM", "SOA", "MB"}  # 0,0,1,0,1,0,0,0,0,1,1
    assert set().union(*(entry.attributes for entry in sequences.values())) == set(ATTRIBUTES)


def test_missing_sequences_are_named_in_one_error(dtb_root: Path) -> None:
    (dtb_root / "Zebra").rename(dtb_root / "zebra_crossing")
    (dtb_root / "BMX2" / "groundtruth_rect.txt").unlink()
    with pytest.raises(DatasetError, match=r"2 of the 70 sequences of DTB70 are missing: BMX2 \(.*\), Zebra \(Zebra/"):
        read_dtb70(dtb_root)


def test_a_wrong_count_is_an_error(dtb_root: Path) -> None:
    (dtb_root / "Car2" / "img" / "00003.jpg").unlink()
    with pytest.raises(DatasetError, match="Car2: 2 images but 3 lines"):
        read_dtb70(dtb_root)


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        read_dtb70(tmp_path / "nowhere")
