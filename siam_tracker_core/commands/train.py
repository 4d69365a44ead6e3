"""``siam-tracker train``: train a tracker."""

from __future__ import annotations

import importlib
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback

from siam_tracker_core.commands.settings import explained
from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.networks import channels_last
from siam_tracker_core.training.data.data_module import ShardData, TrainingData
from siam_tracker_core.training.engine.checkpoints import checkpoint_to_resume
from siam_tracker_core.training.engine.deadline import Deadline
from siam_tracker_core.training.engine.export import CONFIG, Keep, export, start_from, write_config
from siam_tracker_core.training.engine.loss_validation import LossValidation
from siam_tracker_core.training.engine.module import TrainingModule
from siam_tracker_core.training.engine.recipe import Recipe, read_recipe
from siam_tracker_core.training.engine.run import Machine, fit
from siam_tracker_core.training.engine.validation import Validation, refuse_known

# What can be trained, by the name that a configuration gives as `tracker`; imported when it is chosen.
TRAINABLE = {
    "dsiam": "siam_tracker_core.training.dsiam:DSiamModule",
    "mdnet": "siam_tracker_core.training.mdnet:MDNetModule",
    "siamban": "siam_tracker_core.training.siamban:SiamBANModule",
    "siamfc": "siam_tracker_core.training.siamfc:SiamFCModule",
    "siamrpn": "siam_tracker_core.training.siamrpn:SiamRPNModule",
    "srt": "siam_tracker_core.training.srt:SRTModule",
}

# Settings of the data that follow from the recipe.
FROM_RECIPE = ("batch_size", "steps_per_epoch", "seed")


def train(
    tracker: str = "siamfc",
    out: Path = Path("runs/siamfc"),
    shards: list[str] | str | None = None,
    data: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    validation: dict[str, Any] | None = None,
    start: Path | None = None,
    objects: Path | None = None,
    keep: Keep = "last",
    device: str = "auto",
    processes: int = 1,
    machines: int = 1,
    resume: bool = False,
    minutes: float | None = None,
    explain: bool = False,
) -> None:
    """Train a tracker on shards that ``siam-tracker prepare`` made; ``--explain`` tells all settings.

    Under ``out`` appear ``config.yaml`` with all settings, logs (CSV in ``log``, TensorBoard in ``tensorboard``),
    ``pictures``, checkpoints (``last.ckpt``, and ``best.ckpt`` with a validation), and at the end the weights as
    ``TRACKER.safetensors``. For several processes or machines start it with torchrun, or name ``processes``.

    Args:
        tracker: what to train: dsiam, mdnet, siamban, siamfc, siamrpn or srt.
        out: folder of the run.
        shards: folders or addresses of prepared data sets, of equal weight, in place of data.sources.
        data: settings of the data: sources (path and weight of each prepared data set), sampling, workers, held_out;
            one by one as in ``--data.workers 4`` or ``--data.pairs.negative_share 0.2``.
        training: settings of the training, e.g. ``--training.epochs 10``; which there are depends on the tracker.
        validation: tracking after epochs: root (folder of sequences in OTB's form), names, frames, every.
        start: weights of a backbone, as ``siam-tracker pretrain`` writes them, or of a whole tracker of this kind.
        objects: folder of objects with alpha (PNG) to cover targets with.
        keep: export the weights of the last epoch, or of the best validation.
        device: auto, cpu or cuda.
        processes: of data-parallel training on this machine, e.g. one a GPU.
        machines: that take part.
        resume: continue the run in ``out``; of a finished one, only the weights are exported again.
        minutes: end after so long, whatever the recipe says, and export what is there then.
        explain: only print all settings of data, training and validation, as YAML for ``--config`` with a comment on
            each.
    """
    settings = Settings.read(tracker, data, shards, training, validation)
    if explain:
        print(settings.explained(), end="")
        return
    told = run_training(
        settings,
        out,
        start=start,
        objects=objects,
        keep=keep,
        machine=Machine(device, processes, machines),
        resume=resume,
        minutes=minutes,
    )
    for line in told:
        print(line)


@dataclass(frozen=True)
class Settings:
    """What is trained, on what, and how.

    Attributes:
        tracker: its name among ``TRAINABLE``.
        kind: its training.
        recipe: of the training.
        sampling: the data, completed from the recipe.
        checks: the validation.
    """

    tracker: str
    kind: type[TrainingModule]
    recipe: Recipe
    sampling: TrainingData
    checks: Validation

    @classmethod
    def read(
        cls,
        tracker: str,
        data: dict[str, Any] | None,
        shards: list[str] | str | None = None,
        training: dict[str, Any] | None = None,
        validation: dict[str, Any] | None = None,
    ) -> Settings:
        """From the values of a configuration; arguments as of ``train``.

        Raises:
            ConfigError: for an unknown tracker or key, a wrong value, or one that belongs elsewhere.
        """
        kind = trainable(tracker)
        recipe = read_recipe(kind.recipe_class, training)
        sampling = training_data(data, shards, recipe)
        return cls(tracker, kind, recipe, sampling, read_config(Validation, validation or {}, "validation"))

    def explained(self) -> str:
        """All of them as YAML, with a comment on each."""
        everything = {"data": self.sampling, "training": self.recipe, "validation": self.checks}
        return f"tracker: {self.tracker}\n{explained(everything, {'data': FROM_RECIPE})}"

    def values(self) -> dict[str, Any]:
        """All of them for a configuration file."""
        told = {name: value for name, value in asdict(self.sampling).items() if name not in FROM_RECIPE}
        parts: dict[str, Any] = {"data": told, "training": asdict(self.recipe), "validation": asdict(self.checks)}
        return {"tracker": self.tracker, **parts}


def run_training(
    settings: Settings,
    out: Path,
    *,
    start: Path | None = None,
    objects: Path | None = None,
    keep: Keep = "last",
    machine: Machine,
    resume: bool = False,
    minutes: float | None = None,
) -> list[str]:
    """Train, and write the weights; arguments as of ``train``.

    Returns:
        What to tell at the end; nothing in processes but the first.
    """
    tracker, recipe, sampling, checks = settings.tracker, settings.recipe, settings.sampling, settings.checks
    if keep == "best" and checks.root is None:
        raise ConfigError("keep: best needs a validation to choose by; give validation.root")
    check_outputs({"--out": out}, [source.path for source in sampling.sources])
    check_outputs({"--out": out / f"{tracker}.safetensors"}, [start])
    samples = ShardData(sampling)
    refuse_known(checks, {track for _, track in samples.domains})
    checkpoint = checkpoint_to_resume(out, resume)
    torch.manual_seed(recipe.seed)
    module = settings.kind.build(recipe, objects)
    origin = start_from(module, start) if start else {}
    channels_last(module.network)
    if not resume:
        write_config(out, {**settings.values(), "start": start, "objects": objects, "keep": keep})
    deadline = None if minutes is None else Deadline(minutes, out)
    more: list[Callback] = [] if deadline is None else [deadline]
    if sampling.validation_samples:
        more.append(LossValidation(samples.validation_loader()))
    run = fit(
        module,
        samples,
        out,
        machine=machine,
        checkpoint=checkpoint,
        validation=checks,
        more=more,
    )
    weights = out / f"{tracker}.safetensors"
    export(weights, module, run, origin, samples.description(), keep)
    if not run.is_first:
        return []
    told = [f"wrote {weights}"]
    if deadline is not None and deadline.stopped and run.steps < recipe.steps:
        way_on = _way_on(out, machine) if deadline.epochs_left else "that was in the last epoch"
        told.insert(0, f"the {minutes:g} minutes were over after {run.steps} of {recipe.steps} steps; {way_on}")
    return told


def _way_on(out: Path, machine: Machine) -> str:
    words = ["siam-tracker", "train", "--config", str(out / CONFIG), "--out", str(out), "--resume"]
    words += ["--device", machine.device] * (machine.device != "auto")
    words += ["--processes", str(machine.processes)] * (machine.processes != 1)
    return f"the next epoch comes with {shlex.join(words)}"


def trainable(tracker: str) -> type[TrainingModule]:
    """The training of a tracker by its name.

    Raises:
        ConfigError: if there is none.
    """
    if tracker not in TRAINABLE:
        raise ConfigError(f"there is no training of {tracker!r}; known are {', '.join(TRAINABLE)}")
    module, name = TRAINABLE[tracker].split(":")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def training_data(values: dict[str, Any] | None, shards: list[str] | str | None, recipe: Recipe) -> TrainingData:
    """The settings of the data, completed from the recipe.

    Raises:
        ConfigError: for an unknown key, a wrong value, or one that belongs to the recipe.
    """
    values = dict(values or {})
    if shards:
        values["sources"] = [{"path": path} for path in ([shards] if isinstance(shards, str) else shards)]
    for name in FROM_RECIPE:
        if name in values:
            raise ConfigError(f"data.{name} is a setting of the training; give training.{name}")
    values |= {"batch_size": recipe.batch_size, "steps_per_epoch": recipe.batches_per_epoch, "seed": recipe.seed}
    return read_config(TrainingData, values, "data")
