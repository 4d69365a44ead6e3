"""VOT's experiments over many trackers and sequences, with results that resume and that vot-toolkit can read."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.ledger import check_identity, check_rules, check_sequences, truth_of
from siam_tracker_core.evaluation.resolve import TrackerSpec, describe
from siam_tracker_core.evaluation.runner import Failure, check_request, forget_tracker, set_threads
from siam_tracker_core.evaluation.vot.campaign import (
    FOLDERS,
    Campaign,
    Experiment,
    Pair,
    Settings,
    experiment_folder,
)
from siam_tracker_core.evaluation.vot.eao import interval_of
from siam_tracker_core.evaluation.vot.efo import FILE as PERFORMANCE
from siam_tracker_core.evaluation.vot.efo import read_performance, write_performance
from siam_tracker_core.evaluation.vot.realtime import RealTime
from siam_tracker_core.evaluation.vot.runs import SupervisedRun
from siam_tracker_core.evaluation.vot.scores import VotScores, vot_scores
from siam_tracker_core.evaluation.vot.supervised import REPETITIONS, Supervision, is_deterministic
from siam_tracker_core.evaluation.workers import Backend, Workers


@dataclass(frozen=True)
class VotEvaluation:
    """What a run of VOT's experiments gives.

    Attributes:
        year: whose interval the expected average overlap is taken over.
        runs: each tracker's runs in each experiment on each sequence, by repetition; a sequence on which any repetition
            failed is left out.
        scores: each tracker's figures in each experiment; an experiment in which every sequence failed is left out.
        failures: what is left out, and why.
        resumed: how many runs were read from an earlier evaluation.
        identities: each tracker's class, device, configuration and weights' hashes.
        supervision: the rules that held.
        real_time: the clock of the real-time experiment.
    """

    year: str
    runs: dict[str, dict[Experiment, dict[str, tuple[SupervisedRun, ...]]]]
    scores: dict[str, dict[Experiment, VotScores]]
    failures: list[Failure]
    resumed: int
    identities: dict[str, dict[str, Any]]
    supervision: Supervision
    real_time: RealTime


def evaluate_vot(
    specs: Many[TrackerSpec],
    sequences: Many[Sequence],
    out: Path,
    *,
    year: str,
    experiments: Many[Experiment] = ("supervised", "realtime"),
    repetitions: int = REPETITIONS,
    jobs: int = 1,
    backend: Backend = "local",
    address: str = "",
    threads: int | None = None,
    fresh: bool = False,
    supervision: Supervision | None = None,
    real_time: RealTime | None = None,
    filter_seconds: Callable[[], float] | None = None,
    show_progress: bool = True,
) -> VotEvaluation:
    """Evaluate trackers by VOT's rules, one file a run under ``out/results/TRACKER/EXPERIMENT/SEQUENCE``.

    Runs whose file is there already are not made again. The supervised experiment is repeated, but once is enough for a
    tracker that is deterministic (``supervised.is_deterministic``), and three equal runs for any other. The real-time
    experiment runs once, always in this process and one run after the other, because time measured on a shared machine
    is not the tracker's.
    A repetition that crashes loses its sequence in that tracker's experiment, and nothing else.

    Args:
        specs: the trackers, with distinct labels.
        sequences: with distinct names.
        out: folder of the results; made if missing.
        year: of the challenge, "2015" to "2019".
        experiments: which to run.
        repetitions: of the supervised experiment for a tracker that is not deterministic.
        jobs, backend, address: where the supervised runs are made; see ``workers.Workers``.
        threads: CPU threads that OpenCV and PyTorch may use in each process; as in ``runner.evaluate_trackers``.
        fresh: make every run again, whatever files there are; those of the same pairs are removed first, and all those
            of another tracker of the same name, or by other rules.
        supervision: the rules; VOT's by default.
        real_time: the clock; 25 frames per second and a grace of 3 by default.
        filter_seconds: measures VOT's filter where the runs are made, for EFO (``efo.filter_seconds``); it is kept with
            the runs. Without one there is no EFO but for runs that have it already.
        show_progress: a bar with the time left.

    Raises:
        ConfigError: if labels or names repeat, a number, year or experiment is impossible, no cluster answers, or
            ``out`` holds results of another tracker, of other rules or on another truth.
        SiamTrackerError: if a tracker cannot be made.
    """
    check_request(specs, sequences, threads)
    interval_of(year)
    if not experiments or any(experiment not in FOLDERS for experiment in experiments):
        raise ConfigError(f"experiments are {list(experiments)}; give one or more of {', '.join(FOLDERS)}")
    if repetitions < 1:
        raise ConfigError(f"repetitions is {repetitions}; give 1 or more (VOT repeats {REPETITIONS} times)")
    settings = Settings(repetitions, supervision or Supervision(), real_time or RealTime(), threads)
    with Workers(jobs, backend, address) as workers:
        set_threads(threads)
        forget_tracker()  # a weights file may have changed since an earlier run
        trackers = {spec.label: spec.make() for spec in specs}
        identities = {spec.label: describe(spec, trackers[spec.label]) for spec in specs}
        sure = {label for label, tracker in trackers.items() if is_deterministic(tracker)}
        for spec in specs:
            check_identity(out / "results" / spec.label, identities[spec.label], fresh)
            for experiment in experiments:
                folder = experiment_folder(out, spec.label, experiment)
                check_rules(folder, _rules(experiment, settings), fresh)
                check_sequences(folder, {sequence.name: truth_of(sequence) for sequence in sequences}, fresh)
        pairs = [
            Pair(spec, sequence, experiment) for experiment in experiments for spec in specs for sequence in sequences
        ]
        campaign = Campaign(pairs, out, settings, sure)
        campaign.resume(fresh)
        for spec in specs:
            _keep_performance(out / "results" / spec.label, filter_seconds, campaign.has_runs(spec))
        with tqdm(unit="frame", disable=not show_progress or None, smoothing=0.05, total=0) as bar:
            campaign.run(workers, bar)
    runs = {
        spec.label: {experiment: campaign.finished(spec, experiment) for experiment in experiments} for spec in specs
    }
    chosen = settings.supervision
    scores = {
        label: {
            experiment: vot_scores(
                found,
                sequences,
                year,
                bounded=chosen.bounded,
                rule=chosen.rule,
                filter_seconds=read_performance(out / "results" / label),
            )
            for experiment, found in of_label.items()
            if found
        }
        for label, of_label in runs.items()
    }
    failures = list(campaign.failures.values())
    return VotEvaluation(
        year, runs, scores, failures, campaign.resumed, identities, settings.supervision, settings.real_time
    )


def _keep_performance(folder: Path, measure: Callable[[], float] | None, has_runs: bool) -> None:
    """Measure the filter for a tracker's first runs; of runs without a measurement the machine is not known."""
    if not has_runs:
        (folder / PERFORMANCE).unlink(missing_ok=True)
        if measure is not None:
            write_performance(folder, measure())


def _rules(experiment: Experiment, settings: Settings) -> dict[str, Any]:
    """What the runs of an experiment depend on beside the tracker and the sequence."""
    rules = {"supervision": asdict(settings.supervision)}
    return rules | ({"real_time": asdict(settings.real_time)} if experiment == "realtime" else {})
