"""COCO's reader, in both layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from siam_tracker_core.datasets.coco import iterate, iterate_folder, read_stills
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError


def annotation(number: int, image: int, box: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": 18, "bbox": box, "area": 1.0, "iscrowd": 0, **more}


def content(annotations: list[Any]) -> dict[str, Any]:
    """As instances_val2017.json, with two images of 640x480 that are not in order."""
    images = [
        {
            "license": 4,
            "file_name": f"{number:012d}.jpg",
            "coco_url": f"http://images.cocodataset.org/val2017/{number:012d}.jpg",
            "height": 480,
            "width": 640,
            "date_captured": "2013-11-14 17:02:52",
            "flickr_url": "",
            "id": number,
        }
        for number in (397133, 139)
    ]
    categories = [{"supercategory": "animal", "id": 18, "name": "dog"}]
    return {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}


def write(root: Path, annotations: list[Any], split: str = "val2017", images: str = "") -> Path:
    (root / "annotations").mkdir(parents=True)
    (root / (images or split)).mkdir(parents=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content(annotations)))
    return root


SQUARE = [10.0, 20.0, 30.0, 20.0, 30.0, 40.0, 10.0, 40.0]
TRIANGLE = [50.0, 50.0, 60.0, 50.0, 55.0, 60.0]


def test_boxes_and_polygons_of_the_official_layout(tmp_path: Path) -> None:
    annotations = [
        annotation(1, 397133, [10.5, 20.25, 30.0, 40.5], segmentation=[SQUARE, TRIANGLE]),
        annotation(2, 139, [0, 0, 5, 6]),
        annotation(3, 397133, [1, 2, 3, 4], segmentation={"size": [480, 640], "counts": "abc"}),
        annotation(4, 139, [0, 0, 640, 480], iscrowd=1, segmentation={"size": [480, 640], "counts": [5, 2]}),
    ]
    skipped = Skipped()
    first, second = iterate(write(tmp_path, annotations), "val2017", skipped)
    assert first.path == tmp_path / "val2017" / "000000000139.jpg"
    np.testing.assert_array_equal(first.boxes, [[0, 0, 5, 6]])
    assert first.masks is None
    assert second.path == tmp_path / "val2017" / "000000397133.jpg"
    np.testing.assert_array_equal(second.boxes, [[10.5, 20.25, 30, 40.5], [1, 2, 3, 4]])
    assert second.masks is not None
    square, triangle = second.masks[0] or ()
    np.testing.assert_array_equal(square, [[10, 20], [30, 20], [30, 40], [10, 40]])
    np.testing.assert_array_equal(triangle, [[50, 50], [60, 50], [55, 60]])
    assert second.masks[1] is None
    assert skipped.total == 0


def test_images_may_lie_in_a_folder_images(tmp_path: Path) -> None:
    root = write(tmp_path, [annotation(1, 139, [0, 0, 5, 6])], images="images/val2017")
    skipped = Skipped()
    (still,) = iterate(root, "val2017", skipped)
    assert still.path == tmp_path / "images" / "val2017" / "000000000139.jpg"
    assert skipped.names == {"photograph without a box": [str(still.path.with_name("000000397133.jpg"))]}


def test_one_folder_by_itself(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(json.dumps(content([annotation(1, 139, [0, 0, 5, 6])])))
    for (still,) in (read_stills(tmp_path), list(iterate_folder(tmp_path, "", Skipped()))):
        assert still.path == tmp_path / "images" / "000000000139.jpg"
        np.testing.assert_array_equal(still.boxes, [[0, 0, 5, 6]])


def test_bad_annotations_are_skipped_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    without_image = annotation(9, 139, [0, 0, 5, 6])
    del without_image["image_id"]
    annotations = [
        annotation(1, 139, [600, 400, 60, 40], segmentation=[TRIANGLE]),  # over the edge: clipped
        annotation(2, 139, [630, 400, 60, 40], segmentation=[SQUARE]),  # five sixths outside: dropped
        annotation(3, 139, [5, 5, 0, 7]),
        annotation(4, 139, [5, 5, 7]),
        annotation(5, 139, None),
        annotation(6, 139, [float("nan"), 5, 7, 7]),
        annotation(7, 777, [0, 0, 5, 6]),
        annotation(8, 397133, [-50, -50, 40, 40]),
        without_image,
    ]
    skipped = Skipped()
    (still,) = iterate(write(tmp_path, annotations), "val2017", skipped)
    np.testing.assert_array_equal(still.boxes, [[600, 400, 40, 40]])
    assert still.masks is not None
    np.testing.assert_array_equal(still.masks[0][0], [[50, 50], [60, 50], [55, 60]])  # type: ignore[index]
    assert skipped.counts == {
        "annotation without an image or a valid box": 5,
        "box outside its image": 2,
        "annotations of an unknown image": 1,
        "photograph without a box": 1,
    }
    assert skipped.names["annotations of an unknown image"][0].endswith("instances_val2017.json, image 777")
    (tmp_path / "instances.json").write_text(json.dumps(content(annotations)))
    read_stills(tmp_path)
    assert "2 left out: box outside its image" in caplog.text


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"images": []}', '{"images": [], "annotations": [3]}', '{"images": ['])
def test_a_file_of_another_form_is_an_error(tmp_path: Path, text: str) -> None:
    root = write(tmp_path, [])
    (root / "annotations" / "instances_val2017.json").write_text(text)
    with pytest.raises(DatasetError, match="not a COCO instances file"):
        next(iterate(root, "val2017", Skipped()))


def test_missing_and_empty_data_sets_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="val2017 is not a folder"):
        next(iterate(tmp_path, "val2017", Skipped()))
    (tmp_path / "val2017").mkdir()
    with pytest.raises(DatasetError, match=r"instances_val2017\.json does not exist"):
        next(iterate(tmp_path, "val2017", Skipped()))
    root = write(tmp_path / "empty", [annotation(1, 139, [0, 0, 640, 480], iscrowd=1)])
    with pytest.raises(DatasetError, match="holds no box"):
        next(iterate(root, "val2017", Skipped()))
    with pytest.raises(DatasetError, match=r"instances\.json does not exist"):
        read_stills(tmp_path)


def test_real_photographs(shared_data: Path) -> None:
    """The counts are those that shared/data/README.md gives."""
    skipped = Skipped()
    stills = list(iterate_folder(shared_data / "train" / "stills", "", skipped))
    assert skipped.counts == {"photograph without a box": 3}
    assert len(stills) + skipped.total == 2248
    assert sum(len(still.boxes) for still in stills) == 7245
    for still in stills[::500]:
        height, width = cv2.imread(str(still.path)).shape[:2]
        assert (still.boxes[:, :2] >= 0).all()
        assert (still.boxes[:, :2] + still.boxes[:, 2:] <= np.array([width, height]) + 1e-9).all()
