"""The exponential moving average of the weights, which is what is validated and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as lightning
import torch
from torch.optim.swa_utils import AveragedModel


class WeightAverage(lightning.Callback):
    """Averages ``pl_module.network`` after every optimiser step; its state is part of the checkpoint.

    Every process averages by itself: after a step all have the same weights.

    Args:
        decay: share of the average that stays at each step, 0..1; 0 follows the weights. After n steps it is at most
            (1 + n) / (10 + n), lest a young average hold on to the random weights that the run began with.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self._averaged: AveragedModel | None = None
        self._step = 0

    @property
    def network(self) -> torch.nn.Module:
        """The network with the averaged weights."""
        if self._averaged is None:
            raise RuntimeError("there is no average before the training has begun")
        return self._averaged.module

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        # Buffers, that is the statistics of batch normalisation, are averaged like weights.
        self._averaged = AveragedModel(
            pl_module.network, multi_avg_fn=moving_average(self.decay), use_buffers=True
        ).requires_grad_(False)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        assert self._averaged is not None
        self._averaged.to(pl_module.device)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        # A batch whose gradients are only gathered changes no weight.
        if self._averaged is not None and trainer.global_step > self._step:
            self._step = trainer.global_step
            self._averaged.update_parameters(pl_module.network)

    def state_dict(self) -> dict[str, Any]:
        return {} if self._averaged is None else {"averaged": self._averaged.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        assert self._averaged is not None  # Lightning calls setup first
        self._averaged.load_state_dict(state_dict["averaged"])


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average with a warm-up, for ``AveragedModel``; counters are taken over as they are."""

    def update(averaged: Any, current: Any, steps: torch.Tensor | int) -> None:
        if averaged[0].is_floating_point():
            count = float(steps)
            torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + count) / (10 + count)))
        else:
            torch._foreach_copy_(averaged, current)

    return update
