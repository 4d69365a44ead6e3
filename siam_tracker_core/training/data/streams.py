"""Endless samples out of shards: who reads what, and the shuffle buffer between reading and decoding.

A process (rank) has a fixed number of streams, and a stream reads its own part of the data, which no other stream of
any rank reads in this epoch. What a stream yields depends on the seed, the epoch, the rank and its number alone. Worker
processes share the streams out among them, so how many there are does not change what is trained on.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.samplers import Draw, Sample, Sampler
from siam_tracker_core.training.data.shards import SetInfo, TrackCrops, read_shard

# Tells the generator that shares out shards, equal in all ranks, from those of the streams.
_SHARING = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """The samples of one shard that are wanted.

    Attributes:
        file: the shard's name.
        places: of the samples in it, ascending.
    """

    file: str
    places: NDArray[np.intp]


@dataclass(frozen=True)
class Supply:
    """A prepared data set, as far as it is trained on.

    Attributes:
        info: of the data set.
        shards: with at least one sample wanted of each.
        weight: its share of the draws, relative to the others' weights.
        loose: its boxes say where targets are, but not exactly how large.
        held: samples in memory, by file and place.
    """

    info: SetInfo
    shards: tuple[Wanted, ...]
    weight: float
    loose: bool = False
    held: dict[str, dict[int, TrackCrops]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(shard.places) for shard in self.shards)

    def hold(self) -> None:
        """Read all that is wanted into memory.

        Raises:
            DatasetError: if a shard cannot be read.
        """
        for shard in self.shards:
            if shard.file not in self.held:
                samples = read_shard(self.info, shard.file, shard.places)
                self.held[shard.file] = dict(zip(shard.places.tolist(), samples, strict=True))


@dataclass(frozen=True)
class Reading:
    """How samples are drawn.

    Attributes:
        seed: of the draw.
        draws: from a track each time that it is read from its shard; a track in memory is drawn from once a turn.
        shuffle: draws that wait in a stream's buffer of each data set.
        start: draws that are in it before the first is taken.
        streams: of each rank.
    """

    seed: int
    draws: int
    shuffle: int
    start: int
    streams: int


def share_out(counts: Many[int], parts: int, rng: np.random.Generator) -> list[list[tuple[int, int, int]]]:
    """Share shards out in disjoint parts.

    With at least as many shards as parts, a part gets whole shards. With fewer, each part gets every m-th sample of one
    shard, and large shards are shared by more parts than small ones.

    Args:
        counts: samples in each shard, positive.
        parts: how many; at most the sum of ``counts``.
        rng: which part gets what; equal generators give equal answers.

    Returns:
        For each part, a list of ``shard, first, step``: the samples ``first, first + step, ...`` of the shard.
    """
    if len(counts) >= parts:
        order = rng.permutation(len(counts))
        return [[(int(shard), 0, 1) for shard in order[part::parts]] for part in range(parts)]
    takers = [1] * len(counts)
    # The next part goes to the shard with most samples a part.
    heap = [(-float(count), shard) for shard, count in enumerate(counts)]
    heapq.heapify(heap)
    for _ in range(parts - len(counts)):
        _, shard = heapq.heappop(heap)
        takers[shard] += 1
        heapq.heappush(heap, (-counts[shard] / takers[shard], shard))
    shares = [(shard, first, step) for shard, step in enumerate(takers) for first in range(step)]
    return [[shares[place]] for place in rng.permutation(parts)]


def parts_of_rank(supply: Supply, reading: Reading, epoch: int, rank: int, ranks: int) -> list[tuple[Wanted, ...]]:
    """What each stream of a rank reads in an epoch.

    With fewer samples than streams, streams of one rank, never of two, read the same ones.

    Raises:
        DatasetError: if there are fewer samples than ranks.
    """
    if len(supply) < ranks:
        raise DatasetError(
            f"{supply.info.location} has {len(supply)} samples to train on, too few for {ranks} processes to read "
            "different ones; use fewer processes or more data"
        )
    different = min(reading.streams, len(supply) // ranks)
    words = (reading.seed, epoch, _SHARING)
    shares = share_out([len(shard.places) for shard in supply.shards], ranks * different, np.random.default_rng(words))
    own = shares[rank * different : (rank + 1) * different]
    return [
        tuple(
            Wanted(supply.shards[shard].file, supply.shards[shard].places[first::step])
            for shard, first, step in own[stream % different]
        )
        for stream in range(reading.streams)
    ]


class Buffer:
    """Draws in random order: reads a data set's part again and again, and gives what waits at random.

    Args:
        supply: the data set.
        part: what to read of it.
        sampler: picks frames.
        reading: settings.
        rng: of the stream.
    """

    def __init__(
        self, supply: Supply, part: Many[Wanted], sampler: Sampler, reading: Reading, rng: np.random.Generator
    ) -> None:
        self.supply, self.part, self.reading, self.rng = supply, part, reading, rng
        self.sampler = sampler.of(supply.info)
        self.waiting: list[Draw] = []
        self._source = self._draws()

    def fill(self) -> None:
        """Read until ``start`` draws wait."""
        while len(self.waiting) < self.reading.start:
            self.waiting.append(next(self._source))

    def take(self) -> Draw:
        """A draw at random; the buffer grows by one until ``shuffle`` wait, so that the first need not wait for all."""
        for _ in range(2 if len(self.waiting) < self.reading.shuffle else 1):
            self.waiting.append(next(self._source))
        place = int(self.rng.integers(len(self.waiting)))
        self.waiting[place], self.waiting[-1] = self.waiting[-1], self.waiting[place]
        return self.waiting.pop()

    def _draws(self) -> Iterator[Draw]:
        every = self.supply.info.every
        while True:
            tried = gained = 0
            for number in self.rng.permutation(len(self.part)):
                for crops, draws in self._read(self.part[number]):
                    for _ in range(draws):
                        draw = self.sampler.draw(crops, every, self.rng)
                        tried += 1
                        if draw is not None:
                            gained += 1
                            yield draw
            if tried and not gained:
                files = ", ".join(wanted.file for wanted in self.part)
                raise DatasetError(
                    f"no track in {files} of {self.supply.info.location} gives a sample: none has "
                    f"{self.sampler.least} successive frames; ask for fewer, or for fewer streams, so that each reads "
                    "more tracks"
                )

    def _read(self, wanted: Wanted) -> Iterator[tuple[TrackCrops, int]]:
        """Tracks of a shard, and how often to draw from each.

        All tracks count alike, however many parts they have; a single frame is drawn once, having no other to give.
        """
        held = self.supply.held.get(wanted.file)
        if held is None:
            draws, tracks = self.reading.draws, read_shard(self.supply.info, wanted.file, wanted.places)
        else:
            draws, tracks = 1, (held[place] for place in self.rng.permutation(wanted.places).tolist())
        for crops in tracks:
            single = len(crops) == crops.parts == 1
            yield crops, 1 if single else int(draws / crops.parts + self.rng.random())


class Stream:
    """Endless samples of several data sets, mixed by their weights.

    Args:
        supplies: the data sets.
        parts: what to read of each.
        sampler: makes samples.
        reading: settings.
        words: seed, epoch, rank and number of the stream.
    """

    def __init__(
        self,
        supplies: Many[Supply],
        parts: Many[Many[Wanted]],
        sampler: Sampler,
        reading: Reading,
        words: tuple[int, ...],
    ) -> None:
        self.rng = np.random.default_rng(words)
        self.sampler = sampler
        self.crop_size = supplies[0].info.crop_size
        self.buffers = [
            Buffer(supply, part, sampler, reading, self.rng) for supply, part in zip(supplies, parts, strict=True)
        ]
        weights = np.array([supply.weight for supply in supplies])
        self._bounds = np.cumsum(weights / weights.sum())[:-1]
        self._filled = False

    def sample(self) -> Sample:
        """The next one.

        Raises:
            DatasetError: if a shard cannot be read, or has nothing of what is wanted.
        """
        if not self._filled:
            for buffer in self.buffers:
                buffer.fill()
            self._filled = True
        buffer = self._any_buffer()
        sample = self.sampler.finish(buffer.take(), self._any_buffer().waiting, self.crop_size, self.rng)
        return {**sample, "loose": buffer.supply.loose}

    def _any_buffer(self) -> Buffer:
        return self.buffers[int(np.searchsorted(self._bounds, self.rng.random(), side="right"))]
