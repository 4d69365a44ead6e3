"""The made sequence: its ground truth against a measure of its own, and its repeatability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.datasets.made import Pose, _Scene, made_sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box

SMALL = (320, 240)


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2, 2.5])
def test_the_box_of_a_pose_is_that_of_its_outline(angle: float) -> None:
    pose = Pose(100.3, 80.7, 40.0, 23.0, angle)
    turn = np.linspace(0, 2 * np.pi, 100_001)
    u, v = 40.0 * np.cos(turn), 23.0 * np.sin(turn)
    x = 100.3 + np.cos(angle) * u - np.sin(angle) * v
    y = 80.7 + np.sin(angle) * u + np.cos(angle) * v
    outline = Box.from_corners(x.min(), y.min(), x.max(), y.max())
    np.testing.assert_allclose(pose.box.to_array(), outline.to_array(), atol=1e-6)


@pytest.mark.parametrize("index", [5, 20, 60, 100, 140])
def test_the_truth_is_where_the_pixels_change(index: int) -> None:
    """Rendered with and without the target, the images differ inside the box, up to its edges, and nowhere else."""
    scene = _Scene("demo", SMALL, seed=3)
    with_target, box = scene.frame(index)
    scene._cat = np.zeros_like(scene._cat)
    black, _ = scene.frame(index)
    scene._cat = np.full_like(scene._cat, 255)
    white, _ = scene.frame(index)
    changed = np.abs(white.astype(int) - black.astype(int)).max(axis=2) > 127  # at least half covered
    rows, columns = np.nonzero(changed.any(axis=1))[0], np.nonzero(changed.any(axis=0))[0]
    measured = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    expected = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
    np.testing.assert_allclose(measured, expected, atol=1.0)
    assert with_target.shape == (240, 320, 3)


def test_the_target_is_absent_exactly_while_no_pixel_of_it_shows() -> None:
    scene = _Scene("demo", SMALL, seed=0)
    absent, unseen = [], []
    for index in range(28, 50):
        absent.append(bool(np.isnan(scene.frame(index)[1]).any()))
        scene._cat = np.zeros((112, 124, 3), np.uint8)
        black = scene.frame(index)[0].astype(int)
        scene._cat = np.full((112, 124, 3), 255, np.uint8)
        unseen.append(not (np.abs(scene.frame(index)[0] - black) > 127).any())
    assert 3 <= sum(absent) <= 10
    wrong = np.flatnonzero(np.array(absent) != np.array(unseen))
    assert len(wrong) <= 2, "only a sliver of less than half a pixel may make a difference"


def test_it_leaves_and_returns_where_it_left() -> None:
    boxes = made_sequence("leaves", size=SMALL).boxes
    absent = np.flatnonzero(np.isnan(boxes[:, 0]))
    assert 30 <= len(absent) <= 60
    assert np.array_equal(absent, np.arange(absent[0], absent[-1] + 1))
    left, returned = boxes[absent[0] - 1], boxes[absent[-1] + 1]
    assert np.hypot(*(left[:2] - returned[:2])) < 40


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    first, second = made_sequence(frames=3, size=SMALL), made_sequence(frames=5, size=SMALL)
    assert all(np.array_equal(a, b) for a, b in zip(first.frames, second.frames, strict=False))
    assert not np.array_equal(first.frames[0], made_sequence(frames=1, size=SMALL, seed=1).frames[0])


def test_it_is_written_in_otb_form(tmp_path: Path) -> None:
    made = made_sequence(frames=3, size=SMALL)
    read = read_sequence(made.write_otb_form(tmp_path / "made"))
    np.testing.assert_allclose(read.boxes, made.boxes, atol=1e-4)
    assert np.array_equal(read.image(2), made.frames[2])
    with pytest.raises(DatasetError, match="not empty"):
        made.write_otb_form(tmp_path / "made")


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(DatasetError, match="no made sequence 'flies'"):
        made_sequence("flies")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="at least 1"):
        made_sequence(frames=0)
    with pytest.raises(DatasetError, match="too small"):
        made_sequence(size=(10, 10))
