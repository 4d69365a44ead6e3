"""Batches out of shards: the same whatever the workers, a function of seed and epoch, and resumed exactly."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import pytorch_lightning as lightning
import torch
from made_batches import batches, config, equal, shades
from made_shards import SIZE, made_set, made_track

from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.data.data_module import ShardData, Source, TrainingData, loading_rate
from siam_tracker_core.training.data.sampler_settings import ClipSampling, DomainSampling, PairSampling


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
