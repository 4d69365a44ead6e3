"""Batches out of shards: disjoint ranks, the same batches whatever the workers, the contract, and the crop store."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_shards import SIZE, made_set, made_track

from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.data.crop_store import CropStore, build_store, decode
from siam_tracker_core.training.data.data_module import ShardData, Source, TrainingData, loading_rate
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.sampler_settings import ClipSampling, DomainSampling, PairSampling
from siam_tracker_core.training.data.shards import read_shard
from siam_tracker_core.training.data.streams import share_out

# Shades of the made crops tell tracks apart; JPEG keeps them to 1 or 2.
STEP = 8


def shades(batch, name="exemplar"):
    """The track of each sample, by its shade."""
    return [round(float(crop[..., 0].float().mean()) / STEP) for crop in batch[name]]


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


def config(root, *names, **options):
    options = {"batch_size": 4, "steps_per_epoch": 6, "workers": 0, "streams": 2, "shuffle_buffer": 8, **options}
    return TrainingData(sources=tuple(Source(str(root / name)) for name in names), **options)


def batches(data, epoch=0, rank=0, ranks=1):
    return list(data.loader(epoch, rank, ranks))


def equal(first, second):
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(first, second, strict=True)
    )


def test_the_batches_that_the_engine_relies_on(root):
    data = ShardData(config(root, "videos", "stills", pairs=PairSampling(negative_share=0.5)))
    assert data.steps() == len(data.train_dataloader()) == 6
    made = batches(data)
    assert len(made) == 6
    form = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in made[0].items()}
    assert form == {
        "exemplar": ((4, SIZE, SIZE, 3), torch.uint8),
        "search": ((4, SIZE, SIZE, 3), torch.uint8),
        "exemplar_size": ((4, 2), torch.float32),
        "search_size": ((4, 2), torch.float32),
        "negative": ((4,), torch.bool),
        "loose": ((4,), torch.bool),
        "track": ((4,), torch.int64),
    }
    by_shade, kinds = {}, Counter()
    for batch in made:
        for sample in range(4):
            first, second = shades(batch)[sample], shades(batch, "search")[sample]
            negative = bool(batch["negative"][sample])
            kinds[negative] += 1
            assert (first != second) == negative
            assert (batch["search_size"][sample] == 0).all() == negative
            by_shade.setdefault(first, set()).add(int(batch["track"][sample]))
    assert min(kinds[True], kinds[False]) >= 4
    assert all(len(numbers) == 1 for numbers in by_shade.values())
    assert len(set.union(*by_shade.values())) == len(by_shade)


def test_every_epoch_can_have_the_samples_of_the_first(root):
    data = ShardData(config(root, "videos", same_samples=True))
    assert equal(batches(data, epoch=0), batches(data, epoch=3))
    assert not equal(batches(ShardData(config(root, "videos")), epoch=3), batches(data))


def test_samples_that_validate_are_of_other_videos_and_stay_the_same(root):
    options = {"validation_share": 0.3, "validation_samples": 10}
    data = ShardData(config(root, "videos", "one", **options))
    loader = data.validation_loader()
    validated = list(loader)
    assert len(validated) == 3, "ten samples in batches of four"
    assert equal(validated, list(loader))
    seen = {shade for batch in validated for shade in shades(batch)}
    trained = {shade for epoch in range(3) for batch in batches(data, epoch) for shade in shades(batch)}
    assert seen
    assert trained
    assert not seen & trained, "of the same videos in both sources"
    assert not {f"v{shade:02d}" for shade in seen} & set(data.description()["sequences"])
    with pytest.raises(ConfigError, match=r"validation_samples is 4 and validation_share 0\.0; give both, or neither"):
        config(root, "videos", validation_samples=4)
    with pytest.raises(DatasetError, match="give a larger one"):
        ShardData(config(root, "videos", validation_samples=4, validation_share=1e-9))


def test_other_kinds_of_batches(root):
    clips = batches(ShardData(config(root, "videos", kind="clips", clips=ClipSampling(length=4))))[0]
    assert clips["crops"].shape == (4, 4, SIZE, SIZE, 3)
    assert clips["sizes"].shape == (4, 4, 2)
    boxes = batches(ShardData(config(root, "videos", "stills", kind="box_pairs")))[0]
    assert boxes["boxes"].shape == (4, 128, 4)
    assert boxes["positive"].dtype == torch.bool
    data = ShardData(config(root, "videos", kind="domains", domains=DomainSampling(frames=2), batch_size=1))
    assert len(data.domains) == 24
    for batch in batches(data):
        assert batch["positives"].shape == (1, 2, 16, 4)
        assert batch["negatives"].shape == (1, 2, 48, 4)
        assert data.domains[int(batch["domain"])] == (
            "made",
            f"v{shades({'crops': batch['crops'][0]}, 'crops')[0]:02d}",
        )


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_the_batches_do_not_depend_on_the_number_of_workers(root, memory):
    options = {"streams": 4, "memory": memory, "pairs": PairSampling(negative_share=0.3)}
    alone = batches(ShardData(config(root, "videos", "stills", **options)))
    for workers in (1, 2, 4):
        assert equal(alone, batches(ShardData(config(root, "videos", "stills", workers=workers, **options))))


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_an_epoch_is_a_function_of_seed_epoch_and_rank(root, memory):
    data = ShardData(config(root, "videos", memory=memory))
    third = batches(data, epoch=2, rank=1, ranks=2)
    assert equal(third, batches(ShardData(config(root, "videos", memory=memory)), epoch=2, rank=1, ranks=2))
    others = [
        batches(data, epoch=3, rank=1, ranks=2),
        batches(data, epoch=2, rank=0, ranks=2),
        batches(ShardData(config(root, "videos", memory=memory, seed=1)), epoch=2, rank=1, ranks=2),
    ]
    assert not any(equal(third, other) for other in others)


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


def test_what_cannot_be_trained_on(root, tmp_path):
    with pytest.raises(DatasetError, match=r"give --shards or data\.sources"):
        ShardData(TrainingData())
    with pytest.raises(DatasetError, match="no data set that `siam-tracker prepare` finished"):
        ShardData(config(tmp_path, "nowhere"))
    with pytest.raises(DatasetError, match="holds photographs, of which no pairs can be made"):
        ShardData(config(root, "photographs"))
    with pytest.raises(DatasetError, match="holds stills, of which no clips can be made; give videos"):
        ShardData(config(root, "stills", kind="clips"))
    with pytest.raises(DatasetError, match="shorter than 10 frames"):
        ShardData(config(root, "videos", kind="clips"))
    made_set(tmp_path / "small", [[made_track("a", [0], 8, size=64)]], size=64)
    mixed = replace(config(root, "videos"), sources=(Source(str(root / "videos")), Source(str(tmp_path / "small"))))
    with pytest.raises(DatasetError, match="different sizes"):
        ShardData(mixed)
    with pytest.raises(ConfigError, match="3 workers cannot share 8 streams evenly; give 0, 1, 2, 4, 8"):
        TrainingData(workers=3)
    with pytest.raises(ConfigError, match="weight"):
        read_config(TrainingData, {"sources": [{"path": "a", "weight": 0}]}, "test")


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_tracks_without_successive_frames_end_in_an_error(tmp_path, memory):
    made_set(tmp_path / "set", [[made_track("a", [0, 5, 10, 15], 8)]])
    options = {"kind": "clips", "clips": ClipSampling(length=3), "memory": memory}
    with pytest.raises(DatasetError, match="none has 3 successive frames"):
        batches(ShardData(config(tmp_path, "set", **options)))
    assert batches(ShardData(config(tmp_path, "set", **{**options, "clips": ClipSampling(length=3, gap=5)})))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_shard_is_an_error_also_out_of_a_worker(tmp_path, workers):
    made_set(tmp_path / "set", [[made_track(f"v{n}", [0, 1, 2], 8) for n in range(4)]])
    path = tmp_path / "set" / "000000.tar"
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DatasetError, match=r"000000\.tar"):
        batches(ShardData(config(tmp_path, "set", workers=workers, memory=0)))


class Watcher(lightning.LightningModule):
    """Writes down what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def training_step(self, batch, number):
        self.seen.append(batch["track"].tolist())
        return self.weight.square().sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(data, folder, epochs, checkpoint=None):
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        reload_dataloaders_every_n_epochs=1,
    )
    watcher = Watcher()
    trainer.fit(watcher, data, ckpt_path=checkpoint)
    trainer.save_checkpoint(folder / f"{epochs}.ckpt")
    return watcher.seen


def test_a_resumed_training_sees_what_an_uninterrupted_one_would(root, tmp_path):
    settings_ = config(root, "videos", "stills", steps_per_epoch=3)
    whole = fit(ShardData(settings_), tmp_path, 3)
    assert len(whole) == 9
    assert len({str(batch) for batch in whole}) == 9
    assert whole[6:] == [batch["track"].tolist() for batch in batches(ShardData(settings_), epoch=2)]
    fit(ShardData(settings_), tmp_path, 2)
    assert fit(ShardData(settings_), tmp_path, 3, checkpoint=tmp_path / "2.ckpt") == whole[6:]


def test_the_rate_of_loading(root):
    assert loading_rate(ShardData(config(root, "videos", steps_per_epoch=1)), seconds=0.05) > 1


def test_store_holds_every_crop_of_the_shards(root, tmp_path):
    store = build_store(tmp_path / "store", [root / "videos", root / "photographs"])
    assert len(store) == 24 * 6 + 8
    assert (store.crop_size, store.pixels.dtype) == (SIZE, np.uint8)
    number = 0
    for name in ("videos", "photographs"):
        prepared = open_prepared(root / name)
        for shard in prepared.shards:
            for track in read_shard(prepared.info, shard.file, range(len(shard))):
                for place, image in enumerate(track.images):
                    crop = store.index[number]
                    assert (crop.source, crop.track, crop.frame) == (track.data_set, track.track, track.frames[place])
                    assert (crop.width, crop.height) == tuple(track.sizes[place])
                    assert np.array_equal(store.pixels[number], decode(image, SIZE, "test"))
                    number += 1
    again = build_store(tmp_path / "store", [root / "videos", root / "photographs"])
    assert again.index == CropStore(tmp_path / "store").index == store.index
    with pytest.raises(DatasetError, match="crops of other data sets"):
        build_store(tmp_path / "store", [root / "one"])


def test_a_store_is_not_taken_for_one_of_the_same_data_prepared_otherwise(root, tmp_path):
    build_store(tmp_path / "store", [root / "videos"])
    other = tmp_path / "videos"
    shutil.copytree(root / "videos", other)
    index = json.loads((other / "index.json").read_text())
    index["shards"][0]["size"] += 1  # as another quality of the JPEG files gives
    (other / "index.json").write_text(json.dumps(index))
    with pytest.raises(DatasetError, match="crops of other data sets"):
        build_store(tmp_path / "store", [other])


def test_stores_that_are_none(root, tmp_path):
    with pytest.raises(DatasetError, match="give at least one folder"):
        build_store(tmp_path / "store", [])
    with pytest.raises(DatasetError, match="not a crop store"):
        CropStore(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 1}')
    with pytest.raises(DatasetError, match="has format 1, expected 2"):
        CropStore(tmp_path)
