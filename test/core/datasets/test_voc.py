"""VOC's reader, on files written as the development kit writes them, and the rule for boxes over the image's edge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.datasets.inside import inside_image
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.voc import iterate
from siam_tracker_core.errors import DatasetError

# As in VOC2007's own Annotations/000001.xml: tabs, one element a line.
ANNOTATION = """<annotation>
\t<folder>VOC2007</folder>
\t<filename>{name}.jpg</filename>
\t<source>
\t\t<database>The VOC2007 Database</database>
\t\t<annotation>PASCAL VOC2007</annotation>
\t\t<image>flickr</image>
\t\t<flickrid>341012865</flickrid>
\t</source>
\t<owner>
\t\t<flickrid>Somebody</flickrid>
\t\t<name>Some Body</name>
\t</owner>
\t<size>
\t\t<width>353</width>
\t\t<height>500</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
{objects}</annotation>
"""
OBJECT = """\t<object>
\t\t<name>dog</name>
\t\t<pose>Left</pose>
\t\t<truncated>{truncated}</truncated>
\t\t<difficult>{difficult}</difficult>
\t\t<bndbox>
\t\t\t<xmin>{xmin}</xmin>
\t\t\t<ymin>{ymin}</ymin>
\t\t\t<xmax>{xmax}</xmax>
\t\t\t<ymax>{ymax}</ymax>
\t\t</bndbox>
\t</object>
"""


def an_object(xmin: object, ymin: object, xmax: object, ymax: object, truncated: int = 0, difficult: int = 0) -> str:
    return OBJECT.format(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, truncated=truncated, difficult=difficult)


def write(root: Path, split: str, photographs: dict[str, str]) -> Path:
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / "JPEGImages").mkdir(exist_ok=True)
    (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in photographs))
    for name, objects in photographs.items():
        (root / "Annotations" / f"{name}.xml").write_text(ANNOTATION.format(name=name, objects=objects))
    return root


def test_corners_are_one_based_and_inclusive(tmp_path: Path) -> None:
    root = write(tmp_path, "trainval", {"000001": an_object(48, 240, 195, 371) + an_object(1, 1, 353, 500)})
    (still,) = iterate(root, "trainval", Skipped())
    assert still.path == root / "JPEGImages" / "000001.jpg"
    np.testing.assert_array_equal(still.boxes, [[47, 239, 148, 132], [0, 0, 353, 500]])
    assert still.masks is None


def test_difficult_objects_are_left_out_and_truncated_ones_stay(tmp_path: Path) -> None:
    objects = an_object(10, 10, 20, 20, difficult=1) + an_object(30, 30, 60, 60, truncated=1)
    root = write(tmp_path, "train", {"000001": objects, "000002": an_object(1, 1, 9, 9, difficult=1)})
    skipped = Skipped()
    (still,) = iterate(root, "train", skipped)
    np.testing.assert_array_equal(still.boxes, [[29, 29, 31, 31]])
    assert skipped.counts == {"object marked difficult": 2, "photograph without a box": 1}


def test_parts_of_a_person_are_no_objects_and_coordinates_may_have_decimals(tmp_path: Path) -> None:
    """VOC2012's files hold ``part`` elements with a bndbox of their own, and a few corners like 45.70."""
    person = an_object("45.70", 10, 100, 90).replace(
        "\t</object>",
        "\t\t<part>\n\t\t\t<name>head</name>\n\t\t\t<bndbox>\n\t\t\t\t<xmin>50</xmin>\n\t\t\t\t<ymin>12</ymin>\n"
        "\t\t\t\t<xmax>60</xmax>\n\t\t\t\t<ymax>20</ymax>\n\t\t\t</bndbox>\n\t\t</part>\n\t</object>",
    )
    (still,) = iterate(write(tmp_path, "val", {"2008_000008": person}), "val", Skipped())
    np.testing.assert_allclose(still.boxes, [[44.7, 9, 55.3, 81]])


def test_a_split_is_its_list_and_a_devkit_is_all_its_years(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        write(tmp_path / year, "train", {f"{year}_a": an_object(1, 1, 50, 50)})
        write(tmp_path / year, "val", {f"{year}_b": an_object(1, 1, 50, 50)})
    assert [still.path.stem for still in iterate(tmp_path, "val", Skipped())] == ["VOC2007_b", "VOC2012_b"]
    assert [still.path.stem for still in iterate(tmp_path / "VOC2012", "train", Skipped())] == ["VOC2012_a"]


def test_bad_input_is_skipped_and_named(tmp_path: Path) -> None:
    good = an_object(1, 1, 50, 50)
    bad = an_object("x", 1, 9, 9) + an_object(9, 9, 1, 1) + good.replace("ymax", "ybottom") + an_object("nan", 1, 9, 9)
    photographs = {"a": good, "cut": good, "odd": bad + good, "none": "", "away": an_object(400, 1, 450, 50)}
    root = write(tmp_path, "train", photographs)
    whole = (root / "Annotations" / "cut.xml").read_bytes()
    (root / "Annotations" / "cut.xml").write_bytes(whole[: len(whole) // 2])
    with (root / "ImageSets" / "Main" / "train.txt").open("a") as names:
        names.write("missing\n\n")
    skipped = Skipped()
    assert [still.path.stem for still in iterate(root, "train", skipped)] == ["a", "odd"]
    assert skipped.counts == {
        "annotation file missing or malformed": 2,
        "object without a valid box": 4,
        "box outside its image": 1,
        "photograph without a box": 2,
    }
    assert skipped.names["annotation file missing or malformed"] == [
        str(root / "Annotations" / "cut.xml"),
        str(root / "Annotations" / "missing.xml"),
    ]


def test_photographs_are_read_one_by_one(tmp_path: Path) -> None:
    root = write(tmp_path, "train", {name: an_object(1, 1, 50, 50) for name in "abc"})
    stills = iterate(root, "train", Skipped())
    next(stills)
    (root / "Annotations" / "c.xml").write_text("broken only after the first photograph was given")
    skipped = Skipped()
    assert [still.path.stem for still in stills] == ["b"]
    assert skipped.total == 0


def test_another_layout_is_an_error_that_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"ImageSets/Main/train\.txt"):
        next(iterate(tmp_path, "train", Skipped()))


numbers = st.floats(-200, 200)
sides = st.floats(0.5, 200)


@given(numbers, numbers, sides, sides, st.integers(1, 100), st.integers(1, 100))
def test_boxes_over_the_edge_are_clipped_or_dropped(
    x: float, y: float, width: float, height: float, image_width: int, image_height: int
) -> None:
    (row,) = inside_image(np.array([[x, y, width, height]]), image_width, image_height)
    left, right = sorted((max(x, 0), min(x + width, image_width))) if x < image_width and x + width > 0 else (0, 0)
    top, bottom = sorted((max(y, 0), min(y + height, image_height))) if y < image_height and y + height > 0 else (0, 0)
    share = (right - left) * (bottom - top) / (width * height)
    if share > 0.5 + 1e-9:
        np.testing.assert_allclose(row, [left, top, right - left, bottom - top], atol=1e-9)
    elif share < 0.5 - 1e-9:
        assert np.isnan(row).all()


def test_absent_rows_stay_absent_and_boxes_inside_stay_as_they_are() -> None:
    boxes = np.array([[np.nan] * 4, [3.25, 4.5, 10.125, 11.0], [-30, -30, 10, 10]])
    inside = inside_image(boxes, 100, 50)
    assert np.isnan(inside[[0, 2]]).all()
    np.testing.assert_array_equal(inside[1], boxes[1])
