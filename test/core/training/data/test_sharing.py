"""How samples are shared out: disjoint ranks, weights of sources, videos that are held out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_batches import STEP, batches, config, shades
from made_shards import made_set, made_track

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.data_module import ShardData, Source, TrainingData
from siam_tracker_core.training.data.streams import share_out


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 1.0])
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("name", ["videos", "one"])
def test_ranks_see_disjoint_tracks_and_all_of_them_together(root, name, ranks, memory):
    """With more shards than parts, with fewer, and with one; an epoch goes over the data several times."""
    data = ShardData(config(root, name, streams=4, steps_per_epoch=60, memory=memory, draws=2))
    for epoch in (0, 1):
        seen = [
            {shade for batch in batches(data, epoch, rank, ranks) for shade in shades(batch)} for rank in range(ranks)
        ]
        assert sum(len(tracks) for tracks in seen) == len(set.union(*seen)) == 24


def test_streams_of_a_rank_share_what_there_is_too_little_of(root, tmp_path):
    made_set(tmp_path / "few", [[made_track(f"v{n}", [0, 1], STEP * n) for n in range(3)]])
    data = ShardData(config(tmp_path, "few", streams=8, steps_per_epoch=16))
    assert {shade for batch in batches(data) for shade in shades(batch)} == {0, 1, 2}
    seen = [{shade for batch in batches(data, rank=rank, ranks=3) for shade in shades(batch)} for rank in range(3)]
    assert sorted(seen, key=min) == [{0}, {1}, {2}]
    with pytest.raises(DatasetError, match="3 samples to train on, too few for 4 processes"):
        data.loader(epoch=0, rank=0, ranks=4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 40), st.integers(0, 3))
def test_shards_are_shared_out_once_and_evenly(counts, parts, seed):
    parts = min(parts, sum(counts))
    shares = share_out(counts, parts, np.random.default_rng(seed))
    taken = [
        [(shard, place) for shard, first, step in share for place in range(counts[shard])[first::step]]
        for share in shares
    ]
    everything = [sample for part in taken for sample in part]
    assert len(shares) == parts
    assert sorted(everything) == [(shard, place) for shard, count in enumerate(counts) for place in range(count)]
    assert all(taken)
    if len(counts) >= parts:
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_tracks_count_alike_however_long_they_are(tmp_path):
    """One track in five parts and nine in one: each is a tenth of the draws."""
    long = [made_track("long", list(range(4 * n, 4 * n + 4)), 200, part=n, parts=5) for n in range(5)]
    short = [made_track(f"s{n}", [0, 1, 2], 8 * n) for n in range(9)]
    made_set(tmp_path / "set", [[*long, *short]])
    for memory in (0.0, 1.0):
        data = ShardData(
            config(tmp_path, "set", batch_size=50, steps_per_epoch=40, streams=1, shuffle_buffer=64, memory=memory)
        )
        count = Counter(shade for batch in batches(data) for shade in shades(batch))
        assert count[25] / 2000 == pytest.approx(0.1, abs=0.03)


def test_sources_are_drawn_by_their_weights(root):
    sources = (Source(str(root / "videos"), 3.0), Source(str(root / "stills"), 1.0))
    data = ShardData(
        TrainingData(sources=sources, batch_size=50, steps_per_epoch=40, workers=0, streams=2, shuffle_buffer=32)
    )
    share = np.mean([shade >= 24 for batch in batches(data) for shade in shades(batch)])
    assert share == pytest.approx(0.25, abs=0.04)


def test_a_batch_mixes_the_tracks(root):
    """Draws of one reading of a track do not come one after the other."""
    data = ShardData(config(root, "one", batch_size=16, streams=1, shuffle_buffer=64, memory=0, steps_per_epoch=20))
    for batch in batches(data)[4:]:
        assert len(set(shades(batch))) >= 5


def test_a_share_of_a_source_is_part_of_every_larger_one(root):
    def videos(share, seed=0):
        source = Source(str(root / "one"), share=share)
        data = ShardData(replace(config(root, "one", seed=seed), sources=(source,)))
        drawn = {shade for batch in batches(data, 0) for shade in shades(batch)}
        kept = {int(track[1:]) for _, track in data.domains}
        assert drawn <= kept
        return kept

    some, more, everything = videos(0.3), videos(0.6), videos(1.0)
    assert some < more < everything == set(range(24))
    assert 2 <= len(some) <= 12  # binomial, of 24
    assert 9 <= len(more) <= 20
    assert videos(0.3, seed=5) == some


def test_held_out_videos_are_not_seen(root, tmp_path):
    data = ShardData(config(root, "one", steps_per_epoch=60, held_out=("v03", "v07")))
    seen = {shade for batch in batches(data) for shade in shades(batch)}
    assert seen == set(range(24)) - {3, 7}
    assert data.description() == {
        "sources": [{"data_set": "made", "samples": 22, "weight": 1.0}],
        "tracks": 22,
        "sequences": [f"v{number:02d}" for number in range(24) if number not in (3, 7)],
        "held_out": ["v03", "v07"],
    }
    made_set(tmp_path / "set", [[made_track(name, [0], 8) for name in ("v/0", "v/1", "w/0")]])
    assert len(ShardData(config(tmp_path, "set", held_out=("v/0",))).domains) == 1  # the whole video goes
    with pytest.raises(DatasetError, match=r"held_out names ghost, which is in none of .*one"):
        ShardData(config(root, "one", held_out=("v03", "ghost")))
    with pytest.raises(DatasetError, match="all of it is held out"):
        ShardData(config(root, "one", held_out=tuple(f"v{n:02d}" for n in range(24))))
