"""``siam-tracker evaluate``: score trackers on a benchmark or a folder of sequences and write a report."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siam_tracker_core.commands.answers import answering
from siam_tracker_core.commands.sequences import (
    chosen_sequences,
    first_frames,
    read_sequences_of,
    title_of,
    tracker_names,
    version_of,
    what_and_where,
)
from siam_tracker_core.commands.tables import Summaries, accuracy_table, command_line, vot_table
from siam_tracker_core.commands.words import folders_of, words_of
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.attributes import with_attributes
from siam_tracker_core.evaluation.report.facts import Identities, describe_failures, notes, provenances, tuning_warnings
from siam_tracker_core.evaluation.report.otb import write_report
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.rivals import Rivals, read_rivals
from siam_tracker_core.evaluation.runner import Failure, evaluate_trackers
from siam_tracker_core.evaluation.seen import seen_among, seen_warning
from siam_tracker_core.evaluation.starts import FIRST, check_starts, from_starts
from siam_tracker_core.evaluation.summary import Results
from siam_tracker_core.evaluation.workers import Backend
from siam_tracker_core.files import check_outputs
from siam_tracker_core.files.writing import made_folder
from siam_tracker_core.pixels import Orientation
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

EXPERIMENTS = "supervised realtime"
REPETITIONS = 15  # of VOT-2015 to 2019
RATE = 25.0
PUBLISHED_NOTE = "Scored from results that others published, not run here: {}."


def evaluate(
    benchmark: str,
    root: Path | None = None,
    trackers: list[str] | str = DEFAULT_TRACKER,
    out: Path = Path("evaluation"),
    version: str = "",
    experiments: list[str] | str = EXPERIMENTS,
    repetitions: int = REPETITIONS,
    rate: float = RATE,
    jobs: int = 1,
    backend: Backend = "local",
    address: str = "",
    device: str = "auto",
    peer_models: list[str] | str = "",
    threads: int | None = None,
    frames: int | None = None,
    sequences: list[str] | str = "",
    starts: list[str] | str = FIRST,
    attributes: Path | None = None,
    rivals: list[str] | str = "",
    fresh: bool = False,
    title: str = "",
    orientation: Orientation = "exif",
    json: bool = False,
) -> None:
    """Score trackers on sequences with ground truth and write a report.

    Results are kept in OUT/results, one file a tracker and sequence; an interrupted run goes on where it stopped.

    Args:
        benchmark: what lies in ROOT: otb, vot, got10k, lasot, uav123, dtb70, davis, or folder, which is any sequences
            in OTB's form (img/ and groundtruth_rect.txt). A path instead is such a folder, without --root.
        root: the folder of the data set.
        trackers: names of the zoo, weights files, published ones (kcf, csrt, mil, nano, nanotrack_v3, fear_xs), with
            spaces between them; zoo stands for all of the zoo, and NAME+FILE.yaml runs NAME with the settings in a
            file.
        out: folder for report.html, summary.json, plots and results.
        version: of otb 2013 (51 targets), 50 or 2015 (100, the default); of vot the year, 2015 to 2019, 2017 by
            default.
        experiments: of vot: supervised, realtime.
        repetitions: of vot's supervised experiment, for a tracker whose first three runs are not equal.
        rate: of vot's real-time clock, in frames a second; the challenge of 2017 ran at 20.
        jobs: processes that share the sequences; speed is measured fairly with 1 only.
        backend: local, or dask to run on the workers of a cluster.
        address: of the Dask scheduler, e.g. tcp://host:8786.
        device: for our trackers: auto, cpu or cuda:0.
        peer_models: folders with the ONNX files of nano, nanotrack_v3 and fear_xs, which are not part of this package:
            in them, or in folders right inside.
        threads: CPU threads for each process; all by default.
        frames: take only the first so many frames of every sequence.
        sequences: names of the only ones to run; each is shown over time and as a film strip, in that order.
        starts: first, middle, last. Each run counts like a sequence: first is forward from the first frame, middle
            forward from the middle one, last backward from the last one.
        attributes: a YAML file with the attributes of sequences by name, such as {Crossing: SV DEF FM}, for a folder,
            whose sequences have none of their own.
        rivals: folders of other trackers' published results, which are shown beside ours: OTB's archives (.mat, .txt),
            those of GOT-10k and LaSOT, and VOT's trajectories; see docs/papers.md.
        fresh: run everything again, whatever results there are.
        title: of the report; the data set's name by default.
        orientation: exif turns images as they say, stored leaves them as they lie.
        json: print report, warnings and the figures of each tracker for a script.
    """
    benchmark, root = what_and_where(benchmark, root)
    names, rounds, beginnings = tracker_names(trackers), words_of(experiments), words_of(starts)
    version = version_of(benchmark, version)
    options = {
        "root": (root, None),
        "trackers": (words_of(trackers), None),
        "out": (out, None),
        "version": (version, ""),
        "experiments": (rounds, words_of(EXPERIMENTS)),
        "repetitions": (repetitions, REPETITIONS),
        "rate": (rate, RATE),
        "jobs": (jobs, 1),
        "backend": (backend, "local"),
        "address": (address, ""),
        "device": (device, "auto"),
        "peer_models": (folders_of(peer_models), []),
        "threads": (threads, None),
        "frames": (frames, None),
        "sequences": (words_of(sequences), []),
        "starts": (beginnings, [FIRST]),
        "attributes": (attributes, None),
        "rivals": (folders_of(rivals), []),
        "orientation": (orientation, "exif"),
    }
    archives = folders_of(rivals)
    if archives and frames is not None and benchmark == "vot":
        raise ConfigError("published results of VOT are of whole sequences; leave out --frames or --rivals")
    check_starts(beginnings)
    if beginnings != [FIRST] and (archives or benchmark == "vot"):
        others = "published results are" if archives else "VOT's experiments have starts of their own, and are"
        raise ConfigError(f"{others} of whole sequences; leave out --starts" + " or --rivals" * bool(archives))
    check_outputs({"--out": out}, [root, attributes, *names])
    made_folder(out)
    skipped = Skipped(named=sys.maxsize)
    chosen = words_of(sequences)
    whole = chosen_sequences(read_sequences_of(benchmark, root, version, skipped, orientation), chosen)
    cut = from_starts(first_frames(whole, frames), beginnings)
    request = _Request(
        sequences=cut if attributes is None else with_attributes(cut, attributes),
        chosen=[run.name for run in cut] if chosen else [],
        specs=[TrackerSpec.of(name, device, folders_of(peer_models)) for name in names],
        out=out,
        running={"jobs": jobs, "backend": backend, "address": address, "threads": threads, "fresh": fresh},
        title=title or title_of(benchmark, root, version),
        command=command_line("evaluate", [benchmark], options),
        starts=beginnings,
        left_out=[f"left out: {name}" for names in skipped.names.values() for name in names],
    )
    for line in request.left_out:
        print(line, file=sys.stderr)
    with answering(json) as answer:
        if benchmark == "vot":
            summaries, warnings = _vot(request, version, rounds, repetitions, rate, archives)
            print(vot_table(summaries))
        else:
            published = read_rivals(archives, whole, frames, names) if archives else None
            summaries, warnings = _one_pass(request, published)
            print(accuracy_table(summaries))
        for line in warnings:
            print(line)
        print(f"report: {out / 'report.html'}")
        answer |= {"report": out / "report.html", "warnings": warnings, "trackers": summaries}


@dataclass(frozen=True)
class _Request:
    """What was asked for, in the form in which it is run and reported."""

    sequences: list[VideoSequence]
    chosen: list[str]
    specs: list[TrackerSpec]
    out: Path
    running: dict[str, Any]
    title: str
    command: str
    left_out: list[str]
    starts: list[str]

    def facts(
        self, identities: Identities, failures: Sequence[Failure], resumed: int, total: int, note: str
    ) -> dict[str, Any]:
        """What both reports tell beside the figures."""
        jobs, address = self.running["jobs"], self.running["address"]
        return {
            "title": self.title,
            "command": self.command,
            "notes": [note, *notes(jobs, address, resumed, total)],
            "provenance": provenances(identities),
            "warnings": [
                *self.left_out,
                *tuning_warnings(identities, self.sequences),
                *describe_failures(failures),
            ],
            "date": datetime.date.today().isoformat(),
            "chosen": self.chosen,
        }


def _one_pass(request: _Request, rivals: Rivals | None) -> tuple[Summaries, list[str]]:
    """Run and report the one-pass evaluation; gives the figures of each tracker and the report's warnings.

    Raises:
        DatasetError: if no tracker finished any sequence.
    """
    run = evaluate_trackers(request.specs, request.sequences, request.out, **request.running)
    finished = {name: results for name, results in run.results.items() if results}
    if not finished:
        raise DatasetError("no tracker finished any sequence: " + describe_failures(run.failures)[0])
    total = sum(len(results) for results in finished.values())
    note = "A tracker that says the target is lost keeps its last box, and that box is scored."
    facts = request.facts(run.identities, run.failures, run.resumed, total, note)
    if request.starts != [FIRST]:
        starts = ", ".join(request.starts)
        facts["notes"].append(f"Each sequence was run from its {starts} frame, and each run counts like a sequence.")
    labels = {sequence.name: sequence.attributes for sequence in request.sequences}
    seen = _seen(finished, run.identities)
    facts["warnings"] += [seen_warning(name, finished[name], names) for name, names in seen.items()]
    if rivals is not None:
        facts["warnings"] += rivals.warnings
        facts["notes"].append(PUBLISHED_NOTE.format(", ".join(rivals.results)))
        finished = finished | rivals.results
    return write_report(request.out, finished, labels=labels, seen=seen, **facts), facts["warnings"]


def _seen(results: Results, identities: Identities) -> dict[str, list[str]]:
    """By tracker, the sequences with a result that it has seen in training; those who have seen none are left out."""
    found = {
        name: seen_among([result.name for result in of_tracker], identities[name].get("provenance"))
        for name, of_tracker in results.items()
    }
    return {name: names for name, names in found.items() if names}


def _vot(
    request: _Request,
    year: str,
    experiments: Sequence[str],
    repetitions: int,
    rate: float,
    archives: Sequence[Path],
) -> tuple[Summaries, list[str]]:
    """Run and report VOT's experiments; gives the figures of each tracker and the report's warnings.

    Raises:
        ConfigError: if shapely is not installed, which only VOT needs.
        DatasetError: if no tracker finished any sequence.
    """
    try:
        from siam_tracker_core.evaluation.report.vot import write_vot_report
        from siam_tracker_core.evaluation.rivals.trajectories import with_vot_rivals
        from siam_tracker_core.evaluation.vot import RealTime, evaluate_vot
        from siam_tracker_core.evaluation.vot.efo import filter_seconds
    except ModuleNotFoundError as error:
        raise ConfigError(f"evaluate vot needs the package {error.name}: pip install {error.name}") from None
    run = evaluate_vot(
        request.specs,
        request.sequences,
        request.out,
        year=year,
        experiments=experiments,  # type: ignore[arg-type]  # evaluate_vot refuses others
        repetitions=repetitions,
        real_time=RealTime(rate),
        filter_seconds=filter_seconds if request.running["backend"] == "local" else None,
        **request.running,
    )
    if not any(run.scores.values()):
        raise DatasetError("no tracker finished any sequence: " + describe_failures(run.failures)[0])
    runs = [one for of_tracker in run.runs.values() for found in of_tracker.values() for one in found.values()]
    note = (
        f"Supervised runs were repeated {repetitions} times at most: once where the tracker is known to be "
        "deterministic, thrice where the first three were equal."
    )
    facts = request.facts(run.identities, run.failures, run.resumed, sum(map(len, runs)), note)
    if archives:
        ours = set(run.runs)
        run, gaps = with_vot_rivals(run, archives, request.sequences, experiments)  # type: ignore[arg-type]
        facts["warnings"] += gaps
        facts["notes"].append(PUBLISHED_NOTE.format(", ".join(name for name in run.runs if name not in ours)))
    return write_vot_report(request.out, run, request.sequences, **facts), facts["warnings"]
