"""Made videos to prepare, and prepared sets to make batches of."""

from __future__ import annotations

import pytest
from made_batches import STEP
from made_prepared import write_sequence
from made_shards import made_set, made_track


@pytest.fixture
def videos(tmp_path):
    """Three videos of 7, 5 and 4 frames; the second has a tiny target in one frame, the third in all."""
    root = tmp_path / "videos"
    write_sequence(root / "a", [(40 + 10 * n, 50, 40, 24) for n in range(7)])
    write_sequence(root / "b", [(60, 40 + 5 * n, 30, 50) if n != 2 else (60, 40, 5, 5) for n in range(5)], seed=1)
    write_sequence(root / "c", [(60, 40, 6, 6)] * 4, seed=2)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """24 videos of 6 frames in 6 shards, the same in one shard, 8 stills, and photographs."""
    root = tmp_path_factory.mktemp("sets")
    tracks = [made_track(f"v{n:02d}", list(range(6)), STEP * n) for n in range(24)]
    made_set(root / "videos", [tracks[n : n + 4] for n in range(0, 24, 4)])
    made_set(root / "one", [tracks])
    stills = [made_track(f"p{n}.jpg#0", [0], STEP * (24 + n), data_set="stills") for n in range(8)]
    made_set(root / "stills", [stills], kind="stills")
    made_set(root / "photographs", [stills], kind="photographs")
    return root
