"""``siam-tracker evaluate``: score trackers on a folder of sequences and write a report."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from siam_tracker_core.commands.tables import accuracy_table, command_line
from siam_tracker_core.datasets import read_sequence, read_sequences
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH
from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.peers import DEFAULT_NANO_MODELS
from siam_tracker_core.evaluation.report import Provenance, write_report
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.runner import Evaluation, evaluate_trackers

PEER_TUNING = "not by us: OpenCV's defaults"
UNKNOWN_TUNING = "not recorded in the weights file"


def evaluate(
    root: Path,
    out: Path = Path("evaluation"),
    trackers: list[str] | str = "siamfc",
    jobs: int = 1,
    device: str = "auto",
    nano_models: Path = DEFAULT_NANO_MODELS,
    threads: int | None = None,
    frames: int | None = None,
    fresh: bool = False,
    title: str = "",
) -> None:
    """Score trackers on sequences with ground truth (OTB's one-pass evaluation) and write a report.

    Results are kept in OUT/results, one file a tracker and sequence; an interrupted run goes on where it stopped.

    Args:
        root: a folder of sequences in OTB's form (img/ and groundtruth_rect.txt), or one such sequence.
        out: folder for report.html, summary.json, plots and results.
        trackers: names of the zoo, weights files, kcf, csrt, mil or nano; several as [a,b,c] or a,b,c.
        jobs: processes that share the sequences; speed is measured fairly with 1 only.
        device: for our trackers: auto, cpu or cuda:0.
        nano_models: folder with NanoTrack's two ONNX files.
        threads: CPU threads for each process; all by default.
        frames: take only the first so many frames of every sequence.
        fresh: run everything again, whatever results there are.
        title: of the report; the folder's name by default.
    """
    names = tracker_names(trackers)
    sequences = load_sequences(root, frames)
    specs = [TrackerSpec.of(name, device, nano_models) for name in names]
    run = evaluate_trackers(specs, sequences, out, jobs=jobs, threads=threads, fresh=fresh)
    finished = {name: results for name, results in run.results.items() if results}
    if not finished:
        raise DatasetError("no tracker finished any sequence: " + describe_failures(run)[0])
    options = {
        "out": (out, None),
        "trackers": (names, None),
        "jobs": (jobs, 1),
        "device": (device, "auto"),
        "nano_models": (nano_models, DEFAULT_NANO_MODELS),
        "threads": (threads, None),
        "frames": (frames, None),
    }
    summaries = write_report(
        out,
        finished,
        title=title or f"One-pass evaluation on {root.resolve().name}",
        command=command_line("evaluate", [root], options),
        notes=notes(run, jobs),
        provenance=provenances(run),
        warnings=describe_failures(run),
        date=datetime.date.today().isoformat(),
    )
    print(accuracy_table(summaries))
    for line in describe_failures(run):
        print(line)
    print(f"report: {out / 'report.html'}")


def tracker_names(trackers: Sequence[str] | str) -> list[str]:
    """The names in a list, or in a text with commas or spaces between them.

    Raises:
        ConfigError: if there is none.
    """
    texts = [trackers] if isinstance(trackers, str) else trackers
    names = [name for text in texts for name in text.strip("[]").replace(",", " ").split()]
    if not names:
        raise ConfigError("no tracker was named; give at least one, e.g. --trackers siamfc")
    return names


def load_sequences(root: Path, frames: int | None = None) -> list[VideoSequence]:
    """All sequences under a folder, or the one that it is; only their first ``frames`` frames if that is given.

    Raises:
        DatasetError: if there is no sequence, or one is malformed.
        ConfigError: if ``frames`` is not positive.
    """
    if frames is not None and frames < 1:
        raise ConfigError(f"frames is {frames}; give 1 or more, or leave it out to take all")
    single = (root / GROUND_TRUTH).is_file()
    sequences = [read_sequence(root)] if single else read_sequences(root)
    return sequences if frames is None else [sequence.head(frames) for sequence in sequences]


def describe_failures(run: Evaluation) -> list[str]:
    """One sentence for each sequence that a tracker did not finish."""
    return [f"{failure.tracker} failed on {failure.sequence}: {failure.reason}" for failure in run.failures]


def notes(run: Evaluation, jobs: int) -> list[str]:
    """What a reader must know of how the run went."""
    total = sum(len(results) for results in run.results.values())
    lines = ["A tracker that says the target is lost keeps its last box, and that box is scored."]
    if jobs > 1:
        lines.append(f"{jobs} processes shared the machine, so speeds are lower than with one.")
    if run.resumed:
        lines.append(f"{run.resumed} of {total} results were taken over from an earlier run in the same folder.")
    return lines


def provenances(run: Evaluation) -> dict[str, Provenance]:
    """Each tracker's weights and what its hyper-parameters were tuned on, as far as its weights file tells."""
    return {name: _provenance(identity) for name, identity in run.identities.items()}


def _provenance(identity: Mapping[str, Any]) -> Provenance:
    training = dict(identity.get("provenance", {}))
    tuned_on = training.pop("tuned_on", PEER_TUNING if "opencv" in identity else UNKNOWN_TUNING)
    details = {name: str(value) for name, value in training.items() if isinstance(value, str | int | float)}
    if "device" in identity:
        details["device"] = identity["device"]
    return Provenance(identity["weights"], str(tuned_on), details)
