"""ALOV300++ on a made copy of its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.alov import ANNOTATIONS, IMAGES, interpolate, iterate, on_grid, read_annotations
from siam_tracker_core.datasets.exclusions import IN_OTB
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError


def line(frame: int, left: float = 10.0, top: float = 20.0) -> str:
    """A square of 8 pixels that stands on its corner, so its upright box is 16 pixels wide and high."""
    corners = ((left + 8, top), (left + 16, top + 8), (left + 8, top + 16), (left, top + 8))
    return f"{frame} " + " ".join(f"{value:.4f}" for corner in corners for value in corner)


def write_video(root: Path, name: str, annotated: list[int], images: int | None = None) -> Path:
    category = name.split("_")[0]
    folder = root / IMAGES / category / name
    folder.mkdir(parents=True)
    for number in range(1, (max(annotated) if images is None else images) + 1):
        (folder / f"{number:08d}.jpg").touch()
    truth = root / ANNOTATIONS / category / f"{name}.ann"
    truth.parent.mkdir(parents=True, exist_ok=True)
    truth.write_text("".join(line(frame, left=10.0 + frame) + "\n" for frame in annotated))
    return truth


@pytest.fixture
def alov_root(tmp_path: Path) -> Path:
    write_video(tmp_path, "01-Light_video00001", [1, 6, 11, 26, 31, 33])  # hidden at 16 and 21; 33 is the last frame
    write_video(tmp_path, "01-Light_video00007", [1, 6])  # in OTB
    write_video(tmp_path, "14-LongDuration_video00003", [3, 8, 13])
    return tmp_path


def test_only_the_regular_annotated_frames_are_taken(alov_root: Path) -> None:
    skipped = Skipped()
    light, long = iterate(alov_root, "annotated", skipped)
    assert (light.name, long.name) == ("01-Light_video00001", "14-LongDuration_video00003")
    assert [int(path.stem) for path in light.frames] == [1, 6, 11, 16, 21, 26, 31]
    assert light.frames[1] == alov_root / IMAGES / "01-Light" / "01-Light_video00001" / "00000006.jpg"
    assert light.rate == long.rate == 6.0
    assert light.visibility.tolist() == [1, 1, 1, 0, 0, 1, 1]
    assert light.boxes[1].tolist() == [15.0, 19.0, 16.0, 16.0]
    assert light.polygons is not None
    assert light.polygons[3] is None
    assert light.polygons[0] is not None
    assert light.polygons[0].tolist() == [[18, 19], [26, 27], [18, 35], [10, 27]]
    assert [int(path.stem) for path in long.frames] == [3, 8, 13]
    assert skipped.names == {
        IN_OTB: ["01-Light_video00007"],
        "annotation between the regular ones": ["01-Light_video00001, frame 33"],
    }


def test_frames_between_are_interpolated_on_demand(alov_root: Path) -> None:
    light, _ = iterate(alov_root, "interpolated", Skipped())
    assert [int(path.stem) for path in light.frames] == list(range(1, 34))
    assert light.rate == 30.0
    seen = [number for number, share in enumerate(light.visibility, start=1) if share]
    assert seen == [*range(1, 12), *range(26, 34)]
    # the target moves by one pixel a frame, so every interpolated box is known
    for number in seen:
        assert light.boxes[number - 1] == pytest.approx([9.0 + number, 19.0, 16.0, 16.0])


def slow_interpolation(numbers: list[int], values: list[float], step: int) -> list[float]:
    result = []
    for frame in range(numbers[0], numbers[-1] + 1):
        before = max(number for number in numbers if number <= frame)
        after = min(number for number in numbers if number >= frame)
        first, last = values[numbers.index(before)], values[numbers.index(after)]
        if frame in numbers:
            result.append(first)
        elif after - before > step:
            result.append(float("nan"))
        else:
            result.append(first + (last - first) * (frame - before) / (after - before))
    return result


def test_interpolation_agrees_with_a_slow_one() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        gaps = rng.choice([2, 5, 5, 5, 5, 11], size=12)
        gaps[:7] = 5  # the usual step must be the usual one
        numbers = np.cumsum([4, *gaps])
        corners = rng.uniform(0, 100, (len(numbers), 4, 2))
        frames, filled = interpolate(numbers, corners)
        assert frames.tolist() == list(range(numbers[0], numbers[-1] + 1))
        for corner in range(4):
            for axis in range(2):
                expected = slow_interpolation(numbers.tolist(), corners[:, corner, axis].tolist(), 5)
                np.testing.assert_allclose(filled[:, corner, axis], expected, rtol=1e-12)


def test_the_grid_is_that_of_most_annotations() -> None:
    numbers = np.array([1, 3, 8, 13, 18, 20, 28])
    grid, found, off = on_grid(numbers, np.arange(7.0)[:, None, None] * np.ones((1, 4, 2)))
    assert grid.tolist() == [3, 8, 13, 18, 23, 28]
    assert off.tolist() == [1, 20]
    np.testing.assert_array_equal(found[:, 0, 0], [1, 2, 3, 4, np.nan, 6])


def test_a_single_annotation_is_a_sequence_of_one_frame(tmp_path: Path) -> None:
    write_video(tmp_path, "02-SurfaceCover_video00001", [7])
    for split in ("annotated", "interpolated"):
        (video,) = iterate(tmp_path, split, Skipped())
        assert [path.name for path in video.frames] == ["00000007.jpg"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            line(1) + "\n" + "6 1 2 3 4 5 6 7\n",
            "line 2: '6 1 2 3 4 5 6 7' is not a frame's number and four corners x y",
        ),
        (line(1) + "\n" + line(6).replace("20.0000", "top") + "\n", "line 2"),
        (line(1) + "\n" + line(6).replace("20.0000", "nan") + "\n", "line 2"),
        (line(0) + "\n", "line 1"),
        (line(1).replace("1 ", "1.5 ", 1) + "\n", "line 1"),
        (line(6) + "\n" + line(1) + "\n" + line(6) + "\n", "annotates frame 6 twice"),
        ("\n", "is empty"),
    ],
)
def test_a_malformed_file_leaves_the_video_out(alov_root: Path, text: str, complaint: str) -> None:
    path = alov_root / ANNOTATIONS / "01-Light" / "01-Light_video00001.ann"
    path.write_text(text)
    with pytest.raises(DatasetError, match=complaint):
        read_annotations(path)
    skipped = Skipped()
    assert [video.name for video in iterate(alov_root, "annotated", skipped)] == ["14-LongDuration_video00003"]
    assert skipped.counts["malformed sequence"] == 1
    assert complaint in skipped.names["malformed sequence"][0]


def test_missing_images_leave_the_video_out(alov_root: Path) -> None:
    (alov_root / IMAGES / "01-Light" / "01-Light_video00001" / "00000016.jpg").unlink()
    skipped = Skipped()
    assert len(list(iterate(alov_root, "annotated", skipped))) == 1
    assert "1 of the 7 images are missing, first 00000016.jpg" in skipped.names["malformed sequence"][0]
    write_video(alov_root, "03-Specularity_video00001", [1, 6, 11], images=6)
    skipped = Skipped()
    assert len(list(iterate(alov_root, "interpolated", skipped))) == 1
    assert "5 of the 11 images are missing, first 00000007.jpg" in skipped.names["malformed sequence"][1]


def test_a_missing_set_or_split_is_an_error(alov_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="ALOV has no split 'train'; it has annotated and interpolated"):
        next(iterate(alov_root, "train", Skipped()))
    with pytest.raises(DatasetError, match=r"holds no annotation; expected 01-Light/01-Light_video00001.ann"):
        next(iterate(tmp_path / IMAGES, "annotated", Skipped()))
