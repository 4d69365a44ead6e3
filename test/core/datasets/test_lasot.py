"""LaSOT on a made copy of its layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.benchmark_files import read_table
from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.exclusions import IN_LASOT_TEST
from siam_tracker_core.datasets.lasot import ATTRIBUTES, iterate, read_lasot_test
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError

TRUTH = "367,101,41,16\n366,103,45,14\n0,0,0,0\n364,108,46,15\n1,1,0,0\n"  # the third absent, the fifth invalid


def write_video(folder: Path) -> None:
    (folder / "img").mkdir(parents=True)
    for number in range(1, 6):
        (folder / "img" / f"{number:08d}.jpg").touch()
    (folder / "groundtruth.txt").write_text(TRUTH)
    (folder / "full_occlusion.txt").write_text("0,0,1,0,0")
    (folder / "out_of_view.txt").write_text("0,0,0,1,0\n")
    (folder / "nlp.txt").write_text("white airplane landing on the ground")


@pytest.fixture(scope="module")
def whole_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 280 test videos, in turn with and without the class's folder, and a few to train on."""
    root = tmp_path_factory.mktemp("lasot")
    for count, name in enumerate(read_table("lasot")):
        write_video(root / name.split("-")[0] / name if count % 2 else root / name)
    return root


@pytest.fixture
def train_root(tmp_path: Path) -> Path:
    for name in ("airplane-1", "airplane-2", "airplane-10", "zebra-1", "rubicCube-3"):  # airplane-1 is a test video
        write_video(tmp_path / name.split("-")[0] / name)
    return tmp_path


def test_the_test_set_is_the_published_one() -> None:
    names = list(read_table("lasot"))
    classes = Counter(name.split("-")[0] for name in names)
    assert len(names) == 280
    assert len(classes) == 70
    assert set(classes.values()) == {4}  # the paper: 4 of each class's 20
    assert names[:4] == ["airplane-1", "airplane-9", "airplane-13", "airplane-15"]


def test_the_test_set_is_read_from_both_layouts(whole_root: Path) -> None:
    videos = {video.name: video for video in read_benchmark("lasot", whole_root)}
    assert list(videos) == list(read_table("lasot"))
    airplane = videos["airplane-1"]
    assert airplane.attributes == {"POC", "ROT", "SV", "LR"}  # the toolkit: 0,1,0,0,0,1,0,0,1,0,0,0,1,0
    assert set().union(*(video.attributes for video in videos.values())) == set(ATTRIBUTES)


def test_absent_frames_do_not_count_and_invalid_boxes_are_missed(whole_root: Path) -> None:
    video = read_lasot_test(whole_root)[0]
    assert video.boxes[0].tolist() == [366.0, 100.0, 41.0, 16.0]
    assert np.isnan(video.boxes).any(axis=1).tolist() == [False, False, True, True, False]
    assert video.boxes[4].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert video.visibility.tolist() == [1, 1, 0, 0, 0]
    assert video.tags["full_occlusion"].tolist() == [False, False, True, False, False]
    assert video.tags["out_of_view"].tolist() == [False, False, False, True, False]


def test_training_leaves_test_videos_out(train_root: Path) -> None:
    skipped = Skipped()
    videos = list(iterate(train_root, "train", skipped))
    assert [video.name for video in videos] == ["airplane-2", "airplane-10", "rubicCube-3", "zebra-1"]
    assert skipped.names == {IN_LASOT_TEST: ["airplane-1"]}
    assert np.isnan(videos[0].boxes).any(axis=1).tolist() == [False, False, True, True, True]


def test_monkey_17_ends_early(whole_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siam_tracker_core.datasets.lasot._LENGTHS", {"monkey-17": 4})
    monkey = next(video for video in read_lasot_test(whole_root) if video.name == "monkey-17")
    assert len(monkey) == len(monkey.boxes) == len(monkey.tags["out_of_view"]) == 4


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("img/00000003.jpg", None, "4 images but 5 lines in groundtruth.txt"),
        ("groundtruth.txt", TRUTH * 2, "full_occlusion.txt holds 5 labels; expected 10"),
        ("groundtruth.txt", TRUTH.replace("45", ""), "line 2: '366,103,,14'|line 2: 3 numbers"),
        ("out_of_view.txt", "0,0,0,1", "out_of_view.txt holds 4 labels; expected 5"),
        ("full_occlusion.txt", "0,0,yes,0,0", "full_occlusion.txt: 'yes' is not a label"),
        ("full_occlusion.txt", None, "full_occlusion.txt does not exist"),
    ],
)
def test_a_malformed_video(train_root: Path, whole_root: Path, file: str, text: str | None, complaint: str) -> None:
    trained, tested = train_root / "airplane" / "airplane-2" / file, whole_root / "airplane-1" / file
    before = tested.read_bytes()
    for path in (trained, tested):
        path.unlink() if text is None else path.write_text(text)
    skipped = Skipped()
    try:
        names = [video.name for video in iterate(train_root, "train", skipped)]
        assert names == ["airplane-10", "rubicCube-3", "zebra-1"]
        assert skipped.counts["malformed sequence"] == 1
        assert skipped.names["malformed sequence"][0].startswith("airplane-2: ")
        with pytest.raises(DatasetError, match=complaint):
            read_lasot_test(whole_root)
    finally:
        tested.write_bytes(before)


def test_missing_test_videos_are_all_named(train_root: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_lasot_test(train_root)
    message = str(caught.value)
    assert "279 of the 280 sequences of LaSOT's test set are missing: airplane-9 (airplane/airplane-9), " in message
    assert message.count("(") == 279


def test_there_is_no_other_split_to_train_on(train_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'test' to train on"):
        next(iterate(train_root, "test", Skipped()))
    with pytest.raises(DatasetError, match="holds no video of LaSOT"):
        next(iterate(tmp_path / "zebra" / "zebra-1", "train", Skipped()))
