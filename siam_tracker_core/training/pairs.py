"""Which crops make a pair: two frames of a video, one photograph twice, or a cut-out object before two backgrounds.

The latter teach that the surroundings are not the target.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from siam_tracker_core.training.cutouts import CutOuts
from siam_tracker_core.training.store import CropStore


class Pairs(Dataset[dict[str, Any]]):
    """Pairs of context crops of one target, drawn anew for every epoch.

    The n-th pair is a function of the seed and n alone, so a resumed run sees what an uninterrupted one would.

    Args:
        store: the crops.
        length: number of pairs in all epochs together.
        frame_range: largest distance in frames between the two (SiamFC uses 100; footage here is thinned out).
        video_share: share of pairs from videos; the others come from photographs.
        seed: of the draw.
        held_out: tracks of the store that are not drawn.
        cutouts: objects to compose pairs of.
        cutout_share: share of composed pairs; the others are drawn as without them.

    Raises:
        ValueError: if the store holds no target.
    """

    def __init__(
        self,
        store: CropStore,
        length: int,
        frame_range: int = 50,
        video_share: float = 0.5,
        seed: int = 0,
        held_out: tuple[str, ...] = (),
        cutouts: CutOuts | None = None,
        cutout_share: float = 0.35,
    ) -> None:
        self.store, self.length, self.frame_range, self.seed = store, length, frame_range, seed
        self.cutouts, self.cutout_share = cutouts, cutout_share if cutouts else 0.0
        tracks: dict[str, list[int]] = defaultdict(list)
        self.stills: list[int] = []
        for number, crop in enumerate(store.index):
            if crop.track in held_out:
                continue
            if crop.source == "video":
                tracks[crop.track].append(number)
            elif crop.source == "still":
                self.stills.append(number)
        self.tracks = list(tracks.values())
        if not self.tracks and not self.stills:
            raise ValueError(f"{store.folder} holds no target to make pairs of")
        self.video_share = video_share if self.tracks and self.stills else float(bool(self.tracks))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, number))
        if self.cutouts and rng.random() < self.cutout_share:
            exemplar, search = self.cutouts.pair(self.store, rng)
            return {"exemplar": torch.from_numpy(exemplar), "search": torch.from_numpy(search)}
        if rng.random() < self.video_share:
            # Every video counts alike, however long it is.
            track = self.tracks[rng.integers(len(self.tracks))]
            first = track[rng.integers(len(track))]
            frame = self.store.index[first].frame
            near = [other for other in track if abs(self.store.index[other].frame - frame) <= self.frame_range]
            second = near[rng.integers(len(near))]
        else:
            first = second = self.stills[rng.integers(len(self.stills))]
        return {
            "exemplar": torch.from_numpy(np.array(self.store.pixels[first])),
            "search": torch.from_numpy(np.array(self.store.pixels[second])),
        }
