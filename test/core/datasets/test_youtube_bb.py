"""YouTube-BoundingBoxes' reader, on lines as they are published and frames named as the download tools name them."""

from __future__ import annotations

import gzip
from pathlib import Path

import cv2
import numpy as np
import pytest

from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.youtube_bb import iterate
from siam_tracker_core.errors import DatasetError

# The first line is the first of the published training set.
LINES = """AAB6lO-XiKE,238000,0,person,0,present,0.482,0.54,0.37166667,0.6166667
AAB6lO-XiKE,240000,0,person,0,absent,-1.0,-1.0,-1.0,-1.0
_-video_id1,5000,7,dog,0,present,0.0,1.0,0.25,0.5
AAB6lO-XiKE,239000,0,person,0,present,0.25,0.5,0.25,0.75
AAB6lO-XiKE,9000,7,dog,1,present,0.5,1.0,0.5,1.0
"""
NAME = "yt_bb_detection_train"


def picture(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos, of 320x180 and 200x100 pixels, in youtube-bb-utility's layout."""
    (tmp_path / f"{NAME}.csv").write_text(LINES)
    frames = tmp_path / NAME
    for second in (238, 239, 240):
        picture(frames / "0" / f"AAB6lO-XiKE_{second}000_0_0.jpg", 320, 180)
    picture(frames / "7" / "AAB6lO-XiKE_9000_7_1.jpg", 320, 180)
    picture(frames / "7" / "_-video_id1_5000_7_0.jpg", 200, 100)
    return tmp_path


def test_mixed_lines_become_tracks_in_order_of_time(root: Path) -> None:
    skipped = Skipped()
    first, second, third = iterate(root, "train", skipped)
    assert [track.name for track in (first, second, third)] == ["AAB6lO-XiKE/0+0", "AAB6lO-XiKE/7+1", "_-video_id1/7+0"]
    assert [path.name for path in first.frames] == [f"AAB6lO-XiKE_{second}000_0_0.jpg" for second in (238, 239, 240)]
    assert first.rate == 1.0
    expected = [[0.482 * 320, 0.37166667 * 180, 0.058 * 320, 0.245 * 180], [80, 45, 80, 90], [np.nan] * 4]
    np.testing.assert_allclose(first.boxes, expected, atol=1e-4)
    np.testing.assert_array_equal(first.visibility, [1, 1, 0])
    np.testing.assert_allclose(second.boxes, [[160, 90, 160, 90]], atol=1e-4)
    np.testing.assert_allclose(third.boxes, [[0, 25, 200, 25]], atol=1e-4)
    assert skipped.total == 0
    assert first.image(0).shape == (180, 320, 3)


def test_the_annotations_may_be_compressed_or_named_as_they_are_today(root: Path) -> None:
    plain = root / f"{NAME}.csv"
    (root / "youtube_boundingboxes_detection_train.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert len(list(iterate(root, "train", Skipped()))) == 3


def test_the_other_tools_layout(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.csv").write_text(LINES)
    images = tmp_path / "youtubebbdevkit" / "youtubebb2017" / "JPEGImages"
    picture(images / "AAB6lO-XiKE+0+0+239000.jpg", 320, 180)
    (sequence,) = iterate(tmp_path, "train", Skipped())
    assert sequence.frames == (images / "AAB6lO-XiKE+0+0+239000.jpg",)
    np.testing.assert_allclose(sequence.boxes, [[80, 45, 80, 90]])


def test_what_was_not_downloaded_is_counted(root: Path) -> None:
    (root / NAME / "0" / "AAB6lO-XiKE_240000_0_0.jpg").unlink()  # absent: some tools never write it
    (root / NAME / "0" / "AAB6lO-XiKE_238000_0_0.jpg").unlink()
    (root / NAME / "7" / "_-video_id1_5000_7_0.jpg").unlink()
    skipped = Skipped()
    first, second = iterate(root, "train", skipped)
    assert (len(first), len(second)) == (1, 1)
    np.testing.assert_allclose(first.boxes, [[80, 45, 80, 90]])
    assert skipped.names == {
        "frame that was not downloaded": [str(root / NAME / "0" / "AAB6lO-XiKE_238000_0_0.jpg")],
        "track of which no frame with a box was downloaded": ["_-video_id1/7/0"],
    }


def test_one_image_a_video_is_opened(root: Path) -> None:
    """The second track of a video has the size of the first, though its own frame is no image."""
    (root / NAME / "7" / "AAB6lO-XiKE_9000_7_1.jpg").write_text("no image")
    (root / NAME / "7" / "_-video_id1_5000_7_0.jpg").write_text("no image either")
    skipped = Skipped()
    _, second = iterate(root, "train", skipped)
    np.testing.assert_allclose(second.boxes, [[160, 90, 160, 90]], atol=1e-4)
    assert skipped.names == {"track without a readable frame": ["_-video_id1/7/0"]}


def test_an_unreadable_first_frame_leaves_the_size_to_the_next(root: Path) -> None:
    (root / NAME / "0" / "AAB6lO-XiKE_238000_0_0.jpg").write_text("no image")
    first = next(iterate(root, "train", Skipped()))
    np.testing.assert_allclose(first.boxes[1], [80, 45, 80, 90])


@pytest.mark.parametrize(
    "line",
    [
        "AAB6lO-XiKE,241000,0,person,0,present,0.1,0.2,0.3",
        "AAB6lO-XiKE,241000,0,person,0,present,0.1,0.2,0.3,0.4,0.5",
        "AAB6lO-XiKE,later,0,person,0,present,0.1,0.2,0.3,0.4",
        "AAB6lO-XiKE,241000,0,person,,present,0.1,0.2,0.3,0.4",
        "AAB6lO-XiKE,241000,0,person,0,perhaps,0.1,0.2,0.3,0.4",
        "AAB6lO-XiKE,241000,0,person,0,present,0.2,0.1,0.3,0.4",
        "AAB6lO-XiKE,241000,0,person,0,present,0.1,0.2,nan,0.4",
        "AAB6lO-XiKE,241000,0,person,0,present,-1.0,-1.0,-1.0,-1.0",
        "AAB6lO-XiKE,241000,0,person,0,present,10,200,30,400",
        "AAB6lO-XiKE,-5,0,person,0,present,0.1,0.2,0.3,0.4",
        "AAB6lO-XiKE,99999999999999999999,0,person,0,present,0.1,0.2,0.3,0.4",
        ",241000,0,person,0,present,0.1,0.2,0.3,0.4",
        '"AAB6lO-XiKE,241000,0,person,0,present,0.1,0.2,0.3',
    ],
)
def test_malformed_lines_are_skipped_and_named(root: Path, line: str) -> None:
    lines = LINES.splitlines(keepends=True)
    path = root / f"{NAME}.csv"
    path.write_text("".join([*lines[:2], line + "\n", *lines[2:]]))
    skipped = Skipped()
    assert len(list(iterate(root, "train", skipped))) == 3
    assert skipped.names == {"malformed line": [f"{path}, line 3"]}


def test_boxes_over_the_edge_are_clipped_or_dropped(root: Path) -> None:
    with (root / f"{NAME}.csv").open("a") as file:
        file.write("_-video_id1,6000,7,dog,0,present,0.9,1.02,-0.01,0.5\n")
        file.write("_-video_id1,7000,7,dog,0,present,0.95,1.5,0.1,0.5\n")
    for second in (6, 7):
        picture(root / NAME / "7" / f"_-video_id1_{second}000_7_0.jpg", 200, 100)
    skipped = Skipped()
    *_, last = iterate(root, "train", skipped)
    np.testing.assert_allclose(last.boxes, [[0, 25, 200, 25], [180, 0, 20, 50], [np.nan] * 4], atol=1e-4)
    assert skipped.names == {"box outside its image": [str(last.frames[2])]}


def test_a_repeated_line_is_taken_once(root: Path) -> None:
    with (root / f"{NAME}.csv").open("a") as file:
        file.write("AAB6lO-XiKE,239000,0,person,0,present,0.1,0.2,0.3,0.4\n")
    skipped = Skipped()
    first = next(iterate(root, "train", skipped))
    np.testing.assert_allclose(first.boxes[1], [80, 45, 80, 90])
    assert len(first) == 3
    assert skipped.names == {"second line of one frame": ["AAB6lO-XiKE/0/0 at 239000 ms"]}


def test_a_truncated_download_is_an_error(root: Path) -> None:
    path = root / f"{NAME}.csv.gz"
    path.write_bytes(gzip.compress((LINES * 100).encode())[:-20])
    (root / f"{NAME}.csv").unlink()
    with pytest.raises(DatasetError, match="download it again"):
        next(iterate(root, "train", Skipped()))


def test_missing_parts_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"yt_bb_detection_validation\.csv does not exist"):
        next(iterate(tmp_path, "validation", Skipped()))
    (tmp_path / f"{NAME}.csv").write_text(LINES)
    with pytest.raises(DatasetError, match="holds no frames"):
        next(iterate(tmp_path, "train", Skipped()))


def test_an_empty_file_gives_nothing(root: Path) -> None:
    (root / f"{NAME}.csv").write_text("")
    assert list(iterate(root, "train", Skipped())) == []
