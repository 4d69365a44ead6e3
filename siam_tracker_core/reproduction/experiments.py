"""The declared experiments: config/experiments/PAPER/table1.yaml, and the trackers and trainings that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from annotated_types import Ge

from siam_tracker_core.config import STRICT, read_config, read_yaml
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.resources import EXPERIMENTS, shipped

T = TypeVar("T")
Status = Literal["runs", "needs training", "left out"]

PAPERS = {
    "srt": "Siamese Recurrent Tracker",
    "dsiam": "Dynamic Siamese Network (DSiam)",
    "siamrpn": "Siamese Region Proposal Network (SiamRPN)",
    "cascade": "Cascaded Siamese Tracking",
    "siamdw": "Deeper and Wider Siamese Networks (SiamDW)",
}
_ITEM = re.compile(r"(table|figure)(\d+)")


@dataclass(frozen=True)
class Shards:
    """A data set that is prepared for training.

    Attributes:
        data: the data set's name for ``siam-tracker prepare``, and of its folder.
        options: further words of that command.
    """

    data: str
    options: tuple[str, ...] = ()

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Training:
    """How a tracker's weights come about.

    Attributes:
        recipe: a file of config/train.
        shards: names of prepared data sets.
        shares: of the videos of each prepared data set that are drawn from; all where none is given.
        start: weights to start from: a path below the output folder or the data's root, or a name of the zoo.
        before: commands that make what the training starts from.
        options: further words of ``siam-tracker train``, which set this training off from its recipe.
        backbone: what is pre-trained on ImageNet's classes and begins the training, with its options; in place of
            ``start`` and ``before``.
        backbone_options: of it.
    """

    recipe: str
    shards: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    start: str = ""
    before: tuple[tuple[str, ...], ...] = ()
    options: tuple[str, ...] = ()
    backbone: str = ""
    backbone_options: Mapping[str, bool | int | str] = field(default_factory=dict)

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class PaperTracker:
    """A tracker of a paper.

    Attributes:
        zoo: the trained one that comes with the package, empty if there is none.
        training: the paper's training of it, a name of trainings.yaml; empty if there is none here.
        settings: a file of config/trackers, without its suffix.
        join: two trackers, of whose weights those of a cascade are joined: with ``--weights train``, and where there is
            none in the zoo.
        made: commands that make its weights without a training, as OUT/trainings/NAME.safetensors; run with ``--weights
            train`` only.
        differs: in what the one of the zoo differs from the paper's.
    """

    zoo: str = ""
    training: str = ""
    settings: str = ""
    join: tuple[str, ...] = ()
    made: tuple[tuple[str, ...], ...] = ()
    differs: str = ""

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Evaluation:
    """One run of ``siam-tracker evaluate``.

    Attributes:
        data: otb, or vot with the year.
        version: of otb: 2013 or 2015.
        trackers: names of trackers.yaml.
        experiment: of vot.
        rate: of vot's real-time clock, in frames a second.
    """

    data: Literal["otb", "vot2015", "vot2016", "vot2017"]
    trackers: tuple[str, ...]
    version: Literal["", "2013", "2015"] = ""
    experiment: Literal["supervised", "realtime"] = "supervised"
    rate: Annotated[float, Ge(1.0)] = 25.0

    __pydantic_config__ = STRICT

    @property
    def name(self) -> str:
        """What tells it from the others of an experiment."""
        return self.data + self.version + ("" if self.experiment == "supervised" else f"-{self.experiment}")


@dataclass(frozen=True)
class Published:
    """The figures of one row of the paper.

    Attributes:
        name: as the paper has it.
        values: by metric, e.g. ``success_auc`` in 0..1; ``precision_20.DEF`` is that of the sequences with DEF.
        evaluation: its name; empty where it was measured otherwise.
        ours: the tracker of trackers.yaml that it is held against; empty for a rival.
    """

    name: str
    values: Mapping[str, float]
    evaluation: str = ""
    ours: str = ""

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Line:
    """One line of a paper's line plot.

    Attributes:
        name: in the legend.
        evaluation: its name.
        at: where each tracker lies along x, from left to right.
        dashed: as the paper draws it.
        mark: at each point, as the paper draws it.
    """

    name: str
    evaluation: str
    at: Mapping[str, float]
    dashed: bool = False
    mark: Literal["circle", "cross"] = "circle"

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class LinePlot:
    """A figure in which the paper draws lines.

    Attributes:
        x: what lies along it, with its unit.
        metric: what lies along y, e.g. ``eao``.
        lines: in the paper's order.
    """

    x: str
    metric: str
    lines: tuple[Line, ...]

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Experiment:
    """One table or figure.

    Attributes:
        title: what it shows.
        status: runs: with what comes along; needs training: before it says anything; left out: see ``why``.
        why: what is left out of it, and why.
        evaluations: what is scored.
        commands: further commands, e.g. of ``analyse``.
        published: the paper's figures; a figure without numbers in its text has none.
        plot: of a figure with lines, what they go through.
        hours: estimated, not measured, on one current GPU with all its data, trainings of ``--weights train`` included.
        paper: its folder's name.
        item: its file's name.
    """

    title: str
    status: Status
    why: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    published: tuple[Published, ...] = ()
    plot: LinePlot | None = None
    hours: Annotated[float, Ge(0.0)] = 0.0
    paper: str = ""
    item: str = ""

    __pydantic_config__ = STRICT

    @property
    def label(self) -> str:
        """As people say it, e.g. ``Table 3``."""
        kind, number = _ITEM.fullmatch(self.item).groups()  # type: ignore[union-attr]  # read_experiments saw to it
        return f"{kind.capitalize()} {number}"

    @property
    def command(self) -> str:
        """The command that runs it, without the folders."""
        kind, number = self.label.lower().split()
        return f"siam-tracker reproduce {self.paper} --{kind} {number}"


@cache
def read_experiments() -> tuple[Experiment, ...]:
    """All declared experiments, paper by paper, tables after figures, by number.

    Raises:
        ConfigError: if a file is not right, or names a tracker that is not declared.
    """
    trackers = read_trackers()
    found = []
    for paper in PAPERS:
        files = sorted((shipped(EXPERIMENTS) / paper).glob("*.yaml"), key=_order)
        for path in files:
            values = read_yaml(path) | {"paper": paper, "item": path.stem}
            experiment = read_config(Experiment, values, str(path))
            named = {name for evaluation in experiment.evaluations for name in evaluation.trackers}
            named |= {row.ours for row in experiment.published if row.ours}
            if unknown := sorted(named - set(trackers)):
                raise ConfigError(f"{path}: {', '.join(unknown)} is not in trackers.yaml")
            _check_lines(experiment, path)
            found.append(experiment)
    return tuple(found)


def _check_lines(experiment: Experiment, path: Path) -> None:
    """See that each line goes through what is run."""
    for line in experiment.plot.lines if experiment.plot else ():
        run = {name for each in experiment.evaluations if each.name == line.evaluation for name in each.trackers}
        if absent := ", ".join(sorted(set(line.at) - run)):
            raise ConfigError(f"{path}: the line {line.name!r} goes through {absent}, not run on {line.evaluation!r}")


@cache
def read_trackers() -> dict[str, PaperTracker]:
    """The papers' trackers by name.

    Raises:
        ConfigError: if trackers.yaml is not right.
    """
    return _table(PaperTracker, "trackers.yaml")


@cache
def read_trainings() -> dict[str, Training]:
    """The papers' trainings by name.

    Raises:
        ConfigError: if trainings.yaml is not right.
    """
    return _table(Training, "trainings.yaml")


@cache
def read_shards() -> dict[str, Shards]:
    """The prepared data sets by name.

    Raises:
        ConfigError: if shards.yaml is not right.
    """
    return _table(Shards, "shards.yaml")


def chosen(paper: str, table: int | None = None, figure: int | None = None) -> list[Experiment]:
    """The experiments of a paper, or of all, or the one that is named.

    Raises:
        ConfigError: if there is none of that name; says which there are.
    """
    if paper != "all" and paper not in PAPERS:
        raise ConfigError(f"there is no paper {paper!r}; known are {', '.join(PAPERS)}, and all")
    if table is not None and figure is not None:
        raise ConfigError("give --table or --figure, not both")
    of_paper = [experiment for experiment in read_experiments() if paper in ("all", experiment.paper)]
    if table is None and figure is None:
        return of_paper
    if paper == "all":
        raise ConfigError(f"of which paper? give one of {', '.join(PAPERS)} before --table or --figure")
    label = f"Table {table}" if table is not None else f"Figure {figure}"
    found = [experiment for experiment in of_paper if experiment.label == label]
    if not found:
        labels = ", ".join(experiment.label for experiment in of_paper)
        raise ConfigError(f"{paper} has no experiment {label}; it has {labels}")
    return found


def _table(kind: type[T], file: str) -> dict[str, T]:
    path = shipped(EXPERIMENTS) / file
    return {name: read_config(kind, values or {}, f"{path}: {name}") for name, values in read_yaml(path).items()}


def _order(path: Path) -> tuple[str, int]:
    found = _ITEM.fullmatch(path.stem)
    if found is None:
        raise ConfigError(f"{path}: an experiment's file is called table1.yaml or figure1.yaml")
    return found[1], int(found[2])
