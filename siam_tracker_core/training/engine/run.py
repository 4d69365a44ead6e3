"""The training loop, left to PyTorch Lightning: checkpoints, resume, logs, precision, progress, several processes."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.inference import has_matrix_units
from siam_tracker_core.training.engine.averaging import WeightAverage
from siam_tracker_core.training.engine.checkpoints import BEST, LAST, WholeCheckpoints, check_fits, read_checkpoint
from siam_tracker_core.training.engine.lightning_logs import quiet_lightning
from siam_tracker_core.training.engine.module import TrainingModule
from siam_tracker_core.training.engine.pictures import Pictures
from siam_tracker_core.training.engine.progress import Progress
from siam_tracker_core.training.engine.recipe import Recipe
from siam_tracker_core.training.engine.speed import SpeedReport, Waiting
from siam_tracker_core.training.engine.unfreezing import GradualUnfreezing
from siam_tracker_core.training.engine.validation import TrackingValidation, Validation, validation_sequences
from siam_tracker_core.weights import below

LIGHTNING_PRECISIONS = {"single": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Machine:
    """Where a training runs.

    Attributes:
        device: ``auto``, ``cpu`` or ``cuda``.
        processes: of data-parallel training on this machine, one a GPU; under ``torchrun`` what that started. Batch
            normalisation is of each process's own samples.
        machines: that take part; under ``torchrun`` what that started.
    """

    device: str = "auto"
    processes: int = 1
    machines: int = 1


class RandomEpochs(lightning.Callback):
    """Seeds the global generators anew at every epoch, so that a resumed run draws what an uninterrupted one would.

    That is done before the first batch and not earlier, because loaders draw as well when they begin, and begin more
    often in some epochs than in others.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, batch: Any, number: int) -> None:
        if number:
            return
        words = np.random.SeedSequence((self.seed, trainer.current_epoch, trainer.global_rank)).generate_state(3)
        torch.manual_seed(int(words[0]))
        random.seed(int(words[1]))
        np.random.seed(int(words[2]))  # noqa: NPY002 (the global one is what libraries draw from)


class Clock(lightning.Callback):
    """Adds up the hours of a run over its interruptions; its state is part of the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self._before = 0.0
        self._began: float | None = None

    @property
    def hours(self) -> float:
        """Spent in training so far."""
        return (self._before + (0.0 if self._began is None else time.monotonic() - self._began)) / 3600

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.hours * 3600}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"]


@dataclass(frozen=True)
class Run:
    """A trained network, and what is to be told of its training.

    Attributes:
        network: with the averaged weights of the last epoch.
        steps: of the optimiser that were taken, fewer than the recipe's where a deadline came first.
        hours: spent in training.
        device: where, in words.
        processes: that shared each step.
        score: mean success AUC of the last validation, None without one.
        best: the best one, with its epoch from 0.
        is_first: whether this process is the one that writes files.
    """

    network: torch.nn.Module
    steps: int
    hours: float
    device: str
    processes: int
    score: float | None
    best: tuple[float, int] | None
    is_first: bool


def fit(
    module: TrainingModule,
    data: lightning.LightningDataModule,
    out: Path,
    *,
    machine: Machine | None = None,
    checkpoint: Path | None = None,
    validation: Validation | None = None,
    more: Many[lightning.Callback] = (),
) -> Run:
    """Train a module to the end of its recipe; logs, pictures and checkpoints appear under ``out``.

    Args:
        module: to train.
        data: its samples.
        out: the run's folder.
        machine: where to run.
        checkpoint: to go on from; of a finished run, its weights are only handed back.
        validation: by tracking.
        more: callbacks of the caller's own.

    Raises:
        WeightsError: if the checkpoint does not fit, or one cannot be written.
        ConfigError: if the machine lacks what is asked for.
        DatasetError: if the sequences of the validation are not there.
    """
    if checkpoint:
        check_fits(checkpoint, module)
    validation = validation or Validation()
    sequences = validation_sequences(validation)
    average, clock = WeightAverage(module.recipe.ema_decay), Clock()
    callbacks = [average, clock, *more]
    tracking = TrackingValidation(out, sequences, validation.every, average) if sequences else None
    if tracking:
        callbacks.append(tracking)
    with quiet_lightning():
        trainer = make_trainer(out, module.recipe, machine or Machine(), callbacks)
        trainer.fit(module, data, ckpt_path=None if checkpoint is None else str(checkpoint))
    if tracking and tracking.best is not None and tracking.best_epoch is not None:
        best = (tracking.best, tracking.best_epoch)
    else:
        best = None
    return Run(
        average.network.cpu(),
        trainer.global_step,
        clock.hours,
        _in_words(trainer.strategy.root_device, trainer.world_size),
        trainer.world_size,
        tracking.score if tracking else None,
        best,
        trainer.is_global_zero,
    )


def best_network(out: Path, run: Run) -> torch.nn.Module:
    """The network of a run with the averaged weights that validated best; ``run.network`` is changed into it."""
    averaged = read_checkpoint(out / BEST)["callbacks"][WeightAverage.__name__]["averaged"]
    run.network.load_state_dict(below(averaged, "module."))
    return run.network


def make_trainer(out: Path, recipe: Recipe, machine: Machine, callbacks: Many[lightning.Callback]) -> lightning.Trainer:
    """A Lightning trainer that follows a recipe and writes under ``out``.

    Raises:
        ConfigError: for an unknown device, or one that cannot compute in the recipe's precision.
    """
    accelerator = _accelerator(machine.device)
    layout = _layout(machine, accelerator, find_unused=recipe.unfreezing.every > 0)
    # Of the last epoch; one file, written anew after every epoch.
    last = ModelCheckpoint(dirpath=out, filename=LAST.removesuffix(".ckpt"), enable_version_counter=False)
    waiting = Waiting()
    return lightning.Trainer(
        accelerator=accelerator,
        **layout,
        max_epochs=recipe.epochs,
        accumulate_grad_batches=recipe.accumulate_grad_batches,
        gradient_clip_val=recipe.grad_clip_norm or None,
        precision=_precision(recipe.precision, accelerator),  # type: ignore[arg-type]
        # Sizes stay the same, so that searching for the fastest convolutions is paid for once.
        benchmark=accelerator != "cpu",
        # Each epoch and each process has its own slice of the samples.
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        logger=[_csv_logger(out), TensorBoardLogger(out, name="", version="tensorboard")],
        log_every_n_steps=min(20, recipe.batches_per_epoch),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        profiler=waiting,
        plugins=[WholeCheckpoints()],
        callbacks=[
            RandomEpochs(recipe.seed),
            GradualUnfreezing(),
            LearningRateMonitor("step"),
            Progress(),
            Pictures(out / "pictures"),
            SpeedReport(waiting),
            *callbacks,
            last,
        ],
    )


def _csv_logger(out: Path) -> CSVLogger:
    """Writes to ``log``, or ``log_2``, ... after a resumption, because it would delete what is there."""
    names = itertools.chain(["log"], (f"log_{number}" for number in itertools.count(2)))
    return CSVLogger(out, name="", version=next(name for name in names if not (out / name).exists()))


def _accelerator(device: str) -> str:
    accelerators = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}
    if device not in accelerators:
        raise ConfigError(f"device {device!r} is unknown; use auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device 'cuda' is not on this machine; use auto or cpu")
    return "cpu" if device == "auto" and not torch.cuda.is_available() else accelerators[device]


def _layout(machine: Machine, accelerator: str, find_unused: bool) -> dict[str, Any]:
    """How many processes and machines take part, and how they agree on gradients.

    Raises:
        ConfigError: if that is none, or there are more processes here than CUDA devices.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:  # what torchrun tells the processes that it starts
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        machines = int(os.environ["WORLD_SIZE"]) // processes
    else:
        processes, machines = machine.processes, machine.machines
    if processes < 1 or machines < 1:
        raise ConfigError(f"{processes} processes on {machines} machines cannot train; give 1 or more of each")
    if accelerator != "cpu" and processes > torch.cuda.device_count() > 0:
        raise ConfigError(f"{processes} processes need as many CUDA devices, and here are {torch.cuda.device_count()}")
    if processes * machines == 1:
        return {"devices": 1, "num_nodes": 1}
    # Frozen units have no gradient, and which ones those are changes during a run.
    strategy = "ddp_find_unused_parameters_true" if find_unused else "ddp"
    return {"devices": processes, "num_nodes": machines, "strategy": strategy}


def _precision(precision: str, accelerator: str) -> str:
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    if precision == "fp16" and not on_gpu:
        raise ConfigError("precision fp16 needs a CUDA device; use auto, single or bf16 on a CPU")
    if precision != "auto":
        return LIGHTNING_PRECISIONS[precision]
    if on_gpu:
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if has_matrix_units() else "32-true"


def _in_words(device: torch.device, processes: int) -> str:
    what = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} CPU cores"
    return f"{processes} x {what}" if processes > 1 else what
