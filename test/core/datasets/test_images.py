"""Which files are frames, in which order, and which way up."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from siam_tracker_core.datasets import read_sequence, read_sequences
from siam_tracker_core.datasets.coco import read_stills
from siam_tracker_core.datasets.images import list_images, read_image
from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.vot import parse_region
from siam_tracker_core.errors import BoxError, DatasetError
from siam_tracker_core.geometry import Box, check_target_box

ORIENTATION = 0x0112


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((8, 8, 3), np.uint8))
    return folder


def test_frames_are_counted_not_spelt(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.jpg" for number in range(1, 13)))
    (tmp_path / "._1.jpg").write_bytes(b"\0")
    assert [path.stem for path in list_images(tmp_path)] == [str(number) for number in range(1, 13)]


@pytest.mark.parametrize(
    ("names", "taken", "said"),
    [
        (["1.jpg", "2.jpg", "1.png", "2.png"], ["1.jpg", "2.jpg"], "2 .png beside them are left out"),
        (["1.png", "2.png", "2.jpg"], ["1.png", "2.png"], "1 .jpg beside them are left out"),
        (["1.jpg", "2.jpg", "3.png"], ["1.jpg", "2.jpg", "3.png"], ""),
        (["1.jpg", "2.jpg", "7.jpg"], ["1.jpg", "2.jpg", "7.jpg"], "1 gap(s), first between 2.jpg and 7.jpg"),
        (["0.jpg", "5.jpg", "10.jpg"], ["0.jpg", "5.jpg", "10.jpg"], ""),
        (["l_1.jpg", "l_2.jpg", "r_1.jpg"], ["l_1.jpg", "l_2.jpg", "r_1.jpg"], "2 series of images"),
        (["cat.jpg", "dog.jpg"], ["cat.jpg", "dog.jpg"], ""),
    ],
)
def test_oddities_of_a_folder_are_said(
    tmp_path: Path, names: list[str], taken: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert [path.name for path in list_images(touch(tmp_path, *names))] == taken
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_orientation_is_as_pillow_shows_it(tmp_path: Path, orientation: int, ending: str) -> None:
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8), (32, 24))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"1.{ending}"
    Image.fromarray(pixels).save(path, exif=exif, **({"quality": 100} if ending == "jpg" else {}))
    with Image.open(path) as image:
        stored, shown = np.asarray(image), np.asarray(ImageOps.exif_transpose(image))
    for way, right in (("exif", shown), ("stored", stored)):
        got = read_image(path, way)
        assert got.shape == right.shape
        assert np.abs(got[..., ::-1].astype(int) - right).max() <= 8  # two JPEG decoders
    # an annotation of either size gets the picture of that size
    for right in (shown, stored):
        assert read_image(path, size=(right.shape[1], right.shape[0])).shape == right.shape


@pytest.mark.parametrize("stored", [False, True])
def test_boxes_of_coco_lie_on_the_picture_that_was_annotated(tmp_path: Path, stored: bool) -> None:
    upright = np.zeros((120, 200, 3), np.uint8)
    upright[40:70, 140:176] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    lying = np.rot90(upright)
    (tmp_path / "images").mkdir()
    Image.fromarray(np.ascontiguousarray(lying)).save(tmp_path / "images" / "1.jpg", exif=exif, quality=100)
    seen = lying if stored else upright
    rows, columns = np.nonzero(seen[..., 0])
    box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    image = {"id": 1, "file_name": "1.jpg", "width": seen.shape[1], "height": seen.shape[0]}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": 0}
    (tmp_path / "instances.json").write_text(json.dumps({"images": [image], "annotations": [annotation]}))
    still = read_stills(tmp_path)[0]
    x, y, width, height = (int(value) for value in still.boxes[0])
    got = read_image(still.path, still.orientation, still.size)
    assert got[y : y + height, x : x + width].min() > 200
    assert (got > 128).sum() == (seen > 128).sum()


def sequence(folder: Path, text: str) -> Path:
    touch(folder / "img", "1.jpg", "2.jpg")
    (folder / "groundtruth_rect.txt").write_text(text)
    return folder


@pytest.mark.parametrize("number", ["inf", "-inf", "1e300"])
def test_numbers_beyond_all_images_are_damage(tmp_path: Path, number: str) -> None:
    path = sequence(tmp_path / "s", f"1,1,4,4\n{number},1,4,4\n") / "groundtruth_rect.txt"
    with pytest.raises(DatasetError, match=r"groundtruth_rect.txt, line 2: .* lies in no image"):
        read_rectangles(path)
    with pytest.raises(ValueError, match="lies in no image"):
        parse_region(f"{number},1,4,4")
    with pytest.raises(BoxError):
        check_target_box(Box(10, 10, float(number), 20), 100, 80)


def test_a_malformed_sequence_does_not_end_the_others(tmp_path: Path) -> None:
    for name in ("10", "9"):
        sequence(tmp_path / name, "1,1,4,4\n1,1,4,4\n")
    sequence(tmp_path / "bad", "é,1,4,4\n1,1,4,4\n")
    (tmp_path / "._10").mkdir()
    skipped = Skipped()
    assert [each.name for each in read_sequences(tmp_path, skipped)] == ["9", "10"]
    assert "line 1" in skipped.lines()[0]
    with pytest.raises(DatasetError, match="line 1"):
        read_sequences(tmp_path)


def test_a_pointer_in_place_of_an_image(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "s", "1,1,4,4\n1,1,4,4\n")
    (folder / "img" / "2.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(DatasetError, match=r"2\.jpg is a Git LFS pointer"):
        read_sequence(folder).image(1)
