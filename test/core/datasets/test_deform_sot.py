"""Deform-SOT on a made copy of the layout that its public reader expects."""

from __future__ import annotations

from pathlib import Path

import pytest

from siam_tracker_core.datasets.deform_sot import iterate
from siam_tracker_core.datasets.exclusions import IN_OTB, SAME_NAME
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError


def write_video(root: Path, name: str, images: int = 3, text: str = "11,21,30,40\n12,22,30,40\n13,23,30,40\n") -> None:
    (root / name).mkdir()
    for number in range(1, images + 1):
        (root / name / f"{number:04d}.jpg").touch()
    truths = root / "Annotations" / "gt"
    truths.mkdir(parents=True, exist_ok=True)
    (truths / f"{name}.txt").write_text(text)


def test_videos_are_read_and_those_of_otb_left_out(tmp_path: Path) -> None:
    for name in ("avatar", "Bolt", "carscale", "diving2", "lemming", "yunakim"):
        write_video(tmp_path, name)
    skipped = Skipped()
    avatar, yunakim = iterate(tmp_path, "", skipped)
    assert (avatar.name, yunakim.name) == ("avatar", "yunakim")
    assert avatar.frames[2] == tmp_path / "avatar" / "0003.jpg"
    assert avatar.boxes[1].tolist() == [11.0, 21.0, 30.0, 40.0]
    assert skipped.names == {IN_OTB: ["Bolt", "carscale", "lemming"], SAME_NAME: ["diving2"]}


@pytest.mark.parametrize(
    ("images", "text", "complaint"),
    [
        (2, "1,2,3,4\n" * 3, "2 images but 3 lines"),
        (3, "1,2,3,4\n" * 2, "3 images but 2 lines"),
        (3, "1,2,3,4\n1,2,3\n1,2,3,4\n", "line 2: 3 numbers, expected 4"),
        (0, "1,2,3,4\n", "holds no image"),
    ],
)
def test_malformed_videos_are_left_out(tmp_path: Path, images: int, text: str, complaint: str) -> None:
    write_video(tmp_path, "avatar", images, text)
    write_video(tmp_path, "kwan")
    skipped = Skipped()
    assert [video.name for video in iterate(tmp_path, "", skipped)] == ["kwan"]
    (named,) = skipped.names["malformed sequence"]
    assert named.startswith("avatar: ")
    assert complaint in named


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no truth; Deform-SOT has bolt.txt"):
        next(iterate(tmp_path, "", Skipped()))
