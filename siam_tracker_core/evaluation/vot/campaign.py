"""Many runs of VOT's experiments: which are wanted, which there are, and where the missing ones are made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from tqdm import tqdm

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import DatasetError, SiamTrackerError
from siam_tracker_core.evaluation.one_pass import Progress, TrackerCrash
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.runner import (
    Failure,
    findable,
    own_copy,
    set_threads,
    tracker_of_process,
)
from siam_tracker_core.evaluation.vot.files import load_run, run_path, save_run
from siam_tracker_core.evaluation.vot.realtime import RealTime, run_realtime
from siam_tracker_core.evaluation.vot.runs import SupervisedRun
from siam_tracker_core.evaluation.vot.supervised import EQUAL_RUNS, Supervision, run_supervised
from siam_tracker_core.evaluation.workers import WorkerDied, Workers

Experiment = Literal["supervised", "realtime"]

# What vot-toolkit's stacks call the experiments, and so the folders of their results.
FOLDERS: dict[str, str] = {"supervised": "baseline", "realtime": "realtime"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What holds for every run.

    Attributes:
        repetitions: of the supervised experiment for a tracker that is not deterministic.
        supervision: the rules of both experiments.
        real_time: the clock of the real-time one.
        threads: CPU threads of each process, or None for the default.
    """

    repetitions: int
    supervision: Supervision
    real_time: RealTime
    threads: int | None


class Pair(NamedTuple):
    """One tracker on one sequence in one experiment."""

    spec: TrackerSpec
    sequence: Sequence
    experiment: Experiment

    @property
    def key(self) -> tuple[str, str, str]:
        """Names of the tracker, the sequence and the experiment."""
        return self.spec.label, self.sequence.name, self.experiment


class Campaign:
    """The runs that are wanted, and those that there are.

    Args:
        pairs: what to run.
        out: folder of the results.
        settings: what holds for every run.
        sure: labels of the trackers that are known to be deterministic.

    Attributes:
        failures: what could not be finished, by the pair's key; the first failure of each.
        resumed: how many runs were read from an earlier evaluation.
    """

    def __init__(self, pairs: list[Pair], out: Path, settings: Settings, sure: set[str]) -> None:
        self._pairs = pairs
        self._out = out
        self._settings = settings
        self._sure = sure
        self._done: dict[tuple[str, str, str], dict[int, SupervisedRun]] = {pair.key: {} for pair in pairs}
        self.failures: dict[tuple[str, str, str], Failure] = {}
        self.resumed = 0

    def resume(self, fresh: bool) -> None:
        """Take over the runs of an earlier evaluation, or remove them."""
        for pair in self._pairs:
            if fresh:
                folder = self._path(pair, 1).parent
                for path in [*folder.glob("*.txt"), *folder.glob("*_time.value")]:
                    path.unlink()
                continue
            for repetition in range(1, self._settings.repetitions + 1):
                earlier = _earlier_run(self._path(pair, repetition), pair.sequence, repetition)
                if earlier is not None:
                    self._done[pair.key][repetition] = earlier
            self.resumed += sum(number <= self._wanted(pair) for number in self._done[pair.key])

    def has_runs(self, spec: TrackerSpec) -> bool:
        """Whether there is any run of a tracker yet."""
        return any(self._done[pair.key] for pair in self._pairs if pair.spec is spec)

    def run(self, workers: Workers, bar: tqdm) -> None:
        """Make what is missing. How many repetitions a pair needs can depend on its first ones, hence the rounds."""
        while waiting := self._waiting():
            bar.total = (bar.total or 0) + sum(len(pair.sequence) for pair, _ in waiting)
            bar.refresh()
            for pair, outcome in self._outcomes(waiting, workers, bar):
                if isinstance(outcome, Failure):
                    if pair.key not in self.failures:
                        bar.write(f"{outcome.tracker} failed on {outcome.sequence}: {outcome.reason}")
                    self.failures.setdefault(pair.key, outcome)
                    continue
                save_run(outcome, self._path(pair, outcome.repetition))
                self._done[pair.key][outcome.repetition] = outcome

    def finished(self, spec: TrackerSpec, experiment: Experiment) -> dict[str, tuple[SupervisedRun, ...]]:
        """The runs on each sequence that no repetition failed on."""
        return {
            pair.sequence.name: tuple(
                self._done[pair.key][repetition] for repetition in range(1, self._wanted(pair) + 1)
            )
            for pair in self._pairs
            if pair.spec is spec and pair.experiment == experiment and pair.key not in self.failures
        }

    def _waiting(self) -> list[tuple[Pair, int]]:
        return [
            (pair, repetition)
            for pair in self._pairs
            if pair.key not in self.failures
            for repetition in range(1, self._wanted(pair) + 1)
            if repetition not in self._done[pair.key]
        ]

    def _wanted(self, pair: Pair) -> int:
        """How many repetitions this pair needs, by what is known so far."""
        if pair.experiment == "realtime" or pair.spec.label in self._sure:
            return 1
        done = self._done[pair.key]
        first = [done.get(repetition) for repetition in range(1, min(EQUAL_RUNS, self._settings.repetitions) + 1)]
        known = [run for run in first if run is not None]
        if len(known) < len(first) or all(run.same_as(known[0]) for run in known[1:]):
            return len(first)
        return self._settings.repetitions

    def _outcomes(
        self, waiting: list[tuple[Pair, int]], workers: Workers, bar: tqdm
    ) -> Iterator[tuple[Pair, SupervisedRun | Failure]]:
        apart = [unit for unit in waiting if workers.parallel and unit[0].experiment == "supervised"]
        here = [unit for unit in waiting if not workers.parallel or unit[0].experiment == "realtime"]
        if apart:
            yield from self._run_apart(apart, workers, bar)
        for pair, repetition in here:
            before = bar.n
            if pair.key not in self.failures:
                bar.set_description(f"{pair.spec.label} {pair.sequence.name} {pair.experiment} {repetition}")
                unit = (pair.spec, pair.sequence, pair.experiment, repetition, self._settings, self._settings.threads)
                yield pair, _run_unit(*unit, progress=bar.update)
            bar.update(len(pair.sequence) - (bar.n - before))  # a crash leaves frames that will not be run

    def _run_apart(
        self, units: list[tuple[Pair, int]], workers: Workers, bar: tqdm
    ) -> Iterator[tuple[Pair, SupervisedRun | Failure]]:
        threads = workers.threads if self._settings.threads is None else self._settings.threads
        tasks = [
            (own_copy(pair.spec), findable(pair.sequence), pair.experiment, repetition, self._settings, threads)
            for pair, repetition in units
        ]
        for index, outcome in workers.run(_run_unit, tasks):
            pair, repetition = units[index]
            if isinstance(outcome, WorkerDied):
                outcome = _failure(pair.spec, pair.sequence, pair.experiment, repetition, outcome.reason)
            yield pair, outcome
            bar.update(len(pair.sequence))

    def _path(self, pair: Pair, repetition: int) -> Path:
        return run_path(experiment_folder(self._out, pair.spec.label, pair.experiment), pair.sequence.name, repetition)


def _run_unit(
    spec: TrackerSpec,
    sequence: Sequence,
    experiment: Experiment,
    repetition: int,
    settings: Settings,
    threads: int | None,
    progress: Progress | None = None,
) -> SupervisedRun | Failure:
    set_threads(threads)
    try:
        tracker = tracker_of_process(spec)
        if hasattr(tracker, "repeat"):
            tracker.repeat(repetition - 1)  # other random numbers each time, on every device
        if experiment == "supervised":
            return run_supervised(tracker, sequence, repetition, supervision=settings.supervision, progress=progress)
        if hasattr(tracker, "warm_up"):
            tracker.warm_up()  # a camera's clock starts when the tracker is ready
        return run_realtime(
            tracker,
            sequence,
            repetition,
            real_time=settings.real_time,
            supervision=settings.supervision,
            progress=progress,
        )
    except (TrackerCrash, SiamTrackerError) as error:
        return _failure(spec, sequence, experiment, repetition, str(error))


def _failure(spec: TrackerSpec, sequence: Sequence, experiment: str, repetition: int, reason: str) -> Failure:
    return Failure(spec.label, sequence.name, f"{experiment} experiment, repetition {repetition}: {reason}")


def experiment_folder(out: Path, label: str, experiment: str) -> Path:
    """Where the runs of a tracker in an experiment lie."""
    return out / "results" / label / FOLDERS[experiment]


def _earlier_run(path: Path, sequence: Sequence, repetition: int) -> SupervisedRun | None:
    if not path.exists():
        return None
    try:
        return load_run(path, sequence, repetition)
    except DatasetError as error:
        logger.warning("%s; running it again", error)
        return None
