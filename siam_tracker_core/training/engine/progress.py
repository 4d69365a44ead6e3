"""The progress bar of a training: of the epoch, and how long the whole run still takes."""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import TQDMProgressBar


class Progress(TQDMProgressBar):
    """Lightning's bar with the time left to the end of the run, validations and all; in a pipe one line an epoch."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10 if sys.stdout.isatty() else 0)  # 0 draws no bar
        self._began = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self._began, self._first_step = time.monotonic(), trainer.global_step

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        # Reduces over the processes what was logged of the epoch. The bar asks for that in the first process alone,
        # which would wait for the others while those are in the validation's own reduction.
        _ = trainer.progress_bar_metrics
        super().on_train_epoch_end(trainer, pl_module)
        if self.is_disabled and trainer.is_global_zero:
            told = ", ".join(f"{name} {_shown(value)}" for name, value in self.get_metrics(trainer, pl_module).items())
            print(f"epoch {trainer.current_epoch}: {told}", file=sys.stderr)

    def get_metrics(self, trainer: lightning.Trainer, pl_module: Any) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)  # the last letters of the log's folder
        done = trainer.global_step - self._first_step
        if done:
            left = (pl_module.recipe.steps - trainer.global_step) * (time.monotonic() - self._began) / done
            metrics["left"] = str(datetime.timedelta(seconds=round(left)))
        return metrics


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):.4g}"
