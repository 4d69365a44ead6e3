"""From a declared experiment to the commands that run it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from siam_tracker_core.config import read_yaml
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.reproduction.experiments import (
    Evaluation,
    Experiment,
    PaperTracker,
    Training,
    read_shards,
    read_trackers,
    read_trainings,
)
from siam_tracker_core.resources import RECIPES, WEIGHTS, find_config, shipped

WeightsChoice = Literal["zoo", "train"]

# How a backbone is pre-trained on classes, and the place of a tracker's weights in a command.
PRETRAINING = "imagenet_ciresnet22.yaml"
_WEIGHTS = re.compile(r"\{weights:([a-z0-9_]+)\}")

# The folders that a data set may have below the root, in lower case; the first is the one that is asked for.
FOLDERS = {
    "otb": ("otb", "otb100", "otb-100", "otb2015", "otb-2015"),
    "vot2015": ("vot2015", "vot-2015"),
    "vot2016": ("vot2016", "vot-2016"),
    "vot2017": ("vot2017", "vot-2017"),
    "ilsvrc-vid": ("ilsvrc-vid", "ilsvrc2015", "ilsvrc2015_vid", "vid"),
    "youtube-bb": ("youtube-bb", "youtube_bb", "youtubebb"),
    "alov": ("alov", "alov300", "alov300++"),
    "deform-sot": ("deform-sot", "deform_sot"),
    "imagenet": ("imagenet", "imagenet2012", "imagenet-1k", "ilsvrc2012"),
}


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        words: what follows ``siam-tracker``.
        result: the file that says it was finished before; None for one that looks after that itself.
        inputs: files that must be there, with what they are.
        made: what the command writes, if it is to be copied to ``result``.
        recipe: of a training, the text that its weights depend on.
    """

    words: tuple[str, ...]
    result: Path | None = None
    inputs: dict[Path, str] = field(default_factory=dict)
    made: Path | None = None
    recipe: str = ""

    @property
    def line(self) -> str:
        """The command as one types it."""
        return shlex.join(["siam-tracker", *self.words])


@dataclass(frozen=True)
class Plan:
    """What an experiment comes to.

    Attributes:
        steps: in order.
        labels: the results' name of each tracker of trackers.yaml.
        evaluations: the folder of each evaluation.
        left_out: sentences on what is not run.
    """

    steps: list[Step]
    labels: dict[str, str]
    evaluations: dict[str, Path]
    left_out: list[str]


@dataclass(frozen=True)
class Planner:
    """Makes plans.

    Attributes:
        root: the folder with all data sets.
        out: where everything goes.
        weights: ``zoo`` takes what comes with the package and leaves other trackers out; ``train`` trains each tracker
            that has a training of its paper.
        options: further words of every evaluation.
        strict: whether a missing data set is an error; else the place where it was expected stands for it.
    """

    root: Path
    out: Path
    weights: WeightsChoice = "zoo"
    options: tuple[str, ...] = ()
    strict: bool = True

    def plan(self, experiment: Experiment) -> Plan:
        """The steps of an experiment.

        Raises:
            DatasetError: if a data set is missing; says which, where it was looked for and what would be right.
            ConfigError: if a declaration is not right.
        """
        here = self.out / experiment.paper / experiment.item
        steps: list[Step] = []
        labels: dict[str, str] = {}
        left_out = [experiment.why] if experiment.why else []
        folders: dict[str, Path] = {}
        for name in dict.fromkeys(name for one in experiment.evaluations for name in one.trackers):
            source, needed, reason = self._source(name)
            if reason:
                left_out.append(reason)
            if source:
                labels[name] = TrackerSpec.of(source).label
                steps += [step for step in needed if step not in steps]
        for evaluation in experiment.evaluations:
            sources = [self._source(name)[0] for name in evaluation.trackers if name in labels]
            if sources:
                folders[evaluation.name] = here / evaluation.name
                steps.append(self._evaluate(evaluation, sources, here / evaluation.name))
            else:
                left_out.append(f"{evaluation.name} is not evaluated: none of its trackers has weights.")
        for words in experiment.commands:
            missing = [name for word in words for name in _WEIGHTS.findall(word) if not self._weights(name)]
            if missing:
                left_out.append(f"{words[0]} is left out: there are no weights of {', '.join(missing)}.")
            else:
                steps.append(Step(tuple(self._filled(word, here) for word in words)))
        return Plan(steps, labels, folders, left_out)

    def data(self, name: str) -> Path:
        """The folder of a data set below the root.

        Raises:
            DatasetError: if there is none.
        """
        names = FOLDERS[name]
        if self.root.is_dir():
            there = {path.name.lower(): path for path in sorted(self.root.iterdir()) if path.is_dir()}
            for spelling in names:
                if spelling in there:
                    return there[spelling]
        if self.strict:
            spelt = ", ".join(names)
            raise DatasetError(f"the data set {name} is missing; looked in {self.root} for a folder {spelt}")
        return self.root / names[0]

    def _source(self, name: str) -> tuple[str, list[Step], str]:
        """A tracker for ``evaluate``, empty if left out; the steps that make it; and what is to be said of it."""
        tracker = read_trackers()[name]
        settings = f"+{find_config(tracker.settings)}" if tracker.settings else ""
        if self.weights == "train" and tracker.training:
            training = read_trainings()[tracker.training]
            folder = self.out / "trainings" / tracker.training
            kind = str(read_yaml(shipped(RECIPES) / training.recipe)["tracker"])
            # Of another name than the file that the training writes: results are called after it.
            named = folder / f"{tracker.training}.safetensors"
            steps = list(self._training(training, folder, folder / f"{kind}.safetensors", named))
            return f"{named}{settings}", steps, ""
        if tracker.join and (self.weights == "train" or not tracker.zoo):
            halves = [self._source(half) for half in tracker.join]
            if missing := [told for source, _, told in halves if not source]:
                return "", [], f"{name} is left out: {' '.join(missing)}"
            named = self.out / "trainings" / f"{name}.safetensors"
            words = ("join", *(self._weights(half) for half in tracker.join), str(named))
            steps = [step for _, needed, _ in halves for step in needed]
            reason = " ".join(told for _, _, told in halves if told)
            return f"{named}{settings}", [*steps, Step(words, named)], reason
        if tracker.made and self.weights == "train":
            commands = [tuple(self._filled(word, self.out) for word in words) for words in tracker.made]
            named = self.out / "trainings" / f"{name}.safetensors"
            return f"{named}{settings}", [Step(words, _result_of(words)) for words in commands], ""
        if tracker.zoo:
            return f"{tracker.zoo}{settings}", [], _difference(name, tracker)
        told = f"--weights train trains it ({tracker.training})" if tracker.training else tracker.differs
        told = "--weights train makes them" if tracker.made else told
        return "", [], f"{name} is left out: the package has no weights of it; {told}."

    def _training(self, training: Training, folder: Path, made: Path, named: Path) -> Iterator[Step]:
        recipe_file = shipped(RECIPES) / training.recipe
        recipe = read_yaml(recipe_file)
        for name in training.shards:
            shards = read_shards()[name]
            place = ("--root", str(self.data(shards.data)), "--out", str(self._shards(name)))
            yield Step(("prepare", shards.data, *place, *shards.options))
        for command in training.before:
            filled = tuple(self._filled(word, folder) for word in command)
            yield Step(filled, result=_result_of(filled))
        before = self.pretraining(training)
        if before is not None:
            yield before
        words: tuple[str, ...] = ("train", "--config", str(recipe_file), "--out", str(folder))
        sources = [
            dict(source) | {"path": str(self._shards(name))}
            for source, name in zip(recipe["data"]["sources"], training.shards, strict=True)
        ]
        if training.shares:
            sources = [source | {"share": share} for source, share in zip(sources, training.shares, strict=True)]
        words = (*words, "--data.sources", json.dumps(sources), *training.options)
        inputs = {}
        if before is not None:
            words = (*words, "--start", str(before.result), *_backbone(training, recipe))
        elif training.start:
            start = self._filled(training.start, folder)
            words = (*words, "--start", start)
            inputs = {} if training.before else {Path(start): "the weights that the training starts from"}
        if (folder / "last.ckpt").is_file():
            words = (*words, "--resume")
        of_backbone = _backbone(training, recipe) if before is not None else ()
        text = recipe_file.read_text(encoding="utf-8") + " ".join(
            (*training.shards, *map(str, training.shares), *of_backbone, *training.options)
        )
        yield Step(words, named, inputs, made, text)

    def pretraining(self, training: Training) -> Step | None:
        """What makes the backbone that a training starts from; None where it names none."""
        if not training.backbone:
            return None
        more = "".join(f"_{key}{value}" for key, value in training.backbone_options.items())
        out = self.out / "trainings" / f"imagenet_{training.backbone}{more}"
        config = str(shipped(RECIPES) / PRETRAINING)
        words = ["pretrain", str(self.data("imagenet")), "--config", config, "--student", training.backbone]
        if training.backbone_options:
            words += ["--student_options", json.dumps(dict(training.backbone_options))]
        text = " ".join([(shipped(RECIPES) / PRETRAINING).read_text(encoding="utf-8"), *words[4:]])
        words += ["--out", str(out), *(["--resume"] if (out / "last.ckpt").is_file() else [])]
        return Step(tuple(words), out / "backbone.safetensors", recipe=text)

    def _weights(self, name: str) -> str:
        """The file of a tracker's weights; empty if there is none."""
        source, _, _ = self._source(name)
        path = source.partition("+")[0]
        return str(shipped(WEIGHTS) / f"{path}.safetensors") if path and not path.endswith(".safetensors") else path

    def _shards(self, name: str) -> Path:
        return self.out / "shards" / name

    def _evaluate(self, evaluation: Evaluation, sources: list[str], out: Path) -> Step:
        benchmark, year = evaluation.data[:3], evaluation.data[3:]
        words = ["evaluate", benchmark, "--root", str(self.data(evaluation.data)), "--trackers", *sources]
        words += ["--version", evaluation.version or year]
        if benchmark == "vot":
            words += ["--experiments", evaluation.experiment]
            if evaluation.experiment == "realtime":
                words += ["--rate", str(evaluation.rate)]
        rivals = self.root / "rivals" / evaluation.data
        if rivals.is_dir():
            words += ["--rivals", str(rivals)]
        return Step((*words, "--out", str(out), *self.options))

    def _filled(self, word: str, here: Path) -> str:
        places = {"root": self.root, "out": self.out, "here": here}
        places |= {"zoo": shipped(WEIGHTS), "recipes": shipped(RECIPES)}
        places |= {name: self.data(name) for name in FOLDERS if f"{{{name}}}" in word}
        for name in _WEIGHTS.findall(word):
            word = word.replace(f"{{weights:{name}}}", self._weights(name))
        for name, value in places.items():
            word = word.replace(f"{{{name}}}", str(value))
        if "{" in word and "}" in word and not word.startswith(("{", "[")):
            raise ConfigError(f"{word} has a place that is not known; known are {', '.join(places)} in braces")
        return word


def _backbone(training: Training, recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """The words that give a recipe the backbone of a training, as far as it has another."""
    words: tuple[str, ...] = ()
    settings = recipe["training"]
    if settings.get("backbone", training.backbone) != training.backbone:
        words = ("--training.backbone", training.backbone)
    if training.backbone_options:
        words = (*words, "--training.backbone_options", json.dumps(dict(training.backbone_options)))
    return words


def _difference(name: str, tracker: PaperTracker) -> str:
    if not tracker.differs:
        return ""
    return f"{name} is the package's {tracker.zoo}, which differs from the paper's: {tracker.differs}."


def _result_of(words: tuple[str, ...]) -> Path | None:
    """The weights file that a command writes: its last word, or backbone.safetensors of a pretraining."""
    if words[0] == "pretrain":
        return Path(words[words.index("--out") + 1]) / "backbone.safetensors"
    return next((Path(word) for word in reversed(words) if word.endswith(".safetensors")), None)
