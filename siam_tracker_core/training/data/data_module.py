"""Training data for PyTorch Lightning: batches out of shards, decoded in worker processes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import cv2
import pytorch_lightning as lightning
import torch
from annotated_types import Ge, Lt
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.limits import Count, NotNegative, Whole
from siam_tracker_core.training.data.crop_store import common_crop_size
from siam_tracker_core.training.data.loader import PatientLoader
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.sampler_settings import BoxPairSampling, ClipSampling, DomainSampling, PairSampling
from siam_tracker_core.training.data.samplers import BoxPairs, Clips, Domains, Pairs, Sampler
from siam_tracker_core.training.data.selection import (
    Source,
    beyond_share,
    domains_of,
    held_out_videos,
    sequences_of,
    supply_of,
    validating_videos,
    videos_of,
)
from siam_tracker_core.training.data.streams import Reading, Stream, Supply, parts_of_rank

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TrainingData:
    """What is trained on, and how it is read.

    Attributes:
        sources: prepared data sets, each with its ``path`` and its ``weight`` (1 by default).
        kind: what a sample is: two frames (``pairs``), successive frames (``clips``, DSiam), boxes of two frames
            (``box_pairs``, SRT) or boxes of several frames of one domain (``domains``, MDNet).
        pairs, clips, box_pairs, domains: settings of each kind; the others' are not looked at.
        batch_size: samples in a batch.
        steps_per_epoch: batches in an epoch of each process.
        workers: processes that read and decode; 0 reads in the training process. They must divide ``streams`` evenly,
            and do not change the samples.
        streams: independent draws from the data, which take turns in giving batches; each reads its own part of it.
        shuffle_buffer: draws that wait in a stream's shuffle buffer of each source. A draw takes about 30 kB, encoded.
        draws: samples from a track each time that it is read from its shard. More read less and repeat a track sooner.
        memory: gigabytes; sources that take no more than this all together are read into memory once, in each process.
        same_samples: every epoch has the samples of the first: a fixed set of ``steps_per_epoch`` batches, as SRT's
            50,000 pairs and DSiam's 2,000 clips.
        held_out: videos, or tracks whose videos, are left out.
        validation_share: of each source's videos that is left out too, and that validates; the same ones with every
            seed.
        validation_samples: of these videos, the same after every epoch, whose loss is told as ``validation_loss``; 0
            tells none.
        seed: of the draw.
    """

    sources: tuple[Source, ...] = ()
    kind: Literal["pairs", "clips", "box_pairs", "domains"] = "pairs"
    pairs: PairSampling = field(default_factory=PairSampling)
    clips: ClipSampling = field(default_factory=ClipSampling)
    box_pairs: BoxPairSampling = field(default_factory=BoxPairSampling)
    domains: DomainSampling = field(default_factory=DomainSampling)
    batch_size: Count = 16
    steps_per_epoch: Count = 60
    workers: Whole = 1
    streams: Count = 8
    shuffle_buffer: Count = 128
    draws: Count = 8
    memory: NotNegative = 1.0
    same_samples: bool = False
    held_out: tuple[str, ...] = ()
    validation_share: Annotated[float, Ge(0), Lt(1)] = 0.0
    validation_samples: Whole = 0
    seed: Whole = 0

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {"batch": "batch_size", "shuffle": "shuffle_buffer"}

    def __post_init__(self) -> None:
        if self.workers and self.streams % self.workers:
            divisors = [str(number) for number in range(1, self.streams + 1) if self.streams % number == 0]
            raise ConfigError(
                f"{self.workers} workers cannot share {self.streams} streams evenly; give 0, {', '.join(divisors)}, or "
                "other streams"
            )
        if bool(self.validation_samples) != bool(self.validation_share):
            raise ConfigError(
                f"validation_samples is {self.validation_samples} and validation_share {self.validation_share}; "
                "give both, or neither"
            )


class ShardData(lightning.LightningDataModule):
    """Batches of ``steps_per_epoch`` for this process and epoch.

    Epoch, rank and number of ranks are the trainer's, which must reload the data every epoch
    (``reload_dataloaders_every_n_epochs=1``). The batches are a function of settings, data, epoch and rank, so a run
    resumed at an epoch sees what an uninterrupted one would. Ranks read disjoint tracks in an epoch; an epoch longer
    than the data reads them again.

    A batch holds what ``samplers`` says of a sample of the kind, with the batch as first axis.

    Args:
        config: settings.

    Raises:
        DatasetError: if there is no source, a source cannot be opened or has no target, crop sizes differ, a name in
            ``held_out`` is unknown, or nothing is left.
    """

    def __init__(self, config: TrainingData) -> None:
        super().__init__()
        self.config = config
        if not config.sources:
            raise DatasetError(
                "there is nothing to train on: give --shards or data.sources, folders that `siam-tracker prepare` wrote"
            )
        sets = [open_prepared(source.path) for source in config.sources]
        common_crop_size(sets)
        held_out = held_out_videos(sets, config.held_out)
        beyond = [
            held_out | beyond_share(each, source.share) for each, source in zip(sets, config.sources, strict=True)
        ]
        validating = [
            validating_videos(each, config.validation_share) - out for each, out in zip(sets, beyond, strict=True)
        ]
        left_out = [out | videos for out, videos in zip(beyond, validating, strict=True)]
        self.domains = domains_of(sets, left_out)
        self.sequences = sequences_of(sets, left_out)
        self.sampler = _sampler(config, self.domains)
        self.supplies = [
            supply_of(each, source, unwanted, self.sampler, config.kind)
            for each, source, unwanted in zip(sets, config.sources, left_out, strict=True)
        ]
        others = [videos_of(each) - videos for each, videos in zip(sets, validating, strict=True)]
        self.validating = [
            supply_of(each, source, unwanted, self.sampler, config.kind)
            for each, source, unwanted, videos in zip(sets, config.sources, others, validating, strict=True)
            if videos
        ]
        if config.validation_samples and not self.validating:
            raise DatasetError(
                f"a validation_share of {config.validation_share:g} has no video to validate with; give a larger one"
            )
        self.fits = sum(each.size for each in sets) <= config.memory * 1e9

    def steps(self) -> int:
        """Batches in an epoch of this process."""
        return self.config.steps_per_epoch

    def train_dataloader(self) -> DataLoader[Any]:
        # Lightning cannot know that the workers share the batches out.
        warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")
        trainer = self.trainer
        if trainer is None:
            return self.loader(epoch=0)
        return self.loader(trainer.current_epoch, trainer.global_rank, trainer.world_size)

    def loader(self, epoch: int, rank: int = 0, ranks: int = 1, steps: int | None = None) -> DataLoader[Any]:
        """The batches of one epoch for one of several processes.

        Args:
            epoch: number of the epoch.
            rank: number of the process.
            ranks: how many processes there are.
            steps: batches, where it is not ``steps_per_epoch``.

        Raises:
            DatasetError: if a source has fewer samples than there are processes, or cannot be read into memory.
        """
        if self.fits:
            for supply in self.supplies:
                supply.hold()
        place = (0 if self.config.same_samples else epoch, rank, ranks)
        return self._loader(self.supplies, steps or self.steps(), place, self.config.workers)

    def validation_loader(self) -> DataLoader[Any]:
        """The samples that validate, the same every time; every process reads all of them."""
        steps = -(-self.config.validation_samples // self.config.batch_size)
        return self._loader(self.validating, steps, (0, 0, 1), workers=0)

    def _loader(self, supplies: list[Supply], steps: int, place: tuple[int, int, int], workers: int) -> DataLoader[Any]:
        """Batches of some supplies; ``place`` is epoch, rank and number of ranks."""
        config = self.config
        buffer, batch_size = config.shuffle_buffer, config.batch_size
        reading = Reading(config.seed, config.draws, buffer, min(buffer, 4 * batch_size), config.streams)
        return _Loader(
            _Batches(supplies, self.sampler, reading, batch_size, steps, *place),
            batch_size=None,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_one_thread,
        )

    def description(self) -> dict[str, Any]:
        """What is trained on, for the provenance of weights."""
        return {
            "sources": [
                {"data_set": supply.info.data_set, "samples": len(supply), "weight": supply.weight}
                for supply in self.supplies
            ],
            "tracks": len(self.domains),
            "sequences": self.sequences,
            "held_out": sorted(self.config.held_out),
        }


def _sampler(config: TrainingData, domains: list[tuple[str, str]]) -> Sampler:
    if config.kind == "pairs":
        return Pairs(config.pairs)
    if config.kind == "clips":
        return Clips(config.clips)
    if config.kind == "box_pairs":
        return BoxPairs(config.box_pairs)
    return Domains(config.domains, {domain: number for number, domain in enumerate(domains)})


class _Loader(PatientLoader):
    """Knows its length, for progress bars; a length of its data set would be taken for one of each worker."""

    def __len__(self) -> int:
        return self.dataset.steps  # type: ignore[attr-defined,no-any-return]


class _Batches(IterableDataset[Batch]):
    """The batches of one epoch; the n-th comes from stream n modulo the number of streams."""

    def __init__(
        self,
        supplies: list[Supply],
        sampler: Sampler,
        reading: Reading,
        batch: int,
        steps: int,
        epoch: int,
        rank: int,
        ranks: int,
    ) -> None:
        self.supplies, self.sampler, self.reading, self.batch, self.steps = supplies, sampler, reading, batch, steps
        self.epoch, self.rank = epoch, rank
        by_supply = [parts_of_rank(supply, reading, epoch, rank, ranks) for supply in supplies]
        self.parts = list(zip(*by_supply, strict=True))

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        streams: dict[int, Stream] = {}
        for number in range(first, self.steps, step):
            place = number % self.reading.streams
            if place not in streams:
                words = (self.reading.seed, self.epoch, self.rank, place)
                streams[place] = Stream(self.supplies, self.parts[place], self.sampler, self.reading, words)
            yield default_collate([streams[place].sample() for _ in range(self.batch)])


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)


def loading_rate(data: ShardData, seconds: float = 10.0) -> float:
    """Samples a second that loading gives by itself, the start of the workers and their first batch not counted.

    Args:
        data: what to load.
        seconds: how long to measure; at least one batch is.
    """
    batches = iter(data.loader(epoch=0, steps=1_000_000_000))
    next(batches)
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < seconds:
        next(batches)
        count += 1
    return count * data.config.batch_size / (time.perf_counter() - began)
