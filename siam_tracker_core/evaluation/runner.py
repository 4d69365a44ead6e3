"""One-pass evaluation of many trackers on many sequences: keep what they say, resume where it was interrupted."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError, SiamTrackerError
from siam_tracker_core.evaluation.ledger import check_identity, check_sequences, start_of
from siam_tracker_core.evaluation.one_pass import Progress, TrackerCrash, run_sequence
from siam_tracker_core.evaluation.resolve import FrameTracker, TrackerSpec, describe
from siam_tracker_core.evaluation.results import SequenceResult, load_result, save_result
from siam_tracker_core.evaluation.workers import Backend, WorkerDied, Workers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A sequence that a tracker could not finish.

    Attributes:
        tracker, sequence: their names.
        reason: what happened, in one line.
    """

    tracker: str
    sequence: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """What a run gives.

    Attributes:
        results: each tracker's results in the order of the sequences; sequences that failed are left out.
        failures: what is left out, and why.
        resumed: how many results were read from an earlier run.
        identities: each tracker's class, device, configuration and weights' hashes.
    """

    results: dict[str, list[SequenceResult]]
    failures: list[Failure]
    resumed: int
    identities: dict[str, dict[str, Any]]


def evaluate_trackers(
    specs: Many[TrackerSpec],
    sequences: Many[Sequence],
    out: Path,
    *,
    jobs: int = 1,
    backend: Backend = "local",
    address: str = "",
    threads: int | None = None,
    fresh: bool = False,
    show_progress: bool = True,
) -> Evaluation:
    """Evaluate trackers on sequences, one results file a pair under ``out/results/TRACKER/SEQUENCE.csv``.

    Pairs whose file is there already are not run again. A tracker that crashes on a sequence, even one that takes its
    process with it where there are several, and a file that cannot be read lose that pair only.

    Args:
        specs: the trackers, with distinct labels.
        sequences: with distinct names.
        out: folder of the results; made if missing.
        jobs: processes that share the pairs. Times measured with more than one are times on a shared machine.
        backend: "local", or "dask" for the workers of a cluster instead of ``jobs`` processes here; see ``Workers``.
        address: of the Dask scheduler.
        threads: CPU threads that OpenCV and PyTorch may use in each process; their default with one job, an equal share
            of the cores with more, 1 on a cluster.
        fresh: run every pair again, whatever files there are; those of the same pairs are removed first, and all those
            of another tracker of the same name.
        show_progress: a bar with the time left.

    Raises:
        ConfigError: if labels or names repeat, a number is impossible, no cluster answers, or ``out`` holds results of
            another tracker, or on another sequence, of the same name.
        SiamTrackerError: if a tracker cannot be made.
    """
    check_request(specs, sequences, threads)
    with Workers(jobs, backend, address) as workers:
        return _evaluate(specs, sequences, out, workers, threads, fresh, show_progress)


def _evaluate(
    specs: Many[TrackerSpec],
    sequences: Many[Sequence],
    out: Path,
    workers: Workers,
    threads: int | None,
    fresh: bool,
    show_progress: bool,
) -> Evaluation:
    set_threads(workers.threads if threads is None and workers.parallel else threads)
    forget_tracker()  # a weights file may have changed since an earlier run
    identities = {spec.label: describe(spec, spec.make()) for spec in specs}
    for spec in specs:
        folder = out / "results" / spec.label
        check_identity(folder, identities[spec.label], fresh)
        check_sequences(folder, {sequence.name: start_of(sequence) for sequence in sequences}, fresh)
    done: dict[tuple[str, str], SequenceResult] = {}
    waiting: list[tuple[TrackerSpec, Sequence]] = []
    for spec in specs:
        for sequence in sequences:
            path = _result_path(out, spec.label, sequence.name)
            if fresh:
                path.unlink(missing_ok=True)  # or an interruption would leave it to be taken for this run's
            earlier = _earlier_result(path, sequence)
            if earlier is None:
                waiting.append((spec, sequence))
            else:
                done[spec.label, sequence.name] = earlier
    resumed, failures = len(done), []
    with tqdm(
        total=sum(len(sequence) for _, sequence in waiting),
        unit="frame",
        disable=not show_progress or None,
        smoothing=0.05,
    ) as bar:
        for outcome in run_pairs(waiting, workers, threads, bar):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                bar.write(f"{outcome.tracker} failed on {outcome.sequence}: {outcome.reason}")
                continue
            label, result = outcome
            save_result(result, _result_path(out, label, result.name))
            done[label, result.name] = result
    results = {
        spec.label: [done[spec.label, sequence.name] for sequence in sequences if (spec.label, sequence.name) in done]
        for spec in specs
    }
    return Evaluation(results, failures, resumed, identities)


def set_threads(threads: int | None) -> None:
    """Limit the CPU threads of OpenCV and PyTorch in this process; None leaves both as they are."""
    if threads is not None:
        cv2.setNumThreads(threads)
        torch.set_num_threads(threads)


Outcome = tuple[str, SequenceResult] | Failure


def run_pairs(
    pairs: Many[tuple[TrackerSpec, Sequence]], workers: Workers, threads: int | None, bar: tqdm
) -> Iterator[Outcome]:
    """Run each tracker on its sequence, and give each outcome, in any order, as soon as it is there.

    Args:
        pairs: of trackers and sequences.
        workers: where they run.
        threads: CPU threads of each process; by default those that the workers say, and in this process as they are.
        bar: moves with the frames.
    """
    if not workers.parallel:
        for spec, sequence in pairs:
            bar.set_description(f"{spec.label} {sequence.name}")
            before = bar.n
            yield _run_pair(spec, sequence, threads, bar.update)
            bar.update(len(sequence) - (bar.n - before))  # a crash leaves frames that will not be run
        return
    threads = workers.threads if threads is None else threads
    tasks = [(own_copy(spec), findable(sequence), threads) for spec, sequence in pairs]
    for index, outcome in workers.run(_run_pair, tasks):
        spec, sequence = pairs[index]
        if isinstance(outcome, WorkerDied):
            yield Failure(spec.label, sequence.name, outcome.reason)
        else:
            yield outcome
        bar.update(len(sequence))


def own_copy(spec: TrackerSpec) -> TrackerSpec:
    """A tracker that was brought along must not be driven by two threads of one worker at once."""
    return spec if isinstance(spec.source, str) else replace(spec, source=copy.deepcopy(spec.source))


def findable(sequence: Sequence) -> Sequence:
    """With paths that another process understands, whatever folder it was started in."""
    return replace(sequence, frames=tuple(frame.absolute() for frame in sequence.frames))


def _run_pair(spec: TrackerSpec, sequence: Sequence, threads: int | None, progress: Progress | None = None) -> Outcome:
    set_threads(threads)
    try:
        return spec.label, run_sequence(tracker_of_process(spec), sequence, progress)
    except (TrackerCrash, SiamTrackerError) as error:
        return Failure(spec.label, sequence.name, str(error))


class _Process(threading.local):
    """The tracker that was loaded last, for the consecutive sequences that one thread of a process runs with it."""

    spec: TrackerSpec | None = None
    tracker: FrameTracker


_process = _Process()


def forget_tracker() -> None:
    """Let the next task of this process load its tracker anew."""
    _process.spec = None


def tracker_of_process(spec: TrackerSpec) -> FrameTracker:
    """The tracker of a specification, kept from one task of this process to the next."""
    if not isinstance(spec.source, str):
        return spec.source
    if _process.spec != spec:
        _process.spec, _process.tracker = None, spec.make()
        _process.spec = spec
    return _process.tracker


def _result_path(out: Path, label: str, name: str) -> Path:
    return out / "results" / label / f"{name}.csv"


def _earlier_result(path: Path, sequence: Sequence) -> SequenceResult | None:
    if not path.exists():
        return None
    try:
        return load_result(path, sequence)
    except DatasetError as error:
        logger.warning("%s; running the sequence again", error)
        return None


def check_request(specs: Many[TrackerSpec], sequences: Many[Sequence], threads: int | None) -> None:
    """See that there is something to run, and that no two of it share a name.

    Raises:
        ConfigError, DatasetError: if not.
    """
    if not specs:
        raise ConfigError("no tracker was named; give at least one, e.g. siamfc or kcf")
    if not sequences:
        raise DatasetError("there is no sequence to evaluate on")
    if repeated := _repeated(spec.label for spec in specs):
        raise ConfigError(f"tracker {repeated!r} is named twice; results are kept by name, so each must differ")
    if repeated := _repeated(sequence.name for sequence in sequences):
        raise ConfigError(f"two sequences are called {repeated!r}; results are kept by name, so each must differ")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}; give 1 or more, or none for the default")


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]
