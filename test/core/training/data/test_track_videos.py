"""Prepared data sets as videos and back: the same tracks, nearly the same pictures, far fewer bytes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_shards import SIZE, made_set, made_track

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.prepared_set import PreparedSet
from siam_tracker_core.training.data.shards import TrackCrops, read_shard
from siam_tracker_core.training.data.track_videos import (
    Encoding,
    encode,
    frames_of,
    is_videos,
    read_videos,
    write_videos,
)

pytest.importorskip("av")


def all_of(prepared: PreparedSet) -> list[TrackCrops]:
    return [sample for shard in prepared.shards for sample in read_shard(prepared.info, shard.file, range(len(shard)))]


def pixels(sample: TrackCrops) -> np.ndarray:
    return np.stack([cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) for image in sample.images])


def test_tracks_and_photographs_come_back_in_order_with_what_they_show(tmp_path: Path) -> None:
    tracks = [made_track(f"v{n}", list(range(n, n + 6)), 20 * n) for n in range(3)]
    stills = [made_track(f"image#{n}", [0], 10 + 20 * n) for n in range(7)]
    prepared = made_set(tmp_path / "set", [tracks, stills])
    written = write_videos(prepared.info, all_of(prepared), tmp_path / "videos", Encoding())
    assert written == (10, 25)
    assert is_videos(tmp_path / "videos")
    assert not is_videos(tmp_path / "set")
    again = read_videos(tmp_path / "videos", tmp_path / "again")
    assert read_videos(tmp_path / "videos", tmp_path / "again") == again  # the second time it is only opened
    assert (again.info.data_set, again.info.crop_size) == (prepared.info.data_set, prepared.info.crop_size)
    for before, after in zip(all_of(prepared), all_of(again), strict=True):
        assert (before.video, before.track, before.part, before.parts) == (
            after.video,
            after.track,
            after.part,
            after.parts,
        )
        assert before.frames.tolist() == after.frames.tolist()
        assert np.array_equal(before.sizes, after.sizes)
        assert np.abs(pixels(before).astype(int) - pixels(after)).mean() < 6


def test_crops_of_an_odd_size_keep_it(tmp_path: Path) -> None:
    prepared = made_set(tmp_path / "set", [[made_track("v", [0, 1, 2], 5, size=SIZE + 1)]], size=SIZE + 1)
    write_videos(prepared.info, all_of(prepared), tmp_path / "videos", Encoding())
    (again,) = all_of(read_videos(tmp_path / "videos", tmp_path / "again"))
    assert pixels(again).shape == (3, SIZE + 1, SIZE + 1, 3)


def test_a_video_of_what_moves_takes_a_tenth_of_its_jpeg_files() -> None:
    random = np.random.default_rng(0)
    scene = cv2.GaussianBlur(random.integers(0, 256, (SIZE * 2, SIZE * 2, 3), dtype=np.uint8), (0, 0), 2)
    images = [np.ascontiguousarray(scene[n : n + SIZE, 2 * n : 2 * n + SIZE]) for n in range(40)]
    files = sum(len(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]) for image in images)
    video = encode(images, SIZE, Encoding())
    assert len(video) < files / 10
    decoded = list(frames_of(video, "made"))
    assert len(decoded) == len(images)
    assert np.mean([np.abs(one.astype(int) - other).mean() for one, other in zip(images, decoded, strict=True)]) < 8


def test_what_is_no_pack_or_no_video_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no packed data set"):
        read_videos(tmp_path, tmp_path / "out")
    with pytest.raises(DatasetError, match="cannot be decoded; pack it again"):
        next(frames_of(b"no video", "videos.tar"))
    prepared = made_set(tmp_path / "set", [[made_track("v", [0, 1], 5)]])
    with pytest.raises(DatasetError, match="allow more megabytes"):
        write_videos(prepared.info, [], tmp_path / "none", Encoding())
