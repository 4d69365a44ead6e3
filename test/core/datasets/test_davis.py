"""DAVIS on a made copy of its layout: PNG masks with a palette, and the older package with masks of 0 and 255."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.davis import _object_boxes, iterate, read_davis
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError

# DAVIS's palette begins with black, dark red, dark green; 255 is the undecided border.
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [0] * 753 + [224, 224, 192]
EMPTY = np.zeros((48, 86), dtype=np.uint8)


def save_mask(path: Path, mask: NDArray[np.uint8], palette: bool = True) -> None:
    image = Image.fromarray(mask)
    if palette:
        image.putpalette(PALETTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_video(root: Path, name: str, masks: list[NDArray[np.uint8]], palette: bool = True) -> None:
    for number, mask in enumerate(masks):
        save_mask(root / "Annotations" / "480p" / name / f"{number:05d}.png", mask, palette)
        image = root / "JPEGImages" / "480p" / name / f"{number:05d}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()


def painted(*parts: tuple[int, slice, slice]) -> NDArray[np.uint8]:
    mask = EMPTY.copy()
    for label, rows, columns in parts:
        mask[rows, columns] = label
    return mask


def write_list(root: Path, folder: str, part: str, lines: list[str]) -> None:
    (root / "ImageSets" / folder).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / folder / f"{part}.txt").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def davis_root(tmp_path: Path) -> Path:
    """Two videos: one object, and two of which the second comes later and is torn in two; with undecided pixels."""
    bear = [painted((1, slice(10, 20), slice(5 + shift, 25 + shift))) for shift in range(3)]
    goats = [
        painted((1, slice(0, 1), slice(0, 1))),
        painted((1, slice(0, 48), slice(0, 86)), (2, slice(3, 4), slice(7, 9)), (2, slice(40, 44), slice(60, 61))),
        painted((2, slice(1, 3), slice(1, 4)), (255, slice(20, 30), slice(20, 30))),
    ]
    write_video(tmp_path, "bear", bear)
    write_video(tmp_path, "goats", goats)
    write_list(tmp_path, "2017", "train", ["bear", "goats"])
    write_list(tmp_path, "2017", "val", ["goats"])
    write_list(tmp_path, "2016", "train", ["bear"])
    write_list(tmp_path, "2016", "val", ["goats"])
    return tmp_path


def test_each_object_is_a_sequence(davis_root: Path) -> None:
    skipped = Skipped()
    bear, first, second = iterate(davis_root, "2017-train", skipped)
    assert skipped.total == 0
    assert [bear.name, first.name, second.name] == ["bear.1", "goats.1", "goats.2"]
    assert bear.boxes.tolist() == [[5 + shift, 10, 20, 10] for shift in range(3)]
    assert bear.rate == 24.0
    assert bear.frames[0] == davis_root / "JPEGImages" / "480p" / "bear" / "00000.jpg"
    # alone in a corner, then all over the picture, then gone
    assert first.boxes[:2].tolist() == [[0, 0, 1, 1], [0, 0, 86, 48]]
    assert np.isnan(first.boxes[2]).all()
    assert first.visibility.tolist() == [1, 1, 0]
    # begins where it is first seen; its box bounds both pieces
    assert [path.name for path in second.frames] == ["00001.jpg", "00002.jpg"]
    assert second.boxes.tolist() == [[7, 3, 54, 41], [1, 1, 3, 2]]


def test_in_2016_all_that_is_not_background_is_one_object(davis_root: Path) -> None:
    (goats,) = read_benchmark("davis2016", davis_root)
    assert goats.name == "goats"
    assert goats.boxes.tolist() == [[0, 0, 1, 1], [0, 0, 86, 48], [1, 1, 29, 29]]


def test_the_package_of_2016_is_read(tmp_path: Path) -> None:
    masks = [painted((255, slice(4, 9), slice(2, 12))), EMPTY]
    write_video(tmp_path, "bear", masks, palette=False)
    lines = [f"/JPEGImages/480p/bear/{n:05d}.jpg /Annotations/480p/bear/{n:05d}.png" for n in range(2)]
    write_list(tmp_path, "480p", "val", lines)
    (bear,) = read_davis(tmp_path, "2016-val")
    assert (bear.name, len(bear)) == ("bear", 2)
    assert bear.boxes[0].tolist() == [2, 4, 10, 5]
    assert np.isnan(bear.boxes[1]).all()


def test_the_benchmark_is_the_val_of_2017(davis_root: Path) -> None:
    assert [sequence.name for sequence in read_benchmark("davis", davis_root)] == ["goats.1", "goats.2"]


@settings(max_examples=30, deadline=None)
@given(mask=arrays(np.uint8, (6, 9), elements=st.sampled_from([0, 0, 0, 1, 2, 7, 255])))
def test_boxes_bound_exactly_the_objects_pixels(
    mask: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mask") / "00000.png"
    save_mask(path, mask)
    boxes = _object_boxes((path,), whole=False)
    slow: dict[int, list[int]] = {}
    for label in (1, 2, 7):
        pixels = [(x, y) for y in range(6) for x in range(9) if mask[y, x] == label]
        if pixels:
            xs, ys = [x for x, _ in pixels], [y for _, y in pixels]
            slow[label] = [min(xs), min(ys), max(xs) + 1 - min(xs), max(ys) + 1 - min(ys)]
    assert {label: rows[0].tolist() for label, rows in boxes.items()} == slow


def colour_mask(root: Path) -> None:
    cv2.imwrite(str(root / "Annotations/480p/bear/00001.png"), np.zeros((48, 86, 3), np.uint8))


def truncate_mask(root: Path) -> None:
    path = root / "Annotations/480p/bear/00001.png"
    path.write_bytes(path.read_bytes()[:60])


def empty_masks(root: Path) -> None:
    for path in (root / "Annotations/480p/bear").iterdir():
        save_mask(path, EMPTY)


MALFORMED: dict[str, tuple[Callable[[Path], object], str]] = {
    "image": (lambda root: (root / "JPEGImages/480p/bear/00002.jpg").unlink(), "2 images in .* but 3 masks"),
    "mask": (lambda root: (root / "Annotations/480p/bear/00000.png").unlink(), "3 images in .* but 2 masks"),
    "number": (
        lambda root: (root / "Annotations/480p/bear/00000.png").rename(root / "Annotations/480p/bear/00009.png"),
        "each image needs a mask of its name",
    ),
    "colour": (colour_mask, "has 3 channels; expected a mask with a palette"),
    "truncated": (truncate_mask, "00001.png is not a readable image"),
    "nothing": (empty_masks, "no mask shows an object"),
    "folder": (lambda root: (root / "JPEGImages/480p/bear").rename(root / "away"), "is not a folder"),
}


@pytest.mark.parametrize("how", MALFORMED)
def test_a_malformed_video_is_left_out_of_training_and_stops_an_evaluation(davis_root: Path, how: str) -> None:
    spoil, complaint = MALFORMED[how]
    spoil(davis_root)
    skipped = Skipped()
    assert [sequence.name for sequence in iterate(davis_root, "2017-train", skipped)] == ["goats.1", "goats.2"]
    assert skipped.counts == {"malformed sequence": 1}
    assert skipped.names["malformed sequence"][0].startswith("bear: ")
    with pytest.raises(DatasetError, match=complaint):
        read_davis(davis_root, "2017-train")


def test_lists_and_splits(davis_root: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'train'; it has 2017-train, 2017-val"):
        next(iterate(davis_root, "train", Skipped()))
    write_list(davis_root, "2017", "val", [])
    with pytest.raises(DatasetError, match=r"val.txt is empty"):
        read_davis(davis_root)
    (davis_root / "ImageSets" / "2016" / "val.txt").unlink()
    with pytest.raises(DatasetError, match=r"2016.val.txt does not exist"):
        read_davis(davis_root, "2016-val")
