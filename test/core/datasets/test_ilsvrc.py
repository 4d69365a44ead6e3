"""ILSVRC's readers, on files written as the exporter of the annotation tool wrote them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Rows
from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.ilsvrc import iterate_det, iterate_vid
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError

BATCH = "ILSVRC2015_VID_train_0000"
SNIPPET = "ILSVRC2015_train_00005009"

# One object: trackid, xmin, ymin, xmax, ymax, occluded, generated.
Entry = tuple[object, object, object, object, object, int, int]


def vid_xml(folder: str, frame: int, objects: Rows[Entry], size: tuple[int, int] = (1280, 720)) -> str:
    """A frame's file: tabs, xmax before xmin, no depth."""
    lines = [
        "<annotation>",
        f"\t<folder>{folder}</folder>",
        f"\t<filename>{frame:06d}</filename>",
        "\t<source>",
        "\t\t<database>ILSVRC_2015</database>",
        "\t</source>",
        "\t<size>",
        f"\t\t<width>{size[0]}</width>",
        f"\t\t<height>{size[1]}</height>",
        "\t</size>",
    ]
    for track, xmin, ymin, xmax, ymax, occluded, generated in objects:
        lines += [
            "\t<object>",
            f"\t\t<trackid>{track}</trackid>",
            "\t\t<name>n02084071</name>",
            "\t\t<bndbox>",
            f"\t\t\t<xmax>{xmax}</xmax>",
            f"\t\t\t<xmin>{xmin}</xmin>",
            f"\t\t\t<ymax>{ymax}</ymax>",
            f"\t\t\t<ymin>{ymin}</ymin>",
            "\t\t</bndbox>",
            f"\t\t<occluded>{occluded}</occluded>",
            f"\t\t<generated>{generated}</generated>",
            "\t</object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def write_snippet(root: Path, where: str, frames: Rows[Rows[Entry]]) -> Path:
    """A snippet's annotations, and its folder of images with nothing in it: no reader opens an image."""
    folder = root / "Annotations" / "VID" / where
    folder.mkdir(parents=True)
    (root / "Data" / "VID" / where).mkdir(parents=True)
    for number, objects in enumerate(frames):
        name = "/".join(where.split("/")[1:])
        (folder / f"{number:06d}.xml").write_text(vid_xml(name, number, objects))
    return folder


def test_a_snippet_gives_one_sequence_a_track(tmp_path: Path) -> None:
    frames: list[list[Entry]] = [
        [(0, 675, 115, 976, 451, 0, 0), (1, 0, 0, 9, 19, 1, 0)],
        [(1, 2, 0, 11, 19, 1, 1)],
        [(0, 600, 100, 900, 400, 0, 1)],
    ]
    write_snippet(tmp_path, f"train/{BATCH}/{SNIPPET}", frames)
    first, second = iterate_vid(tmp_path, "train", Skipped())
    assert (first.name, second.name) == (f"{SNIPPET}/0", f"{SNIPPET}/1")
    images = tmp_path / "Data" / "VID" / "train" / BATCH / SNIPPET
    assert first.frames == second.frames == tuple(images / f"00000{number}.JPEG" for number in range(3))
    absent = [np.nan] * 4
    np.testing.assert_array_equal(first.boxes, [[675, 115, 302, 337], absent, [600, 100, 301, 301]])
    np.testing.assert_array_equal(second.boxes, [[0, 0, 10, 20], [2, 0, 10, 20], absent])
    np.testing.assert_array_equal(first.visibility, [1, 0, 1])
    np.testing.assert_array_equal(second.tags["occlusion"], [True, True, False])
    np.testing.assert_array_equal(first.tags["generated"], [False, False, True])


@pytest.mark.parametrize("where", [f"train/{SNIPPET}", f"train/a/{SNIPPET}", f"train/a/b/{SNIPPET}"])
def test_the_folders_above_a_snippet_do_not_matter(tmp_path: Path, where: str) -> None:
    write_snippet(tmp_path, where, [[(0, 1, 1, 50, 50, 0, 0)]])
    (sequence,) = iterate_vid(tmp_path, "train", Skipped())
    assert sequence.name == f"{SNIPPET}/0"
    assert sequence.frames == (tmp_path / "Data" / "VID" / where / "000000.JPEG",)


def test_splits_are_apart_and_links_of_other_preparations_are_not_followed(tmp_path: Path) -> None:
    write_snippet(tmp_path, f"train/{BATCH}/{SNIPPET}", [[(0, 1, 1, 50, 50, 0, 0)]])
    write_snippet(tmp_path, "val/ILSVRC2015_val_00000000", [[(0, 1, 1, 50, 50, 0, 0)]])
    for tree in ("Annotations", "Data"):
        train = tmp_path / tree / "VID" / "train"
        (train / "a").symlink_to(train / BATCH)
        (train / "e").symlink_to(train.parent / "val")
    assert [sequence.name for sequence in iterate_vid(tmp_path, "train", Skipped())] == [f"{SNIPPET}/0"]
    assert [sequence.name for sequence in iterate_vid(tmp_path, "val", Skipped())] == ["ILSVRC2015_val_00000000/0"]


def test_links_to_another_disk_are_followed(tmp_path: Path) -> None:
    write_snippet(tmp_path / "disk", f"train/{BATCH}/{SNIPPET}", [[(0, 1, 1, 50, 50, 0, 0)]])
    for tree in ("Annotations", "Data"):
        (tmp_path / "root" / tree / "VID" / "train").mkdir(parents=True)
        link = tmp_path / "root" / tree / "VID" / "train" / BATCH
        link.symlink_to(tmp_path / "disk" / tree / "VID" / "train" / BATCH)
    assert [sequence.name for sequence in iterate_vid(tmp_path / "root", "train", Skipped())] == [f"{SNIPPET}/0"]


def test_no_snippet_is_read_before_it_is_its_turn(tmp_path: Path) -> None:
    for number in range(3):
        write_snippet(tmp_path, f"train/{BATCH}/ILSVRC2015_train_0000000{number}", [[(0, 1, 1, 50, 50, 0, 0)]])
    skipped = Skipped()
    sequences = iterate_vid(tmp_path, "train", skipped)
    next(sequences)
    for path in (tmp_path / "Annotations").rglob("*.xml"):
        path.write_text("broken after the first track was given")
    assert list(sequences) == []
    assert skipped.counts["annotation file missing or malformed"] == 2


def test_bad_input_is_skipped_and_named(tmp_path: Path) -> None:
    frames: list[list[Entry]] = [
        [(0, 1, 1, 50, 50, 0, 0), (0, 60, 60, 90, 90, 0, 0)],  # two boxes of one track
        [(0, 1, 1, 50, 50, 0, 0)],  # to be broken
        [(0, 1, 1, "", 50, 0, 0), ("", 1, 1, 50, 50, 0, 0)],  # no corner, no track
        [(0, 1300, 1, 1400, 50, 0, 0), (1, -10, 1, 29, 50, 0, 0)],  # outside, and over the edge
        [(0, 1270, 700, 1280, 720, 0, 0)],  # ends at the image's size, as a few do
    ]
    folder = write_snippet(tmp_path, f"train/{BATCH}/{SNIPPET}", frames)
    (folder / "000001.xml").write_text("<annotation>")
    skipped = Skipped()
    first, second = iterate_vid(tmp_path, "train", skipped)
    assert [path.stem for path in first.frames] == ["000000", "000002", "000003", "000004"]
    absent = [np.nan] * 4
    np.testing.assert_array_equal(first.boxes, [[1, 1, 50, 50], absent, absent, [1270, 700, 10, 20]])
    np.testing.assert_array_equal(second.boxes, [absent, absent, [0, 1, 30, 50], absent])
    assert skipped.counts == {
        "annotation file missing or malformed": 1,
        "second box of one track": 1,
        "object without a valid box": 1,
        "object without a trackid": 1,
        "box outside its image": 1,
    }
    assert skipped.names["annotation file missing or malformed"] == [str(folder / "000001.xml")]


def test_a_file_without_the_images_size_keeps_its_boxes(tmp_path: Path) -> None:
    folder = write_snippet(tmp_path, f"train/{SNIPPET}", [[]])
    (folder / "000000.xml").write_text(vid_xml(SNIPPET, 0, [(0, 1300, 5, 1399, 24, 0, 0)], size=(0, 0)))
    (sequence,) = iterate_vid(tmp_path, "train", Skipped())
    np.testing.assert_array_equal(sequence.boxes, [[1300, 5, 100, 20]])


def test_snippets_without_images_or_objects_are_counted(tmp_path: Path) -> None:
    write_snippet(tmp_path, f"train/{BATCH}/{SNIPPET}", [[], []])
    write_snippet(tmp_path, f"train/{BATCH}/ILSVRC2015_train_1", [[(0, 1, 1, 50, 50, 0, 0)]])
    (tmp_path / "Data" / "VID" / "train" / BATCH / "ILSVRC2015_train_1").rmdir()
    skipped = Skipped()
    assert list(iterate_vid(tmp_path, "train", skipped)) == []
    assert skipped.counts == {"snippet without an object": 1, "snippet without images": 1}


DET_XML = """<annotation>
\t<folder>{folder}</folder>
\t<filename>{name}</filename>
\t<source>
\t\t<database>ILSVRC_2014</database>
\t</source>
\t<size>
\t\t<width>500</width>
\t\t<height>375</height>
\t\t<depth>3</depth>
\t</size>
{objects}</annotation>
"""
DET_OBJECT = """\t<object>
\t\t<name>n02672831</name>
\t\t<bndbox>
\t\t\t<xmin>{}</xmin>
\t\t\t<xmax>{}</xmax>
\t\t\t<ymin>{}</ymin>
\t\t\t<ymax>{}</ymax>
\t\t</bndbox>
\t</object>
"""


def write_det(root: Path, where: str, corners: Rows[tuple[int, int, int, int]]) -> None:
    path = root / "Annotations" / "DET" / f"{where}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(DET_OBJECT.format(*corner) for corner in corners)
    path.write_text(DET_XML.format(folder=path.parent.name, name=path.stem, objects=objects))


def test_photographs_of_all_batches(tmp_path: Path) -> None:
    write_det(tmp_path, "train/ILSVRC2013_train/n02672831/n02672831_1", [(0, 499, 0, 374), (10, 19, 30, 69)])
    write_det(tmp_path, "train/ILSVRC2014_train_0000/ILSVRC2014_train_00000001", [(5, 24, 6, 45)])
    write_det(tmp_path, "train/ILSVRC2014_train_0000/ILSVRC2014_train_00000002", [])
    write_det(tmp_path, "val/ILSVRC2012_val_00000001", [(5, 24, 6, 45)])
    skipped = Skipped()
    first, second = iterate_det(tmp_path, "train", skipped)
    data = tmp_path / "Data" / "DET" / "train"
    assert first.path == data / "ILSVRC2013_train" / "n02672831" / "n02672831_1.JPEG"
    assert second.path == data / "ILSVRC2014_train_0000" / "ILSVRC2014_train_00000001.JPEG"
    np.testing.assert_array_equal(first.boxes, [[0, 0, 500, 375], [10, 30, 10, 40]])
    assert skipped.counts == {"photograph without a box": 1}
    (still,) = iterate_det(tmp_path, "val", Skipped())
    assert still.path == tmp_path / "Data" / "DET" / "val" / "ILSVRC2012_val_00000001.JPEG"


def test_missing_annotations_say_where_they_are_expected(tmp_path: Path) -> None:
    for reader, part in itertools.product((iterate_vid, iterate_det), ("train", "val")):
        with pytest.raises(DatasetError, match=rf"Annotations/.../{part}.* is not a folder"):
            next(reader(tmp_path, part, Skipped()))
