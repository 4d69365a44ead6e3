"""VOT's files: which sequences, frames, regions and tags they give, and what is wrong with bad ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_vot import rotated

from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.vot import axis_aligned_boxes, box_corners, iterate, parse_region, read_vot
from siam_tracker_core.errors import DatasetError


def write(folder: Path, lines: list[str], frames: int | None = None, inside: str = "") -> Path:
    (folder / inside).mkdir(parents=True)
    for number in range(1, (len(lines) if frames is None else frames) + 1):
        cv2.imwrite(str(folder / inside / f"{number:08d}.jpg"), np.zeros((12, 16, 3), np.uint8))
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_sequences_come_in_the_order_of_the_list(tmp_path: Path) -> None:
    for name in ("apple", "bag", "other"):
        write(tmp_path / name, ["1,2,3,4"])
    (tmp_path / "list.txt").write_text("bag\napple\n\n")
    assert [sequence.name for sequence in read_vot(tmp_path)] == ["bag", "apple"]
    (tmp_path / "list.txt").unlink()
    assert [sequence.name for sequence in read_vot(tmp_path)] == ["apple", "bag", "other"]


@pytest.mark.parametrize("inside", ["", "color"])
def test_frames_lie_beside_the_truth_or_in_color(tmp_path: Path, inside: str) -> None:
    write(tmp_path / "bag", ["1,2,3,4", "2,2,3,4"], inside=inside)
    (sequence,) = read_vot(tmp_path)
    assert [frame.name for frame in sequence.frames] == ["00000001.jpg", "00000002.jpg"]
    assert sequence.image(1).shape == (12, 16, 3)
    np.testing.assert_array_equal(sequence.boxes, [[1, 2, 3, 4], [2, 2, 3, 4]])  # zero-based as they are
    assert sequence.polygons is None
    assert sequence.tags == {}


@pytest.mark.parametrize("channel", ["channels.color=color/%08d.jpg\n", "channels.color = color/\n", ""])
def test_a_workspace_of_vot_toolkit(tmp_path: Path, channel: str) -> None:
    folder = write(tmp_path / "sequences" / "bag", ["1,2,3,4"] * 3, inside="color")
    (folder / "sequence").write_text(f"name=bag\nfps=24\n{channel}format=default\n")
    (tmp_path / "sequences" / "list.txt").write_text("bag\n")
    (sequence,) = read_vot(tmp_path)
    assert (sequence.name, len(sequence), sequence.rate) == ("bag", 3, 24)


def test_absent_targets_and_mixed_regions(tmp_path: Path) -> None:
    lines = ["1,2,3,4", "nan", "0", "nan,nan,nan,nan", "5,5,0,4", "0,0,4,0,4,2,0,2", "0 0\t6,0 6,6 0,6"]
    write(tmp_path / "bag", lines)
    (sequence,) = read_vot(tmp_path)
    absent = [False, True, True, True, True, False, False]
    np.testing.assert_array_equal(np.isnan(sequence.boxes).any(axis=1), absent)
    np.testing.assert_array_equal(sequence.visibility == 0, absent)
    assert sequence.polygons is not None
    assert [polygon is None for polygon in sequence.polygons] == absent
    np.testing.assert_array_equal(sequence.polygons[0], [[1, 2], [4, 2], [4, 6], [1, 6]])
    np.testing.assert_allclose(sequence.boxes[5], [0, 0, 4, 2])


def test_tags_and_what_has_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "bag", ["1,2,3,4"] * 4)
    (folder / "occlusion.tag").write_text("0\n1\n0\n0\n")
    (folder / "camera_motion.label").write_text("0\n1\n1\n")  # what is left off is not marked
    (sequence,) = read_vot(tmp_path)
    assert {name: values.tolist() for name, values in sequence.tags.items()} == {
        "occlusion": [False, True, False, False],
        "camera_motion": [False, True, True, False],
        "unassigned": [True, False, False, True],
    }
    assert sequence.part(1, 3).tags["unassigned"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "groundtruth.txt").unlink(), r"bag.groundtruth.txt does not exist"),
        (lambda f: (f / "00000002.jpg").unlink(), "1 frames but 2 lines in groundtruth.txt"),
        (lambda f: (f / "groundtruth.txt").write_text("1,2,3\n1,2,3,4\n"), "line 1: 3 numbers, expected 4"),
        (lambda f: (f / "groundtruth.txt").write_text("1,2,3,4\na,b\n"), "line 2: 'a,b' is not numbers"),
        (lambda f: (f / "groundtruth.txt").write_text("m1,2,3,4,5\n"), "line 1: a mask, as in VOT-2020"),
        (lambda f: (f / "groundtruth.txt").write_bytes(b"\xff\xfe\xff"), "is UTF-16, expected UTF-8"),
        (lambda f: (f / "size_change.tag").write_text("1\n0\n1\n"), r"size_change.tag has 3 lines for 2 frames"),
        (lambda f: (f / "sequence").write_text("fps=fast\n"), "fps=fast is not a rate"),
        (lambda f: (f / "sequence").write_text("channels.color=ir/%08d.jpg\n"), "ir is not a folder"),
        (lambda f: (f / "sequence").write_text("channels.color=%08d.png\n"), r"00000001.png does not exist"),
        (lambda f: (f / "sequence").write_text("channels.color=frame.jpg\n"), "is no pattern of file names"),
    ],
)
def test_a_malformed_sequence_is_named(tmp_path: Path, damage, message: str) -> None:
    damage(write(tmp_path / "bag", ["1,2,3,4", "1,2,3,4"]))
    (tmp_path / "list.txt").write_text("bag\n")
    with pytest.raises(DatasetError, match=message):
        read_vot(tmp_path)


def test_a_missing_root_or_sequence_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere is not a folder"):
        read_vot(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"holds no VOT sequence: it has no list.txt"):
        read_vot(tmp_path)
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(DatasetError, match=r"list.txt names no sequence"):
        read_vot(tmp_path)
    write(tmp_path / "bag", ["1,2,3,4"])
    (tmp_path / "list.txt").write_text("bag\ncar\n")
    with pytest.raises(DatasetError, match="car does not exist"):
        read_vot(tmp_path)
    skipped = Skipped()
    assert [sequence.name for sequence in iterate(tmp_path, "", skipped)] == ["bag"]
    assert skipped.counts == {"malformed sequence": 1}


@given(
    st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 2, *[st.floats(1, 500)] * 2), min_size=1, max_size=20),
)
def test_a_box_stands_for_a_rotated_rectangle_of_its_area(rows: list[tuple[float, ...]]) -> None:
    boxes = np.array(rows)
    corners = rotated(boxes)
    found = axis_aligned_boxes(corners)
    np.testing.assert_allclose(found[:, 2:].prod(axis=1), boxes[:, 2:].prod(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found[:, :2] + found[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2, atol=1e-6)
    extent = np.ptp(corners, axis=1)
    np.testing.assert_allclose(found[:, 2] * extent[:, 1], found[:, 3] * extent[:, 0], rtol=1e-6)
    np.testing.assert_allclose(axis_aligned_boxes(box_corners(boxes)), boxes, rtol=1e-6, atol=1e-6)


def published_axis_aligned_box(region: np.ndarray) -> tuple[float, float, float, float]:
    """Centre and size as PySOT and SiamDW publish them, one corner after the other; a pixel more each way."""
    xs, ys = region[:, 0], region[:, 1]
    first = np.hypot(xs[0] - xs[1], ys[0] - ys[1])
    second = np.hypot(xs[1] - xs[2], ys[1] - ys[2])
    scale = np.sqrt(first * second / ((max(xs) - min(xs)) * (max(ys) - min(ys))))
    return np.mean(xs), np.mean(ys), scale * (max(xs) - min(xs)) + 1, scale * (max(ys) - min(ys)) + 1


def test_the_box_is_the_published_one_without_the_extra_pixel() -> None:
    for region in np.random.default_rng(3).uniform(0, 100, (50, 4, 2)):
        x, y, width, height = axis_aligned_boxes(region)
        published = published_axis_aligned_box(region)
        np.testing.assert_allclose((x + width / 2, y + height / 2, width + 1, height + 1), published)


def test_polygons_of_other_corner_counts_keep_their_area() -> None:
    triangle = [[0, 0], [6, 0], [0, 4]]
    assert axis_aligned_boxes(triangle)[2:].prod() == pytest.approx(12)
    assert axis_aligned_boxes([[1, 1]] * 4)[2:].tolist() == [0, 0]


def test_regions_of_one_line() -> None:
    assert parse_region("2") == 2
    assert np.isnan(parse_region("NaN"))
    assert np.isnan(parse_region("1,nan,3,4"))
    np.testing.assert_array_equal(parse_region(" 1, 2,3 ,4 "), [1, 2, 3, 4])
    assert parse_region("1,2,3,4,5,6").shape == (3, 2)
    for wrong in ("", "1,2", "1,2,3,4,5", "x"):
        with pytest.raises(ValueError, match=r"expected|numbers"):
            parse_region(wrong)
