"""What the tests of prepared data share: made videos, and what a folder of shards holds."""

from __future__ import annotations

import cv2
import numpy as np

from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.shards import read_shard


def write_sequence(folder, boxes, size=(240, 180), seed=0):
    """A video of a white rectangle, whole pixels exactly, before dark noise, with the boxes as ground truth."""
    (folder / "img").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number, (x, y, width, height) in enumerate(boxes):
        image = rng.integers(0, 60, (size[1], size[0], 3)).astype(np.uint8)
        image[y : y + height, x : x + width] = 255
        cv2.imwrite(str(folder / "img" / f"{number:04d}.png"), image)
    lines = [f"{x + 1},{y + 1},{width},{height}\n" for x, y, width, height in boxes]
    (folder / "groundtruth_rect.txt").write_text("".join(lines))


def everything(folder):
    prepared = open_prepared(folder)
    return [track for shard in prepared.shards for track in read_shard(prepared.info, shard.file, range(len(shard)))]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
