"""How fast a run trains, and how much of its time goes into waiting for data."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.utilities import rank_zero_info

from siam_tracker_core.clock import now
from siam_tracker_core.training.engine.schedule import make_optimiser, parameter_groups

# Steps that are not timed at the start: workers begin, and libraries choose their algorithms.
SKIPPED = 3
# Most steps that are timed with the loader, and with one batch that is there already.
WITH_LOADER, CACHED = 20, 5


class Waiting(Profiler):
    """Adds up the time for which the loop waited for the loader."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._started = 0.0

    def start(self, action_name: str) -> None:
        if action_name.endswith("train_dataloader_next"):
            self._started = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name.endswith("train_dataloader_next"):
            self.seconds += time.perf_counter() - self._started

    def describe(self) -> None:
        """Print nothing: ``SpeedReport`` does."""


class SpeedReport(lightning.Callback):
    """Says how many samples a second are trained on with the loader, and with one cached batch in its place.

    The first steps of a run are timed, and then a few steps of a copy of the network on one batch that lies on the
    device; both are printed and logged once, as ``samples_per_second`` and ``samples_per_second_cached``,
    with ``loading``, the share by which the loader slows a step; negative where something else slowed the steps on the
    cached batch. ``waiting``, the share of an epoch's time for which
    the loop waited for a batch, is logged every epoch. Figures are means over the processes.

    Args:
        waiting: the trainer's profiler.
    """

    def __init__(self, waiting: Waiting) -> None:
        super().__init__()
        self.waiting = waiting
        self._reported = False
        self._timed_from = self._epoch_began = self._waited_before = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._epoch_began, self._waited_before = time.perf_counter(), self.waiting.seconds

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Mapping[str, torch.Tensor], number: int
    ) -> None:
        if self._reported:
            return
        batches = int(trainer.num_training_batches)
        first = min(SKIPPED, max(1, batches - 1))
        timed = number + 1 - first
        if timed == 0:
            self._timed_from = now(pl_module.device)
        elif timed == WITH_LOADER or (timed > 0 and number + 1 == batches):
            self._report(pl_module, batch, (now(pl_module.device) - self._timed_from) / timed)

    def _report(self, pl_module: Any, batch: Mapping[str, torch.Tensor], with_loader: float) -> None:
        self._reported = True
        cached = time_cached(pl_module, batch)
        count = len(next(iter(batch.values())))
        loading = 1 - cached / with_loader
        # On a CPU the workers slow the arithmetic as well; that is part of what loading costs.
        values = {"samples_per_second": count / with_loader, "samples_per_second_cached": count / cached}
        # At the end of the epoch, since this step need not be one that is logged.
        pl_module.log_dict({**values, "loading": loading}, on_step=False, on_epoch=True, sync_dist=True)
        rank_zero_info(
            f"{count / with_loader:.1f} samples/s with the loader, {count / cached:.1f} samples/s on a cached batch: "
            f"{in_words(loading)}"
        )

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        whole = time.perf_counter() - self._epoch_began
        pl_module.log("waiting", (self.waiting.seconds - self._waited_before) / whole, sync_dist=True)


def in_words(loading: float) -> str:
    """What a share of a step's time that goes into loading means; it is measured with noise, and so may be negative."""
    if loading > -0.05:
        return f"loading costs {max(0.0, loading):.0%} of a step"
    return "loading costs less than can be measured, for other work on this machine slowed the cached batch more"


def time_cached(pl_module: Any, batch: Mapping[str, torch.Tensor]) -> float:
    """Seconds of one training step on a batch that is on the device already; the module stays as it is."""
    network = pl_module.network
    recipe = pl_module.recipe
    try:
        pl_module.network = copy.deepcopy(network)
        optimiser = make_optimiser(parameter_groups(pl_module.network, pl_module.backbone, recipe), recipe)
        precision = pl_module.trainer.precision_plugin
        with torch.random.fork_rng():
            for number in range(CACHED + 1):
                if number == 1:
                    began = now(pl_module.device)
                optimiser.zero_grad()
                with precision.forward_context():
                    loss = pl_module.losses(batch, torch.Generator().manual_seed(number))["loss"]
                loss.backward()
                optimiser.step()
            return (now(pl_module.device) - began) / CACHED
    finally:
        pl_module.network = network
