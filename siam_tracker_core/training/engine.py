"""The training loop, left to PyTorch Lightning: checkpoints, resume, logs, precision, progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader, Dataset, Subset

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.networks.inference import has_matrix_units

LAST = "last.ckpt"


def make_trainer(out: Path, epochs: int, *, device: str = "auto", precision: str = "auto", **options: Any) -> Any:
    """A Lightning trainer that writes logs and checkpoints under ``out``.

    Args:
        out: the run's folder.
        epochs: how many; a checkpoint follows each.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: of the arithmetic, in Lightning's words; ``auto`` means bfloat16 mixed where the machine computes
            with it, single otherwise.
        options: further arguments of ``Trainer``.
    """
    accelerator = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}[device]
    # One file, written anew after every epoch.
    checkpoint = ModelCheckpoint(dirpath=out, filename=LAST.removesuffix(".ckpt"), enable_version_counter=False)
    return lightning.Trainer(
        accelerator=accelerator,
        max_epochs=epochs,
        # Each epoch has its own slice of the samples.
        reload_dataloaders_every_n_epochs=1,
        precision=best_precision(accelerator) if precision == "auto" else precision,  # type: ignore[arg-type]
        logger=[CSVLogger(out, name="", version="log"), TensorBoardLogger(out, name="", version="tensorboard")],
        callbacks=[checkpoint, LearningRateMonitor("step"), TQDMProgressBar(refresh_rate=10)],
        log_every_n_steps=20,
        enable_model_summary=False,
        **options,
    )


def best_precision(accelerator: str) -> str:
    """bfloat16 where matrix units for it exist, single precision elsewhere."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if has_matrix_units() else "32-true"


def checkpoint_to_resume(out: Path, resume: bool) -> str | None:
    """The checkpoint to go on from, or None for a fresh start.

    Raises:
        WeightsError: if a run is to be resumed that has none, or a finished checkpoint would be overwritten.
    """
    last = out / LAST
    if resume:
        if not last.is_file():
            raise WeightsError(f"nothing to resume: {last} does not exist; start without --resume")
        return str(last)
    if last.is_file():
        raise WeightsError(f"{out} holds a run already; continue it with --resume or choose another --out")
    return None


class EpochSlices(lightning.LightningDataModule):
    """Serves an endless list of samples in slices, one an epoch, so that a run resumes at the next slice.

    Args:
        samples: sample ``n`` is a function of ``n`` alone; as long as all epochs together.
        batch: samples a step.
        steps_per_epoch: length of a slice in steps.
        workers: processes that read samples.
    """

    def __init__(self, samples: Dataset[Any], batch: int, steps_per_epoch: int, workers: int) -> None:
        super().__init__()
        self.samples, self.batch, self.steps_per_epoch, self.workers = samples, batch, steps_per_epoch, workers

    def train_dataloader(self) -> DataLoader[Any]:
        epoch = self.trainer.current_epoch if self.trainer else 0
        size = self.batch * self.steps_per_epoch
        return DataLoader(
            Subset(self.samples, range(epoch * size, (epoch + 1) * size)), self.batch, num_workers=self.workers
        )
