"""``siam-tracker reproduce``: run the experiments of the papers and hold the figures beside the published ones."""

from __future__ import annotations

import datetime
import hashlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from siam_tracker_core.commands.tables import command_line, markdown, number
from siam_tracker_core.commands.words import words_of
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.workers import Backend
from siam_tracker_core.files import write_text
from siam_tracker_core.reproduction.comparison import Row
from siam_tracker_core.reproduction.experiments import Experiment, chosen, read_shards, read_trackers, read_trainings
from siam_tracker_core.reproduction.plan import Plan, Planner, Step, WeightsChoice
from siam_tracker_core.reproduction.report import write_report

CLI = "siam_tracker_core.cli"
RECIPE = "recipe.sha256"


def reproduce(
    paper: str,
    table: int | None = None,
    figure: int | None = None,
    data: Path | None = None,
    out: Path = Path("reproduction"),
    weights: WeightsChoice = "zoo",
    list: bool = False,
    dry_run: bool = False,
    frames: int | None = None,
    sequences: list[str] | str = "",
    jobs: int = 1,
    backend: Backend = "local",
    address: str = "",
    device: str = "auto",
    launcher: str = "",
) -> None:
    """Run the declared experiments of a paper and report our figures beside the published ones.

    Finished steps stay as they are, so the same command goes on with an interrupted run. docs/papers.md tells more.

    Args:
        paper: srt, dsiam, siamrpn, cascade or siamdw; all for --list and --dry-run.
        table: the number of a table of the paper; with neither table nor figure, all of the paper.
        figure: the number of a figure.
        data: the folder with the data sets, each in a folder of its name: otb, vot2015, vot2016, vot2017, ilsvrc-vid,
            youtube-bb, alov, deform-sot, imagenet; and rivals/otb and the like with other trackers' published results.
        out: folder for shards, trainings, evaluations and reports.
        weights: zoo takes the weights that come with the package, and leaves out what has none; train trains each
            tracker by its paper's recipe.
        list: only list the experiments, with their status, the data that they need and the hours to expect.
        dry_run: only print the steps.
        frames: take only the first so many frames of every sequence of a one-pass evaluation, to try it out.
        sequences: names of the only ones to evaluate, each shown over time and as a film strip.
        jobs: processes that share the sequences.
        backend: local, or dask to evaluate on the workers of a cluster.
        address: of the Dask scheduler, e.g. tcp://host:8786.
        device: auto, cpu or cuda:0.
        launcher: what trainings are started with in place of python, e.g. "torchrun --nproc_per_node 4".
    """
    experiments = chosen(paper, table, figure)
    if list:
        print(_listed(experiments))
        return
    if paper == "all" and not dry_run:
        raise ConfigError("all is for --list and --dry-run; name one paper to run")
    options: dict[str, tuple[Any, Any]] = {
        "jobs": (jobs, 1),
        "backend": (backend, "local"),
        "address": (address, ""),
        "device": (device, "auto"),
    }
    more = tuple(
        word for name, (value, usual) in options.items() if value != usual for word in (f"--{name}", str(value))
    )
    if named := words_of(sequences):
        more += ("--sequences", *named)
    if data is None and not dry_run:
        raise ConfigError("where do the data sets lie? give --data with the folder that holds otb, vot2016 and so on")
    planner = Planner(data or Path("DATA"), out, weights, more, strict=not dry_run)
    plans = [(experiment, _cut(planner.plan(experiment), frames)) for experiment in experiments]
    if dry_run:
        print("\n\n".join(_steps(experiment, plan) for experiment, plan in plans))
        return
    asked: dict[str, tuple[Any, Any]] = {
        "table": (table, None),
        "figure": (figure, None),
        "data": (data, None),
        "out": (out, None),
    }
    asked |= {"weights": (weights, "zoo"), "frames": (frames, None), "sequences": (named, [])}
    asked |= {**options, "launcher": (launcher, "")}
    command = command_line("reproduce", [paper], asked)
    for experiment, plan in plans:
        if named:
            plan.left_out.insert(0, f"Only {', '.join(named)} were run: no figure is the benchmark's.")
        for step in plan.steps:
            _run(step, launcher)
        folder = out / experiment.paper / experiment.item
        date = datetime.date.today().isoformat()
        rows = write_report(experiment, plan, folder, command, date, frames)
        print(f"\n{experiment.paper}, {experiment.label}: {experiment.title}\n\n{_compared(rows)}")
        print(*plan.left_out, sep="\n")
        print(f"report: {folder / 'report.html'}")


def _run(step: Step, launcher: str) -> None:
    """Run a step, unless it was finished before.

    Raises:
        ConfigError: if a training's recipe changed since its weights were made.
        DatasetError: if a file that it needs is missing, or it fails; it has told why.
    """
    mark = None if step.result is None or not step.recipe else step.result.with_name(RECIPE)
    digest = hashlib.sha256(step.recipe.encode()).hexdigest()
    if mark is not None and mark.is_file() and mark.read_text().strip() != digest:
        raise ConfigError(
            f"the recipe of {mark.parent} changed since that training began; remove the folder to begin anew"
        )
    if step.result is not None and step.result.is_file():
        print(f"finished before: {step.line}")
        return
    for path, what in step.inputs.items():
        if not path.is_file():
            raise DatasetError(f"{path} is missing; it should be {what}")
    if mark is not None:
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_text(mark, digest + "\n")
    print(f"\n{step.line}", flush=True)
    start = shlex.split(launcher) if launcher and step.words[0] in ("train", "pretrain") else [sys.executable]
    # A process of its own, so that torchrun can start it and a training's memory is given back.
    if (status := subprocess.run([*start, "-m", CLI, *step.words], check=False).returncode) != 0:
        raise DatasetError(f"this step ended with status {status}, the ones before stay finished: {step.line}")
    if step.made is not None and step.result is not None:
        shutil.copyfile(step.made, step.result)


def _cut(plan: Plan, frames: int | None) -> Plan:
    """The plan with the one-pass evaluations cut to the first frames."""
    if frames is None:
        return plan
    steps = []
    for step in plan.steps:
        cut = step.words[:2] == ("evaluate", "otb")
        steps.append(Step((*step.words, "--frames", str(frames))) if cut else step)
    return Plan(steps, plan.labels, plan.evaluations, plan.left_out)


def _steps(experiment: Experiment, plan: Plan) -> str:
    lines = [f"# {experiment.paper}, {experiment.label}: {experiment.title}", *(step.line for step in plan.steps)]
    return "\n".join([*lines, *(f"# {sentence}" for sentence in plan.left_out)])


def needed(experiment: Experiment) -> tuple[list[str], list[str]]:
    """The data sets that an experiment's evaluations need, and those that its trainings need."""
    trackers, trainings = read_trackers(), read_trainings()
    names = [name for evaluation in experiment.evaluations for name in evaluation.trackers]
    recipes = [trainings[trackers[name].training] for name in names if trackers[name].training]
    test = dict.fromkeys(evaluation.data for evaluation in experiment.evaluations)
    training = dict.fromkeys(read_shards()[name].data for recipe in recipes for name in recipe.shards)
    training |= {"imagenet": None} if any(recipe.backbone for recipe in recipes) else {}
    return [*test], [*training]


def _listed(experiments: list[Experiment]) -> str:
    rows = []
    for experiment in experiments:
        test, training = needed(experiment)
        data = ", ".join(test) + (f" (training: {', '.join(training)})" if training else "")
        name = f"{experiment.paper} {experiment.label}"
        rows.append(
            [name, experiment.status, data or "–", number(experiment.hours, 0), experiment.title, experiment.why]
        )
    return markdown(["experiment", "status", "data", "hours", "shows", "left out"], rows)


def _compared(rows: list[Row]) -> str:
    header = ["in the paper", "on", "figure", "paper", "ours", "difference"]
    cells = [
        [row.name, row.on, row.metric, f"{row.paper:.3f}", number(row.ours, 3), number(row.difference, 3)]
        for row in rows
    ]
    return markdown(header, cells) if rows else "The paper gives no numbers for this in its text."
