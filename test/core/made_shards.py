"""Small prepared data sets, for the tests of everything that reads shards."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.training.data.prepared_set import PreparedSet, write_index
from siam_tracker_core.training.data.shards import Kind, SetInfo, TrackCrops, write_shard

SIZE = 160


class Deadly(Sequence):
    """A sequence that ends the process that looks at it, as the system does where memory runs out."""

    def image(self, index: int) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def made_track(
    name: str, frames: list[int], shade: int, size: int = SIZE, part: int = 0, parts: int = 1, data_set: str = "made"
) -> TrackCrops:
    """A track whose crops are of one shade of blue, with eight times the frame's number as the shade of green.

    The target's width is 40 pixels plus the place of the frame, its height 30.
    """
    images = []
    for frame in frames:
        crop = np.zeros((size, size, 3), np.uint8)
        crop[..., 0], crop[..., 1] = shade, 8 * frame % 256
        images.append(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())
    sizes = np.array([[40 + place, 30] for place in range(len(frames))], dtype=np.float32)
    video = name.rpartition("/")[0] or name.partition("#")[0]
    visibility = np.ones(len(frames), np.float32)
    return TrackCrops(data_set, video, name, part, parts, np.array(frames), sizes, visibility, tuple(images))


def made_set(
    folder: Path,
    shards: list[list[TrackCrops]],
    kind: Kind = "video",
    size: int = SIZE,
    every: int = 1,
    rate: float | None = None,
) -> PreparedSet:
    """Write tracks as a prepared data set, one list of them a shard."""
    folder.mkdir(parents=True, exist_ok=True)
    info = SetInfo(str(folder), shards[0][0].data_set, kind, size, every, rate)
    entries = [write_shard(folder / f"{n:06d}.tar", info, tracks) for n, tracks in enumerate(shards)]
    prepared = PreparedSet(info, tuple(entry for entry in entries if entry))
    write_index(folder, prepared, {})
    return prepared
