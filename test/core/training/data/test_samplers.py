"""Samplers: which frames, which boxes, and composed cut-outs, against slow definitions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_shards import SIZE, made_track

from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.geometry import Box, context_size
from siam_tracker_core.training.augmentation.occlusion import read_bank
from siam_tracker_core.training.data.box_samples import negative_boxes, positive_boxes
from siam_tracker_core.training.data.cutouts import CutOuts, compose
from siam_tracker_core.training.data.sampler_settings import BoxPairSampling, ClipSampling, DomainSampling, PairSampling
from siam_tracker_core.training.data.samplers import BoxPairs, Clips, Domains, Draw, Pairs
from siam_tracker_core.training.data.shards import SetInfo


def rng(seed=0):
    return np.random.default_rng(seed)


def frame_of(crop):
    """The frame's number, which made crops carry as their green."""
    return round(float(crop[..., 1].mean()) / 8)


FRAMES = [0, 1, 2, 5, 9, 10, 30, 31]


def test_pairs_reach_every_frame_within_the_range_and_no_other():
    crops = made_track("a", FRAMES, shade=100)
    sampler = Pairs(PairSampling(frame_range=5))
    generator = rng()
    seen = set()
    for _ in range(600):
        sample = sampler.finish(sampler.draw(crops, 1, generator), [], SIZE, generator)
        seen.add((frame_of(sample["exemplar"]), frame_of(sample["search"])))
        assert sample["exemplar_size"][0] == 40 + FRAMES.index(frame_of(sample["exemplar"]))
        assert sample["search_size"].tolist() == [40 + FRAMES.index(frame_of(sample["search"])), 30]
        assert not sample["negative"]
    assert seen == {(a, b) for a in FRAMES for b in FRAMES if abs(a - b) <= 5}


@pytest.mark.parametrize(("rate", "reach"), [(30.0, 100), (1.0, 3), (25.0, 83)])
def test_a_range_in_seconds_is_one_in_frames_of_each_data_set(rate, reach):
    sampler = Pairs(PairSampling(seconds=3.34))
    crops = made_track("a", [0, 1, 3, 4, 83, 84, 100, 101, 300], shade=100)
    own = sampler.of(SetInfo("made", "youtube-bb", "video", SIZE, 1, rate))
    found = [own.draw(crops, 1, rng(seed)) for seed in range(300)]
    widths = {(int(draw.sizes[0, 0]) - 40, int(draw.sizes[1, 0]) - 40) for draw in found}
    distances = {abs(int(crops.frames[a] - crops.frames[b])) for a, b in widths}
    possible = {abs(int(a - b)) for a in crops.frames for b in crops.frames}
    assert max(distances) == max(distance for distance in possible if distance <= reach)


def test_a_data_set_of_unknown_rate_has_no_range_in_seconds():
    old = SetInfo("shards/old", "folder", "video", SIZE, 1)
    with pytest.raises(DatasetError, match=r"shards/old does not tell its frame rate.*prepare it again, or give pairs"):
        Pairs(PairSampling(seconds=1.0)).of(old)
    stills = SetInfo("shards/coco", "coco", "stills", SIZE, 1)
    assert Pairs(PairSampling(seconds=1.0)).of(stills).config.seconds == 1.0


def test_a_still_makes_a_pair_with_itself():
    crops = made_track("a.jpg#0", [0], shade=100)
    sampler = Pairs(PairSampling())
    sample = sampler.finish(sampler.draw(crops, 1, rng()), [], SIZE, rng())
    assert np.array_equal(sample["exemplar"], sample["search"])


def test_negatives_show_another_videos_target():
    sampler = Pairs(PairSampling(negative_share=0.5))
    generator = rng()
    tracks = [made_track(name, [0, 1], shade) for name, shade in (("v/0", 50), ("v/1", 100), ("w/0", 200))]
    draws = [sampler.draw(track, 1, generator) for track in tracks]
    numbers = {sampler.finish(draw, draws, SIZE, generator)["track"] for draw in draws}
    assert len(numbers) == 2  # one a video, two tracks in the first
    samples = [sampler.finish(draws[0], draws, SIZE, generator) for _ in range(200)]
    assert 70 < sum(sample["negative"] for sample in samples) < 130
    for sample in samples:
        shade = round(float(sample["search"][..., 0].mean()))
        assert shade == pytest.approx(200 if sample["negative"] else 50, abs=2)
        assert (sample["search_size"] == 0).all() == sample["negative"]
        assert (sample["exemplar_size"] > 0).all()
    alone = [sampler.finish(draws[0], draws[:2], SIZE, generator) for _ in range(20)]
    assert not any(sample["negative"] for sample in alone)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=20, unique=True).map(sorted),
    st.integers(2, 5),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_clips_are_successive(frames, length, gap, every):
    crops = made_track("a", frames, shade=0, size=16)
    starts = [
        n
        for n in range(len(frames) - length + 1)
        if all(frames[k + 1] - frames[k] <= gap * every for k in range(n, n + length - 1))
    ]
    sampler = Clips(ClipSampling(length=length, gap=gap))
    draws = [sampler.draw(crops, every, rng(seed)) for seed in range(8)]
    if not starts:
        assert draws == [None] * 8
        return
    for draw in draws:
        first = int(draw.sizes[0, 0]) - 40
        assert first in starts
        assert draw.images == crops.images[first : first + length]


def test_clip_samples():
    sampler = Clips(ClipSampling(length=3))
    sample = sampler.finish(sampler.draw(made_track("a", [4, 5, 6], 100), 1, rng()), [], SIZE, rng())
    assert sample["crops"].shape == (3, SIZE, SIZE, 3)
    assert [frame_of(crop) for crop in sample["crops"]] == [4, 5, 6]
    assert sample["sizes"].tolist() == [[40, 30], [41, 30], [42, 30]]


sides = st.floats(8, 120)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(1, 70), st.integers(0, 1000))
def test_boxes_have_the_overlap_that_is_asked_for(width, height, count, seed):
    """Against the overlap of one pair of boxes at a time."""
    target = Box.from_centre(160, 160, width, height)
    near = positive_boxes(np.array([width, height]), 320, count, lambda overlap: overlap > 0.7, rng(seed))
    off = negative_boxes(np.array([width, height]), 320, count, lambda overlap: overlap < 0.5, rng(seed))
    assert near.shape == off.shape == (count, 4)
    assert near.dtype == off.dtype == np.float32
    assert all(Box.from_array(row).iou(target) > 0.7 for row in near)
    assert all(Box.from_array(row).iou(target) < 0.5 for row in off)
    assert (off[:, :2] >= -1e-4).all()
    assert (off[:, :2] + off[:, 2:] <= 320 + 1e-3).all()
    assert len(np.unique(near, axis=0)) == len(np.unique(off, axis=0)) == count


def test_negatives_are_near_and_far():
    off = negative_boxes(np.array([40, 40]), 320, 4000, lambda overlap: overlap < 0.5, rng())
    distance = np.abs(off[:, :2] + off[:, 2:] / 2 - 160).max(axis=1)
    assert 0.4 < (distance <= 80).mean() < 0.7  # half of the draws and a quarter of the rest
    assert (distance > 120).mean() > 0.1


def test_what_happens_where_too_few_boxes_are_found():
    """The stated rule: repeat those found; the target itself, or the corner, if there is none."""
    size, generator = np.array([50.0, 20.0]), rng()
    same = positive_boxes(size, 320, 6, lambda overlap: overlap > 0.999, generator)
    assert np.allclose(same, [135, 150, 50, 20])
    rare = positive_boxes(size, 320, 50, lambda overlap: overlap > 0.93, generator)
    assert rare.shape == (50, 4)
    assert 1 < len(np.unique(rare, axis=0)) < 50
    assert all(Box.from_array(row).iou(Box.from_centre(160, 160, 50, 20)) > 0.93 for row in rare)
    none = negative_boxes(np.array([310.0, 310.0]), 320, 3, lambda overlap: overlap < 0.01, generator)
    assert np.allclose(none, [0, 0, 5, 5])
    assert Box.from_array(none[0]).iou(Box.from_centre(160, 160, 310, 310)) == 0


def test_box_pairs():
    sampler = BoxPairs(BoxPairSampling())
    crops = made_track("a", [3, 400], shade=10)
    seen = set()
    for seed in range(30):
        sample = sampler.finish(sampler.draw(crops, 1, rng(seed)), [], SIZE, rng(seed))
        seen.add((int(sample["exemplar_size"][0]), int(sample["search_size"][0])))
        assert sample["boxes"].shape == (128, 4)
        assert sample["positive"].sum() == 64
        target = Box.from_centre(SIZE / 2, SIZE / 2, *(float(side) for side in sample["search_size"]))
        overlaps = np.array([Box.from_array(row).iou(target) for row in sample["boxes"]])
        assert (overlaps[sample["positive"]] > 0.7).all()
        assert (overlaps[~sample["positive"]] < 0.5).all()
    assert seen == {(40, 40), (40, 41), (41, 40), (41, 41)}


def test_domains():
    sampler = Domains(DomainSampling(), {("made", "a"): 3})
    crops = made_track("a", list(range(20)), shade=10)
    sample = sampler.finish(sampler.draw(crops, 1, rng()), [], SIZE, rng())
    assert len({frame_of(crop) for crop in sample["crops"]}) == 8
    assert sample["domain"] == 3
    assert sample["positives"].shape == (8, 4, 4)
    assert sample["negatives"].shape == (8, 12, 4)
    for size, near, off in zip(sample["sizes"], sample["positives"], sample["negatives"], strict=True):
        target = Box.from_centre(SIZE / 2, SIZE / 2, float(size[0]), float(size[1]))
        assert all(Box.from_array(row).iou(target) >= 0.7 for row in near)
        assert all(Box.from_array(row).iou(target) <= 0.5 for row in off)
    short = sampler.draw(made_track("a", [0, 1, 2], 10), 1, rng())
    counts = np.unique(short.sizes[:, 0], return_counts=True)[1]
    assert counts.tolist() == [3, 3, 2] or sorted(counts) == [2, 3, 3]
    with pytest.raises(DatasetError, match="not in the index"):
        sampler.finish(sampler.draw(made_track("b", [0], 10), 1, rng()), [], SIZE, rng())
    with pytest.raises(ConfigError, match="cannot be shared evenly"):
        DomainSampling(frames=7)


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="negative_share"):
        read_config(PairSampling, {"negative_share": 1.5}, "test")
    with pytest.raises(ConfigError, match="range"):
        read_config(PairSampling, {"range": 3}, "test")


def test_a_broken_crop_names_its_track():
    draw = Draw("made", "v", "v/7", (b"no jpeg",), np.ones((1, 2), np.float32))
    with pytest.raises(DatasetError, match="v/7 is not a JPEG of 160x160"):
        draw.decoded(SIZE)


@pytest.fixture
def cutouts(tmp_path):
    """A red kite, whose middle is not its box's middle when it is turned, and a picture without alpha."""
    picture = np.zeros((200, 300, 4), np.uint8)
    picture[..., 1] = 255  # what transparent pixels hold must not show
    cv2.fillPoly(picture, [np.array([[50, 100], [120, 40], [250, 60], [140, 160]])], (0, 0, 255, 255))
    cv2.imwrite(str(tmp_path / "triangle.png"), picture)
    cv2.imwrite(str(tmp_path / "plain.png"), picture[..., :3])
    (tmp_path / "text.png").write_text("no picture")
    return CutOuts(tmp_path)


@pytest.mark.parametrize("angle", [0, 10, -25, 90])
@pytest.mark.parametrize("side", [160, 320])
def test_composed_objects_lie_in_the_middle_and_have_the_size_that_is_said(cutouts, angle, side):
    assert len(cutouts) == 1
    for spread in (0.9, 1.0, 1.1):
        black = np.zeros((side, side, 3), np.uint8)
        crop, (width, height) = compose(black, cutouts.objects[0], spread, angle, rng())
        assert context_size(width, height) == pytest.approx(127 * spread)
        red = crop[..., 2] > 127
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        assert (columns[0], columns[-1] + 1) == pytest.approx((side / 2 - width / 2, side / 2 + width / 2), abs=2)
        assert (rows[0], rows[-1] + 1) == pytest.approx((side / 2 - height / 2, side / 2 + height / 2), abs=2)
        assert crop[..., :2].max() < 3


def test_cut_outs_are_composed_over_the_crops_that_were_read(tmp_path, cutouts):
    sampler = Pairs(PairSampling(cutouts=str(tmp_path), cutout_share=1.0))
    generator = rng()
    tracks = [made_track("a", [0], 60), made_track("b", [0], 160)]
    draws = [sampler.draw(track, 1, generator) for track in tracks]
    shades = set()
    for _ in range(40):
        sample = sampler.finish(draws[0], draws, SIZE, generator)
        middle = sample["exemplar"][SIZE // 2 - 4 : SIZE // 2 + 4, SIZE // 2 - 4 : SIZE // 2 + 4]
        assert (middle[..., 2] > 200).all()
        assert context_size(*sample["exemplar_size"]) == pytest.approx(127, abs=0.01)
        assert 127 * 0.89 < context_size(*sample["search_size"]) < 127 * 1.11
        shades.add((int(sample["exemplar"][0, 0, 0]) // 50, int(sample["search"][0, 0, 0]) // 50))
    assert shades == {(1, 1), (1, 3)}


def test_folders_without_cut_outs(tmp_path):
    with pytest.raises(DatasetError, match="no PNG file with alpha"):
        CutOuts(tmp_path)
    with pytest.raises(DatasetError, match="not a folder"):
        CutOuts(tmp_path / "nowhere")


def test_cut_outs_of_16_bits_a_channel_are_those_of_8(tmp_path):
    picture = rng().integers(0, 256, (40, 30, 4), dtype=np.uint8)
    picture[..., 3] = 255
    for name, image in (("deep", picture.astype(np.uint16) * 257), ("usual", picture)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "object.png"), image)
    deep, usual = (CutOuts(tmp_path / name).objects[0] for name in ("deep", "usual"))
    np.testing.assert_array_equal(deep.pixels, usual.pixels)
    assert torch.equal(read_bank(tmp_path / "deep"), read_bank(tmp_path / "usual"))


def test_cut_outs_that_are_nowhere_opaque(tmp_path):
    faint = np.full((40, 40, 4), 100, np.uint8)
    cv2.imwrite(str(tmp_path / "faint.png"), faint)
    with pytest.raises(DatasetError, match="nowhere opaque"):
        CutOuts(tmp_path)
