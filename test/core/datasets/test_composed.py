"""Composed clips: their ground truth against what is measured in their pixels."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from siam_tracker_core.datasets.composed import ComposedClip, ComposedConfig, compose, iterate
from siam_tracker_core.datasets.composed_scene import Wave
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import ConfigError, DatasetError

SMALL = ComposedConfig(clips=6, frames=40, width=320, height=240, cuts=0.0, occlusions=0.0)
WHITE = (255, 255, 255)


def cut_out(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (150, 90)) -> None:
    """An ellipse of one colour with a soft edge, in a larger file whose hidden pixels have another colour."""
    path.parent.mkdir(exist_ok=True)
    width, height = size
    alpha = np.zeros((height + 60, width + 40), np.uint8)
    centre = (width // 2 + 10, height // 2 + 20)
    cv2.ellipse(alpha, centre, (width // 2, height // 2), 20, 0, 360, 255, cv2.FILLED)
    cv2.circle(alpha, (centre[0] + width // 3, centre[1]), height // 3, 255, cv2.FILLED)  # no symmetry
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1.5)
    image = np.full((*alpha.shape, 4), (0, 255, 0, 0), np.uint8)
    image[alpha > 0, :3] = colour
    image[..., 3] = alpha
    cv2.imwrite(str(path), image)


def photograph(path: Path, colour: tuple[int, int, int] = (0, 0, 0)) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((100, 200, 3), colour, np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A white object and black photographs: an image is 255 times the object's alpha."""
    cut_out(tmp_path / "cutouts" / "white.png", WHITE)
    photograph(tmp_path / "photographs" / "black.png")
    return tmp_path


def bounds(mask: NDArray[np.bool_]) -> list[float]:
    """``x, y, width, height`` of the pixels of a mask, by going through all of them."""
    pixels = np.argwhere(mask)
    (top, left), (bottom, right) = pixels.min(axis=0), pixels.max(axis=0)
    return [left, top, right + 1 - left, bottom + 1 - top]


def test_boxes_enclose_the_pixels_of_alpha_over_a_half(root: Path) -> None:
    widths = []
    for clip in compose(root, SMALL, Skipped()):
        for index in range(len(clip)):
            measured = clip.image(index)[..., 0] > 127  # alpha over 0.5, rounded to a whole grey value
            np.testing.assert_array_equal(clip.boxes[index], bounds(measured))
        np.testing.assert_array_equal(clip.visibility, 1.0)
        widths += list(clip.boxes[:, 2])
    assert max(widths) > 1.5 * min(widths)


def test_a_box_is_where_its_motion_says(root: Path) -> None:
    """Against geometry instead of pixels: the corners of a full rectangle, turned and scaled by hand."""
    opaque = np.full((60, 100, 4), 255, np.uint8)
    cv2.imwrite(str(root / "cutouts" / "white.png"), opaque)
    for clip in compose(root, SMALL, Skipped()):
        flight = clip.scene.target
        half_width, half_height = flight.longest / 2, round(flight.longest * 0.6) / 2
        for index in range(0, len(clip), 7):
            scale, angle = np.exp(flight.growth.at(index)), flight.angle.at(index)
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_width, half_height) * scale
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            placed = corners @ turn.T + (flight.x.at(index), flight.y.at(index))
            low, high = placed.min(axis=0), placed.max(axis=0)
            # A sharp corner covers less than half of the pixel that it ends in.
            np.testing.assert_allclose(clip.boxes[index], [*low, *(high - low)], atol=2.0)


def test_motion_is_smooth_and_stays_inside(root: Path) -> None:
    config = replace(SMALL, clips=30, frames=90)
    for clip in compose(root, config, Skipped()):
        centres = clip.boxes[:, :2] + clip.boxes[:, 2:] / 2
        assert np.abs(np.diff(centres, axis=0)).max() < 0.06 * 320
        assert np.abs(np.diff(centres, n=2, axis=0)).max() < 5
        assert (clip.boxes[:, :2] >= 0).all()
        assert (clip.boxes[:, :2] + clip.boxes[:, 2:] <= (320, 240)).all()


def test_visibility_is_the_share_of_pixels_that_another_object_leaves(root: Path) -> None:
    """Only red and blue objects: what is left of the target is counted by its colour."""
    (root / "cutouts" / "white.png").unlink()
    cut_out(root / "cutouts" / "blue.png", (255, 0, 0))
    cut_out(root / "cutouts" / "red.png", (0, 0, 255), (90, 120))
    config = replace(SMALL, clips=12, frames=30, occlusions=1.0)
    shares = []
    for clip in compose(root, config, Skipped()):
        assert clip.scene.occluder is not None
        if clip.scene.occluder.path == clip.scene.target.path:
            continue
        alone = replace(clip, scene=replace(clip.scene, occluder=None))
        mine, others = (0, 2) if clip.scene.target.path.stem == "blue" else (2, 0)
        for index in range(len(clip)):
            whole = alone.image(index)[..., mine] > 127
            covered = clip.image(index)[..., others] > 127
            share = (whole & ~covered).sum() / whole.sum()
            assert clip.visibility[index] == pytest.approx(share, abs=1e-9)
            if share > 0:
                np.testing.assert_array_equal(clip.boxes[index], bounds(whole))
            else:
                assert np.isnan(clip.boxes[index]).all()
            shares.append(share)
    assert min(shares) < 0.2
    assert sum(share < 1 for share in shares) > 20
    assert sum(share == 1 for share in shares) > 20


def test_the_photograph_is_replaced_once_and_the_object_goes_on(root: Path) -> None:
    for number, colour in enumerate([(200, 0, 0), (0, 200, 0), (0, 0, 200)]):
        photograph(root / "photographs" / f"{number}.png", colour)
    clips = list(compose(root, replace(SMALL, clips=20, cuts=1.0), Skipped()))
    uncut = list(compose(root, replace(SMALL, clips=20), Skipped()))
    changed = 0
    for clip, same in zip(clips, uncut, strict=True):
        np.testing.assert_array_equal(clip.boxes, same.boxes)
        corners = [tuple(clip.image(index)[0, 0]) for index in range(len(clip))]
        cut = clip.scene.cut
        assert 10 <= cut <= 30
        assert len(set(corners[:cut])) == len(set(corners[cut:])) == 1
        changed += corners[0] != corners[-1]
        assert {path.stem for path in clip.frames[:cut]} == {clip.scene.backdrops[0].path.stem}
        assert {path.stem for path in clip.frames[cut:]} == {clip.scene.backdrops[1].path.stem}
    assert changed > 5


def test_the_photograph_is_panned_and_covers_the_picture(root: Path) -> None:
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.integers(100, 200, (300, 200, 3)).astype(np.uint8), (0, 0), 3)
    cv2.imwrite(str(root / "photographs" / "black.png"), noise)
    clip = next(compose(root, SMALL, Skipped()))
    first, last = clip.image(0), clip.image(39)
    assert not np.array_equal(first[:20], last[:20])
    assert min(first.min(), last.min()) > 100, "nothing black comes in from beyond the photograph"


def test_a_frame_depends_on_seed_clip_and_index_alone(root: Path) -> None:
    cut_out(root / "cutouts" / "blue.png", (255, 0, 0))
    config = replace(SMALL, cuts=0.5, occlusions=0.5)
    first, again = (list(compose(root, config, Skipped())) for _ in range(2))
    elsewhere = pickle.loads(pickle.dumps(again))
    for one, other in zip(first, elsewhere, strict=True):
        assert (one.name, one.frames) == (other.name, other.frames)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.visibility, other.visibility)
    backwards = [elsewhere[3].image(index) for index in reversed(range(5))][::-1]
    assert all(np.array_equal(first[3].image(index), backwards[index]) for index in range(5))
    longer = list(compose(root, replace(config, clips=9), Skipped()))
    np.testing.assert_array_equal(longer[5].boxes, first[5].boxes)
    other_seed = next(compose(root, replace(config, seed=1), Skipped()))
    assert not np.array_equal(other_seed.boxes, first[0].boxes)
    assert len({clip.boxes.tobytes() for clip in first}) == len(first)


def test_a_part_shows_the_same_frames(root: Path) -> None:
    clip = next(compose(root, SMALL, Skipped()))
    part = clip.part(10, 20).part(3, 100)
    assert isinstance(part, ComposedClip)
    assert len(part) == 7
    for index in (0, 6, -1):
        np.testing.assert_array_equal(part.image(index), clip.image(range(13, 20)[index]))
    np.testing.assert_array_equal(part.boxes, clip.boxes[13:20])
    with pytest.raises(IndexError):
        part.image(7)


def test_nothing_is_rendered_before_it_is_asked_for(root: Path) -> None:
    """A thousand clips over a photograph that is none: the first few are there, and only their images fail."""
    (root / "photographs" / "black.png").write_text("no image")
    for clip in itertools.islice(iterate(root, "", Skipped()), 2):
        assert np.isfinite(clip.boxes).any()
        with pytest.raises(DatasetError, match=r"black\.png is not a readable image"):
            clip.image(0)


def test_cut_outs_that_cannot_be_used_are_skipped_and_named_once(root: Path) -> None:
    cv2.imwrite(str(root / "cutouts" / "a_plain.png"), np.zeros((50, 50, 3), np.uint8))
    (root / "cutouts" / "b_broken.png").write_text("no image")
    cv2.imwrite(str(root / "cutouts" / "c_invisible.png"), np.zeros((50, 50, 4), np.uint8))
    skipped = Skipped()
    clips = list(compose(root, replace(SMALL, clips=20), skipped))
    assert {clip.scene.target.path.stem for clip in clips} == {"white"}
    assert skipped.counts == {"cut-out that cannot be used": 3}
    assert sorted(Path(name.split(" ")[0]).name for name in skipped.names["cut-out that cannot be used"]) == [
        "a_plain.png",
        "b_broken.png",
        "c_invisible.png",
    ]
    (root / "cutouts" / "white.png").unlink()
    with pytest.raises(DatasetError, match=r"no cut-out can be used.*3 left out"):
        next(compose(root, SMALL, Skipped()))


def test_missing_and_empty_folders_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cutouts is not a folder; expected PNG files with alpha"):
        next(iterate(tmp_path, "", Skipped()))
    (tmp_path / "cutouts").mkdir()
    with pytest.raises(DatasetError, match="cutouts holds no file"):
        next(iterate(tmp_path, "", Skipped()))
    cut_out(tmp_path / "cutouts" / "white.png", WHITE)
    with pytest.raises(DatasetError, match="photographs is not a folder"):
        next(iterate(tmp_path, "", Skipped()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips": 0},
        {"frames": 1},
        {"width": 63},
        {"smallest": 0.0},
        {"largest": 0.6},
        {"cuts": 1.5},
        {"occlusions": -1},
    ],
)
def test_impossible_configurations_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(SMALL, **wrong)


def test_a_wave_never_leaves_its_reach() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        wave = Wave.drawn(rng, 5.0, 2.0)
        values = np.array([wave.at(index) for index in range(1000)])
        assert np.abs(values - 5).max() <= 2 + 1e-9
        assert np.ptp(values) > 1.5


def test_real_cut_outs_over_real_photographs(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "cutouts").symlink_to(shared_data / "train" / "cutouts")
    (tmp_path / "photographs").symlink_to(shared_data / "train" / "unlabelled")
    skipped = Skipped()
    for clip in itertools.islice(iterate(tmp_path, "", skipped), 5):
        assert clip.image(7).shape == (480, 640, 3)
        assert clip.boxes.shape == (60, 4)
        assert 0 <= clip.visibility.min() <= clip.visibility.max() == 1
    assert skipped.total == 0
