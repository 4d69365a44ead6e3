"""One-pass evaluation: start each tracker once on each sequence, keep what it says, resume where it was interrupted."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.resolve import FrameTracker, TrackerSpec, describe
from siam_tracker_core.evaluation.results import SequenceResult, load_result, save_result
from siam_tracker_core.geometry import Box

Progress = Callable[[int], object]

IDENTITY = "tracker.json"

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


class TrackerCrash(Exception):
    """A tracker raised in the middle of a sequence; the message names the frame and the cause."""


def run_sequence(tracker: FrameTracker, sequence: Sequence, progress: Progress | None = None) -> SequenceResult:
    """Start a tracker on the first frame of a sequence and follow to the end (OTB's one-pass evaluation).

    Args:
        tracker: anything with ``init(image, box)`` and ``update(image)``. An update gives an object with ``.box`` and,
            if it likes, ``.score`` and ``.state``; a ``Box``; four numbers; or None where it has no answer, which
            counts as a frame without overlap.
        sequence: its first frame must show the target.
        progress: called with 1 after every frame.

    Returns:
        The result; ``seconds`` holds the time of ``init`` in row 0 and of each ``update`` after it, without the reading
        of the image file.

    Raises:
        DatasetError: if the sequence is empty, its first frame has no target, or an image cannot be read.
        TrackerCrash: if the tracker raises.
    """
    first = sequence.box(0) if len(sequence) else None
    if first is None:
        what = "its first frame has no target to start from" if len(sequence) else "it has no frame"
        raise DatasetError(f"sequence {sequence.name} cannot be evaluated: {what}")
    count = len(sequence)
    predicted, scores, seconds = np.full((count, 4), np.nan), np.full(count, np.nan), np.full(count, np.nan)
    states: list[str | None] = [None] * count
    for index in range(count):
        image = sequence.image(index)
        started = time.perf_counter()
        try:
            answer = tracker.init(image, first) if index == 0 else tracker.update(image)
            seconds[index] = time.perf_counter() - started
            if index == 0:
                predicted[0] = first.to_array()
            elif answer is not None:
                predicted[index], scores[index], states[index] = _read_answer(answer)
        except Exception as error:
            cause = f"{type(error).__name__}: {error}".replace("\n", " ").strip()
            raise TrackerCrash(f"frame {index + 1} of {count}: {cause}") from error
        if progress is not None:
            progress(1)
    return SequenceResult(
        sequence.name, sequence.boxes, predicted, scores, tuple(states), seconds, frames=sequence.frames
    )


def evaluate_trackers(
    specs: Many[TrackerSpec],
    sequences: Many[Sequence],
    out: Path,
    *,
    jobs: int = 1,
    threads: int | None = None,
    fresh: bool = False,
    show_progress: bool = True,
) -> Evaluation:
    """Evaluate trackers on sequences, one results file a pair under ``out/results/TRACKER/SEQUENCE.csv``.

    Pairs whose file is there already are not run again. A tracker that crashes on a sequence, and a file that cannot be
    read, lose that pair only.

    Args:
        specs: the trackers, with distinct labels.
        sequences: with distinct names.
        out: folder of the results; made if missing.
        jobs: processes that share the pairs. Times measured with more than one are times on a shared machine.
        threads: CPU threads that OpenCV and PyTorch may use in each process; their default with one job, an equal share
            of the cores with more.
        fresh: run every pair again, whatever files there are.
        show_progress: a bar with the time left.

    Raises:
        ConfigError: if labels or names repeat, a number is impossible, or ``out`` holds results of another tracker.
        SiamTrackerError: if a tracker cannot be made.
    """
    _check_request(specs, sequences, jobs, threads)
    if threads is None and jobs > 1:
        threads = max((os.cpu_count() or 1) // jobs, 1)
    set_threads(threads)
    _loaded.cache_clear()  # a weights file may have changed since an earlier run
    identities = {spec.label: describe(spec, spec.make()) for spec in specs}
    for spec in specs:
        _check_identity(out / "results" / spec.label, identities[spec.label], fresh)
    done: dict[tuple[str, str], SequenceResult] = {}
    waiting: list[tuple[TrackerSpec, Sequence]] = []
    for spec in specs:
        for sequence in sequences:
            earlier = None if fresh else _earlier_result(_result_path(out, spec.label, sequence.name), sequence)
            if earlier is None:
                waiting.append((spec, sequence))
            else:
                done[spec.label, sequence.name] = earlier
    resumed, failures = len(done), []
    with tqdm(
        total=sum(len(sequence) for _, sequence in waiting), unit="frame", disable=not show_progress, smoothing=0.05
    ) as bar:
        for outcome in _run_pairs(waiting, jobs, threads, bar):
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


def _read_answer(answer: Any) -> tuple[np.ndarray, float, str | None]:
    box = getattr(answer, "box", answer)
    row = box.to_array() if isinstance(box, Box) else Box.from_array(box).to_array()
    score, state = getattr(answer, "score", None), getattr(answer, "state", None)
    return (
        row,
        np.nan if score is None else float(score),
        None if state is None else str(getattr(state, "value", state)),
    )


Outcome = tuple[str, SequenceResult] | Failure


def _run_pairs(
    pairs: Many[tuple[TrackerSpec, Sequence]], jobs: int, threads: int | None, bar: tqdm
) -> Iterator[Outcome]:
    if jobs == 1 or len(pairs) < 2:
        for spec, sequence in pairs:
            bar.set_description(f"{spec.label} {sequence.name}")
            before = bar.n
            yield _run_pair(spec, sequence, None, bar.update)
            bar.update(len(sequence) - (bar.n - before))  # a crash leaves frames that will not be run
        return
    import joblib  # type: ignore[import-untyped]

    tasks = (joblib.delayed(_run_pair)(spec, sequence, threads) for spec, sequence in pairs)
    lengths = {sequence.name: len(sequence) for _, sequence in pairs}
    for outcome in joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks):
        yield outcome
        bar.update(lengths[outcome.sequence if isinstance(outcome, Failure) else outcome[1].name])


def _run_pair(spec: TrackerSpec, sequence: Sequence, threads: int | None, progress: Progress | None = None) -> Outcome:
    set_threads(threads)
    try:
        return spec.label, run_sequence(_tracker_of_process(spec), sequence, progress)
    except (TrackerCrash, DatasetError) as error:
        return Failure(spec.label, sequence.name, str(error))


def _tracker_of_process(spec: TrackerSpec) -> FrameTracker:
    return _loaded(spec) if isinstance(spec.source, str) else spec.source


@lru_cache(maxsize=1)
def _loaded(spec: TrackerSpec) -> FrameTracker:
    """The tracker, loaded once for the consecutive sequences that one process runs with it."""
    return spec.make()


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


def _check_identity(folder: Path, identity: dict[str, Any], fresh: bool) -> None:
    """Never mix the results of two trackers that only share a name: other weights, another configuration."""
    path = folder / IDENTITY
    text = json.dumps(identity, indent=2, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != text and not fresh:
        raise ConfigError(
            f"{folder} holds results of another tracker of that name (see {IDENTITY} there: other weights, "
            "configuration or device); give another output folder, or --fresh true to replace them"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _check_request(specs: Many[TrackerSpec], sequences: Many[Sequence], jobs: int, threads: int | None) -> None:
    if not specs:
        raise ConfigError("no tracker was named; give at least one, e.g. siamfc or kcf")
    if not sequences:
        raise DatasetError("there is no sequence to evaluate on")
    if repeated := _repeated(spec.label for spec in specs):
        raise ConfigError(f"tracker {repeated!r} is named twice; results are kept by name, so each must differ")
    if repeated := _repeated(sequence.name for sequence in sequences):
        raise ConfigError(f"two sequences are called {repeated!r}; results are kept by name, so each must differ")
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; give 1 or more processes")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}; give 1 or more, or none for the default")


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]
