"""Stop a training when its time is over, and tell how fast it went."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

PACE = "pace.json"

# Steps that are not timed: they start workers, choose algorithms and fill memory.
_UNTIMED = 3


class Deadline(lightning.Callback):
    """Ends the run at the first batch after so many minutes; the epoch ends there, with its checkpoint.

    A few steps are taken in any case, so that there is a pace to tell.

    Args:
        minutes: from the making of this object on, so that what comes before the first step counts.
        out: gets ``pace.json`` at the end: ``steps`` in all, ``seconds_a_step`` once it runs (None where too few steps
            were taken), and ``stopped``, whether the time was over.

    Attributes:
        stopped: whether the time was over.
        epochs_left: whether epochs of the recipe were left then.
    """

    def __init__(self, minutes: float, out: Path) -> None:
        super().__init__()
        self._end = time.monotonic() + 60 * minutes
        self._out = out
        self._ends: list[float] = []
        self.stopped = self.epochs_left = False

    def on_train_batch_end(self, trainer: lightning.Trainer, *rest: Any) -> None:
        self._ends.append(time.monotonic())
        over = self._ends[-1] >= self._end and len(self._ends) >= _UNTIMED + 2
        # All processes stop at the same batch, or the others would wait for ever.
        if trainer.strategy.reduce_boolean_decision(over, all=False):
            self.stopped = trainer.should_stop = True
            self.epochs_left = trainer.current_epoch + 1 < (trainer.max_epochs or 0)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        timed = self._ends[_UNTIMED:]
        pace = (timed[-1] - timed[0]) / (len(timed) - 1) if len(timed) > 1 else None
        told = {"steps": trainer.global_step, "seconds_a_step": pace, "stopped": self.stopped}
        if trainer.is_global_zero:
            (self._out / PACE).write_text(json.dumps(told))
