"""GOT-10k on a made copy of its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.got10k import iterate, read_got10k
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError

META = """[METAINFO]
url: https://youtu.be/b0ZnfLI8YPw
begin: 00:00:29
end: 00:00:39
anno_fps: {rate}Hz
object_class: anteater
motion_class: walking
major_class: anteater
root_class: animal
motion_adverb: slowly
resolution: (1920, 1080)"""
# Nine frames, one a level of cover.label; frame 1 is wholly covered, frame 9 absent though its box is given.
COVER = "0\n1\n2\n3\n4\n5\n6\n7\n8\n"
ABSENCE = "0\n" * 8 + "1\n"
TRUTH = "".join(f"{347 + row}.0000,443.0000,429.0000,272.0000\n" for row in range(9))


def write_video(folder: Path, rate: int = 10) -> None:
    folder.mkdir(parents=True)
    for number in range(1, 10):
        (folder / f"{number:08d}.jpg").touch()
    files = {
        "groundtruth.txt": TRUTH,
        "absence.label": ABSENCE,
        "cover.label": COVER,
        "cut_by_image.label": "1\n" + "0\n" * 8,
        "meta_info.ini": META.format(rate=rate),
    }
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def got_root(tmp_path: Path) -> Path:
    for split, title in (("train", "Train"), ("val", "Val")):
        names = [f"GOT-10k_{title}_{number:06d}" for number in (1, 2, 3)]
        for name in names:
            write_video(tmp_path / split / name, rate=10 if split == "train" else 5)
        (tmp_path / split / "list.txt").write_text("\n".join(names) + "\n")
    return tmp_path


def test_a_video_is_read_with_its_labels(got_root: Path) -> None:
    skipped = Skipped()
    videos = list(iterate(got_root, "train", skipped))
    assert [video.name for video in videos] == [f"GOT-10k_Train_00000{number}" for number in (1, 2, 3)]
    assert skipped.total == 0
    video = videos[0]
    assert video.frames[0] == got_root / "train" / "GOT-10k_Train_000001" / "00000001.jpg"
    assert video.rate == 10.0
    assert np.isnan(video.boxes).any(axis=1).tolist() == [True] + [False] * 7 + [True]
    assert video.boxes[1].tolist() == [347.0, 442.0, 429.0, 272.0]
    # the middle of each documented range; nothing is seen of an absent target
    assert video.visibility.tolist() == [0, 0.075, 0.225, 0.375, 0.525, 0.675, 0.825, 0.95, 0]
    assert video.tags["cut_by_image"].tolist() == [True] + [False] * 8


def test_val_is_a_benchmark_with_its_own_rate(got_root: Path) -> None:
    videos = read_benchmark("got10k", got_root)
    assert [video.name for video in videos] == [f"GOT-10k_Val_00000{number}" for number in (1, 2, 3)]
    assert videos[0].rate == 5.0


def test_the_reader_is_lazy(got_root: Path) -> None:
    videos = iterate(got_root, "train", Skipped())
    assert next(videos).name == "GOT-10k_Train_000001"
    (got_root / "train" / "GOT-10k_Train_000002" / "cover.label").unlink()
    assert next(videos).name == "GOT-10k_Train_000003"


def test_boxes_without_extent_are_missed_in_val_and_absent_in_train(got_root: Path) -> None:
    for split, title in (("train", "Train"), ("val", "Val")):
        path = got_root / split / f"GOT-10k_{title}_000001" / "groundtruth.txt"
        path.write_text(TRUTH.replace("348.0000,443.0000,429.0000,272.0000", "371.0000,0.0000,150.0000,0.0000"))
    trained, tested = next(iterate(got_root, "train", Skipped())), read_got10k(got_root)[0]
    assert np.isnan(trained.boxes[1]).all()
    assert tested.boxes[1].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert trained.visibility[1] == tested.visibility[1] == 0.0


def spoil(folder: Path, how: str) -> None:
    changes = {
        "image": lambda: (folder / "00000004.jpg").unlink(),
        "count": lambda: (folder / "groundtruth.txt").write_text(TRUTH + "1,2,3,4\n"),
        "line": lambda: (folder / "groundtruth.txt").write_text(TRUTH.replace("349.0000", "nil")),
        "labels": lambda: (folder / "absence.label").write_text("0\n" * 8),
        "level": lambda: (folder / "cover.label").write_text(COVER.replace("8", "9")),
        "word": lambda: (folder / "cover.label").write_text(COVER.replace("8", "all")),
        "file": lambda: (folder / "cover.label").unlink(),
    }
    changes[how]()


COMPLAINTS = {
    "image": "8 images but 9 lines",
    "count": "9 images but 10 lines",
    "line": "groundtruth.txt, line 3: 'nil,443.0000,429.0000,272.0000' is not four numbers",
    "labels": "absence.label holds 8 labels; expected 9",
    "level": "cover.label holds labels from 0 to 9; expected 0..8",
    "word": "cover.label: 'all' is not a label in 0..8",
    "file": "cover.label does not exist",
}


@pytest.mark.parametrize("how", COMPLAINTS)
def test_a_malformed_video_is_left_out_of_train_and_stops_val(got_root: Path, how: str) -> None:
    spoil(got_root / "train" / "GOT-10k_Train_000002", how)
    spoil(got_root / "val" / "GOT-10k_Val_000002", how)
    skipped = Skipped()
    assert [video.name[-1] for video in iterate(got_root, "train", skipped)] == ["1", "3"]
    assert skipped.counts == {"malformed sequence": 1}
    named = skipped.names["malformed sequence"][0]
    assert named.startswith("GOT-10k_Train_000002: ")
    assert COMPLAINTS[how] in named
    with pytest.raises(DatasetError) as caught:
        read_got10k(got_root)
    assert COMPLAINTS[how] in str(caught.value)


def test_missing_videos(got_root: Path) -> None:
    for split, title in (("train", "Train"), ("val", "Val")):
        for number in (1, 3):
            (got_root / split / f"GOT-10k_{title}_00000{number}").rename(got_root / f"{title}{number}")
    skipped = Skipped()
    assert [video.name[-1] for video in iterate(got_root, "train", skipped)] == ["2"]
    assert skipped.total == 2
    with pytest.raises(
        DatasetError, match=r"2 of the 3 sequences of GOT-10k's val are missing: GOT-10k_Val_000001 \(val/"
    ):
        read_got10k(got_root)


def test_the_test_split_has_no_truth(got_root: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'test' with truth; it has train and val"):
        next(iterate(got_root, "test", Skipped()))


def test_a_missing_or_empty_list_is_an_error(got_root: Path) -> None:
    (got_root / "train" / "list.txt").write_text("\n")
    with pytest.raises(DatasetError, match=r"list.txt is empty"):
        next(iterate(got_root, "train", Skipped()))
    (got_root / "val" / "list.txt").unlink()
    with pytest.raises(DatasetError, match=r"list.txt does not exist"):
        read_got10k(got_root)
