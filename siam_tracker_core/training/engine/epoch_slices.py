"""Batches of a data set with a number for each sample: every epoch its own slice of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from siam_tracker_core.training.data.loader import PatientLoader


class EpochSlices(lightning.LightningDataModule):
    """Serves an endless list of samples in slices, one an epoch, so that a run resumes at the next slice.

    Processes share each step's samples: those of two processes with a batch of N are those of one with 2 N.

    Args:
        samples: sample ``n`` is a function of ``n`` alone, for all ``n``; None until ``setup`` finds them.
        batch: samples a step and process.
        steps_per_epoch: length of a slice in batches.
        workers: processes that read samples.
    """

    def __init__(self, samples: Dataset[Any] | None, batch: int, steps_per_epoch: int, workers: int) -> None:
        super().__init__()
        self.samples, self.batch, self.steps_per_epoch, self.workers = samples, batch, steps_per_epoch, workers

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.samples is not None
        trainer = self.trainer
        epoch, rank, world = (trainer.current_epoch, trainer.global_rank, trainer.world_size) if trainer else (0, 0, 1)
        shape = (self.steps_per_epoch, world, self.batch)
        numbers = epoch * int(np.prod(shape)) + np.arange(np.prod(shape)).reshape(shape)[:, rank].ravel()
        return PatientLoader(
            Subset(self.samples, numbers.tolist()),
            self.batch,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
        )
