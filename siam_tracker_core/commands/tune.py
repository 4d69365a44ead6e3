"""``siam-tracker tune``: choose a tracker's hyper-parameters on held-out sequences."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from siam_tracker_core.commands.answers import answering
from siam_tracker_core.commands.sequences import first_frames, load_sequences
from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.commands.words import words_of
from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.report.figures import Table
from siam_tracker_core.evaluation.resolve import TrackerSpec, describe
from siam_tracker_core.evaluation.runner import set_threads
from siam_tracker_core.evaluation.tuning_record import fingerprint, write_settings
from siam_tracker_core.evaluation.workers import Backend, Workers
from siam_tracker_core.files import check_outputs
from siam_tracker_core.machine import versions
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.tuning.held_out import check_held_out, split_by_name
from siam_tracker_core.tuning.search import Found, search
from siam_tracker_core.tuning.spaces import Parameter, as_settings, current_value, space_of

SETTINGS = "tuned.yaml"


def tune(
    tracker: str,
    root: Path,
    tuned_on: str = "",
    out: Path = Path("tuning"),
    space: Path | None = None,
    trials: int = 100,
    seed: int = 0,
    sequences: list[str] | str = "",
    benchmark_names: bool = False,
    frames: int | None = None,
    jobs: int = 1,
    backend: Backend = "local",
    address: str = "",
    device: str = "auto",
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Search for a tracker's hyper-parameters with Optuna's TPE, on sequences that no result is reported on.

    Writes OUT/tuned.yaml, for track --settings, load_tracker(config=...) and evaluate --trackers NAME+OUT/tuned.yaml;
    comments in it record what it was tuned on. An interrupted search goes on where it stopped, and one with more trials
    than before adds to them.

    Args:
        tracker: a name of the zoo or a weights file.
        root: a folder of held-out sequences in OTB's form (img/ and groundtruth_rect.txt). One that is marked as a test
            set by its name is refused.
        tuned_on: what these sequences are, in words, e.g. "six held-out training videos". Required.
        out: folder for tuned.yaml, trials.csv and the state of the search.
        space: YAML file of SETTING: {low: 0.1, high: 0.8}, or {choices: [3, 5]}; by default the space that SiamDW
            published for trackers of this kind.
        trials: how many in all. SiamDW took 600 to 1000, and 1000 to 3000 for region proposals.
        seed: of the search; the same seed gives the same trials.
        sequences: names of the sequences to take; all by default.
        benchmark_names: also take sequences that bear the name of one of OTB or VOT, which are left out by default. No
            result on these benchmarks may be reported then.
        frames: take only the first so many frames of every sequence.
        jobs: processes that share the sequences of a trial.
        backend: local, or dask to run on the workers of a cluster.
        address: of the Dask scheduler, e.g. tcp://host:8786.
        device: auto, cpu or cuda:0.
        threads: CPU threads for each process; all by default.
        json: print the settings, the file that holds them, and their score for a script.
    """
    check_held_out(root, tuned_on)
    check_outputs({"--out": out}, [root, space])
    videos = first_frames(_chosen(load_sequences(root), sequences, benchmark_names), frames)
    spec = TrackerSpec.of(tracker, device)
    model = spec.make()
    if not isinstance(model, Tracker):
        raise ConfigError(f"{tracker} is OpenCV's; only trackers of this package have settings to tune")
    weights = next(iter(describe(spec, model)["weights"].values()))
    config = model.config
    searched = space_of(config, space)
    set_threads(threads)
    with Workers(jobs, backend, address) as workers:
        found = search(spec, videos, searched, out, workers, weights=weights, trials=trials, seed=seed, threads=threads)
    record = {
        "tuned_on": tuned_on,
        "tracker": spec.label,
        "weights": weights,
        "success_auc": {"before": found.before, "after": found.after},
        "trials": len(found.trials),
        "seed": seed,
        "space": {name: _without_gaps(parameter) for name, parameter in searched.items()},
        "frames": "all" if frames is None else frames,
        "sequences": {video.name: fingerprint(video) for video in videos},
        "versions": versions() | {"Optuna": version("optuna")},
    }
    write_settings(out / SETTINGS, as_settings(found.values), record)
    _trials_table(found).write_csv(out / "trials.csv")
    path = out / SETTINGS
    with answering(json) as answer:
        print(_comparison(found, config, tracker))
        if found.after <= found.before:
            print("No trial was better than the settings that the tracker has; keep those.")
        print(f"settings: {path}; to compare: siam-tracker evaluate ... --trackers {tracker} {tracker}+{path}")
        answer |= {"file": path, "settings": dict(found.values), "success_auc": record["success_auc"]}


def _chosen(videos: list[Sequence], names: list[str] | str, benchmark_names: bool) -> list[Sequence]:
    """The sequences to tune on: those that were asked for, without those that results are reported on."""
    wanted = words_of(names)
    if unknown := sorted(set(wanted) - {video.name for video in videos}):
        raise DatasetError(
            f"there is no sequence {', '.join(unknown)}; there are {', '.join(video.name for video in videos)}"
        )
    videos = [video for video in videos if not wanted or video.name in wanted]
    if benchmark_names:
        return videos
    free, taken = split_by_name(videos)
    listed = ", ".join(video.name for video in taken)
    if not free:
        raise DatasetError(
            f"all sequences bear names of OTB's or VOT's ({listed}), on which results are reported; give others, or "
            "--benchmark_names and report on neither"
        )
    if taken:
        print(f"left out, because OTB or VOT has sequences of these names: {listed}", file=sys.stderr)
    return free


def _without_gaps(parameter: Parameter) -> dict[str, Any]:
    given = {key: value for key, value in asdict(parameter).items() if value not in (None, False, ())}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


def _trials_table(found: Found) -> Table:
    names = list(found.values)
    rows = [[number, *(values[name] for name in names), area] for number, (values, area) in enumerate(found.trials)]
    return Table(["trial", *names, "success_auc"], rows)


def _comparison(found: Found, config: Any, origin: str) -> str:
    rows = [[name, _shown(current_value(config, name, origin)), _shown(value)] for name, value in found.values.items()]
    rows.append(["success AUC", f"{found.before:.3f}", f"{found.after:.3f}"])
    return markdown(["setting", "before", "after"], rows)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
