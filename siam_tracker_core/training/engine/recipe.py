"""The settings that every tracker's training shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from siam_tracker_core.config import STRICT, read_config
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count, Decay, NotNegative, Positive, Share, Whole


@dataclass(frozen=True)
class Unfreezing:
    """When the parts of a backbone begin to train, from back to front (SiamDW, section 5.1).

    The unit that holds the first convolution never trains as long as this is on.

    Attributes:
        every: epochs from one unit to the next; 0 lets the whole backbone train from the start. SiamDW takes 5.
        first: units at the back that train from the start.
    """

    every: Whole = 0
    first: Whole = 1

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class WarmUp:
    """How the learning rate rises at the start, linearly, from ``start_factor`` times its value.

    Attributes:
        steps: optimiser steps of the rise.
        epochs: whole epochs of it, in place of ``steps``; the decay begins after them, as in PySOT's schedules.
        start_factor: share of the rate at the first step.
    """

    steps: Whole = 0
    epochs: Whole = 0
    start_factor: Share = 0.01

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {"start": "start_factor"}

    def __post_init__(self) -> None:
        if self.steps and self.epochs:
            raise ConfigError(f"warmup has {self.steps} steps and {self.epochs} epochs; give one of the two")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, whatever it learns.

    Attributes:
        epochs: how many; a checkpoint follows each.
        steps_per_epoch: optimiser steps in each.
        batch_size: samples a step, of every process by itself.
        accumulate_grad_batches: batches whose gradients make one optimiser step.
        optimiser: ``sgd`` (with momentum) or ``adamw``.
        lr: learning rate of the first epoch.
        final_lr: learning rate of the last epoch.
        lr_schedule: ``logarithmic``, by epoch as the papers do (``logspace(lr, final_lr, epochs)``), or ``cosine``,
            by step.
        backbone_lr_mult: factor on the rate of the backbone's parameters.
        warmup: the rise before the decay.
        momentum: of SGD.
        weight_decay: on all parameters.
        grad_clip_norm: largest norm of the gradient; 0 clips nothing.
        precision: ``auto`` (bfloat16 mixed where the machine computes with it, else single), ``single``, ``bf16`` or
            ``fp16``.
        ema_decay: decay of the exponential moving average of the weights, which is what is validated and kept; 0 keeps
            the weights themselves.
        freeze_batch_norm: keep the statistics of the backbone's batch normalisation as they are.
        unfreezing: which part of the backbone trains when.
        seed: of everything random.
    """

    epochs: Count = 50
    steps_per_epoch: Count = 60
    batch_size: Count = 16
    accumulate_grad_batches: Count = 1
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: Positive = 1e-2
    final_lr: NotNegative = 1e-5
    lr_schedule: Literal["logarithmic", "cosine"] = "logarithmic"
    backbone_lr_mult: NotNegative = 1.0
    warmup: WarmUp = field(default_factory=WarmUp)
    momentum: Decay = 0.9
    weight_decay: NotNegative = 5e-4
    grad_clip_norm: NotNegative = 0.0
    precision: Literal["auto", "single", "bf16", "fp16"] = "auto"
    ema_decay: Decay = 0.998
    freeze_batch_norm: bool = False
    unfreezing: Unfreezing = field(default_factory=Unfreezing)
    seed: Whole = 0

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {
        "accumulation": "accumulate_grad_batches",
        "average": "ema_decay",
        "backbone_rate": "backbone_lr_mult",
        "batch": "batch_size",
        "clip": "grad_clip_norm",
        "decay": "lr_schedule",
        "first_rate": "lr",
        "frozen_norms": "freeze_batch_norm",
        "last_rate": "final_lr",
        "warm_up": "warmup",
    }

    def __post_init__(self) -> None:
        if self.lr_schedule == "logarithmic" and self.final_lr == 0:
            raise ConfigError("final_lr is 0, which a logarithmic decay never reaches; take lr_schedule: cosine")
        if self.warmup.epochs >= self.epochs:
            raise ConfigError(f"warmup takes {self.warmup.epochs} of {self.epochs} epochs; leave at least one")

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.epochs * self.steps_per_epoch

    @property
    def batches_per_epoch(self) -> int:
        """Batches that each process reads in an epoch."""
        return self.steps_per_epoch * self.accumulate_grad_batches


# Of a backbone, see ``networks.backbone``; they travel in the metadata of weights.
BackboneOptions = dict[str, bool | int | str]


def described(name: str, options: BackboneOptions) -> dict[str, Any]:
    """A backbone as the metadata of weights describe it, see ``networks.described_backbone``."""
    return {"backbone": name, **({"backbone_options": dict(options)} if options else {})}


RecipeT = TypeVar("RecipeT", bound=Recipe)


def read_recipe(cls: type[RecipeT], values: RecipeT | Mapping[str, Any] | None, origin: str = "training") -> RecipeT:
    """A recipe from its settings in YAML, or as it is.

    Raises:
        ConfigError: for an unknown key, a wrong type or an impossible value.
    """
    return values if isinstance(values, cls) else read_config(cls, values or {}, origin)  # type: ignore[arg-type]
