"""Validation by tracking: the averaged weights follow the targets of short sequences."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities import rank_zero_info

from siam_tracker_core.config import STRICT
from siam_tracker_core.datasets import Sequence, read_sequences
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.one_pass import TrackerCrash, run_sequence
from siam_tracker_core.evaluation.otb import score_sequence
from siam_tracker_core.limits import Count
from siam_tracker_core.training.engine.averaging import WeightAverage
from siam_tracker_core.training.engine.checkpoints import BEST

SCORE = "success_auc"


@dataclass(frozen=True)
class Validation:
    """On what a run is validated.

    Attributes:
        root: folder of sequences in OTB's form; without one, nothing is validated.
        names: those of them that are tracked; all where none is named.
        frames: most frames of each that are tracked.
        every: epochs from one validation to the next; the last epoch is always validated.
    """

    root: Path | None = None
    names: tuple[str, ...] = ()
    frames: Count = 100
    every: Count = 1

    __pydantic_config__ = STRICT


def validation_sequences(settings: Validation) -> list[Sequence]:
    """The sequences, cut to their first frames.

    Raises:
        ConfigError: if sequences are named without a folder that holds them.
        DatasetError: if the folder is missing, lacks a named sequence, or a sequence does not begin with its target.
    """
    if settings.root is None:
        if settings.names:
            raise ConfigError("validation names sequences, but not the folder they are in; give validation.root")
        return []
    sequences = {sequence.name: sequence for sequence in read_sequences(settings.root)}
    if unknown := sorted(set(settings.names) - set(sequences)):
        raise DatasetError(f"{settings.root} has no sequence {', '.join(unknown)} to validate on")
    chosen = [sequences[name].head(settings.frames) for name in settings.names or sequences]
    for sequence in chosen:
        if sequence.box(0) is None:
            raise DatasetError(f"sequence {sequence.name} cannot validate: its first frame has no target to start from")
    return chosen


def refuse_known(settings: Validation, tracks: Collection[str]) -> None:
    """See that nothing is validated on that is trained on.

    Args:
        settings: of the validation.
        tracks: names of what is trained on.

    Raises:
        ConfigError: if a sequence is both.
        DatasetError: as ``validation_sequences`` does.
    """
    known = sorted(sequence.name for sequence in validation_sequences(settings) if sequence.name in tracks)
    if known:
        names = ", ".join(known)
        raise ConfigError(f"{names} would be trained on and validated on; name them in data.held_out, or others here")


class TrackingValidation(lightning.Callback):
    """Tracks after an epoch, logs the mean success AUC, and keeps the best checkpoint.

    Processes share the sequences. A tracker that fails on a sequence has 0 there.

    Args:
        out: folder of ``best.ckpt``.
        sequences: see ``validation_sequences``.
        every: epochs from one validation to the next.
        average: whose network tracks.

    Attributes:
        score: the last mean success AUC, None before the first.
        best: the best one, and ``best_epoch``, from 0, when it was.
    """

    def __init__(self, out: Path, sequences: list[Sequence], every: int, average: WeightAverage) -> None:
        super().__init__()
        self.out, self.sequences, self.every, self.average = out, sequences, every, average
        self.score: float | None = None
        self.best: float | None = None
        self.best_epoch: int | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch
        if (epoch + 1) % self.every and epoch + 1 < (trainer.max_epochs or 0):
            return
        mine = self.sequences[trainer.global_rank :: trainer.world_size]
        found = {sequence.name: self._track(pl_module, sequence) for sequence in mine}
        total = torch.tensor([sum(found.values()), len(found)], dtype=torch.float64, device=pl_module.device)
        total = trainer.strategy.reduce(total, reduce_op="sum")
        self.score = float(total[0] / total[1])
        pl_module.log(SCORE, torch.tensor(self.score, dtype=torch.float32), prog_bar=True, sync_dist=True)
        rank_zero_info(f"epoch {epoch}: success AUC {self.score:.4f} {json.dumps(found)}")
        if self.best is None or self.score > self.best:
            self.best, self.best_epoch = self.score, epoch
            trainer.save_checkpoint(self.out / BEST, weights_only=False)

    def _track(self, pl_module: Any, sequence: Sequence) -> float:
        tracker = pl_module.tracker(copy.deepcopy(self.average.network))
        if tracker is None:
            raise ConfigError(f"a training of {pl_module.kind} gives no tracker to validate; leave out validation.root")
        try:
            return score_sequence(run_sequence(tracker, sequence)).success_auc
        except TrackerCrash as crash:
            rank_zero_info(f"validation lost {sequence.name}: {crash}")
            return 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score, self.best, self.best_epoch = (state_dict[name] for name in ("score", "best", "best_epoch"))
