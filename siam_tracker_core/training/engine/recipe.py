"""The settings that every tracker's training shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt

from siam_tracker_core.config import STRICT, read_config
from siam_tracker_core.errors import ConfigError

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Decay = Annotated[float, Ge(0), Lt(1)]


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
    """How the learning rate rises at the start, linearly, from ``start`` times its value.

    Attributes:
        steps: optimiser steps of the rise.
        epochs: whole epochs of it, in place of ``steps``; the decay begins after them, as in PySOT's schedules.
        start: share of the rate at the first step.
    """

    steps: Whole = 0
    epochs: Whole = 0
    start: Share = 0.01

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.steps and self.epochs:
            raise ConfigError(f"warm_up has {self.steps} steps and {self.epochs} epochs; give one of the two")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, whatever it learns.

    Attributes:
        epochs: how many; a checkpoint follows each.
        steps_per_epoch: optimiser steps in each.
        batch: samples a step, of every process by itself.
        accumulation: batches whose gradients make one optimiser step.
        optimiser: ``sgd`` (with momentum) or ``adamw``.
        first_rate: learning rate of the first epoch.
        last_rate: learning rate of the last epoch.
        decay: ``logarithmic``, by epoch as the papers do (``logspace(first_rate, last_rate, epochs)``), or ``cosine``,
            by step.
        backbone_rate: factor on the rate of the backbone's parameters.
        warm_up: the rise before the decay.
        momentum: of SGD.
        weight_decay: on all parameters.
        clip: largest norm of the gradient; 0 clips nothing.
        precision: ``auto`` (bfloat16 mixed where the machine computes with it, else single), ``single``, ``bf16`` or
            ``fp16``.
        average: decay of the exponential moving average of the weights, which is what is validated and kept; 0 keeps
            the weights themselves.
        frozen_norms: keep the statistics of the backbone's batch normalisation as they are.
        unfreezing: which part of the backbone trains when.
        seed: of everything random.
    """

    epochs: Count = 50
    steps_per_epoch: Count = 60
    batch: Count = 16
    accumulation: Count = 1
    optimiser: Literal["sgd", "adamw"] = "sgd"
    first_rate: Positive = 1e-2
    last_rate: NotNegative = 1e-5
    decay: Literal["logarithmic", "cosine"] = "logarithmic"
    backbone_rate: NotNegative = 1.0
    warm_up: WarmUp = field(default_factory=WarmUp)
    momentum: Decay = 0.9
    weight_decay: NotNegative = 5e-4
    clip: NotNegative = 0.0
    precision: Literal["auto", "single", "bf16", "fp16"] = "auto"
    average: Decay = 0.998
    frozen_norms: bool = False
    unfreezing: Unfreezing = field(default_factory=Unfreezing)
    seed: Whole = 0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.decay == "logarithmic" and self.last_rate == 0:
            raise ConfigError("last_rate is 0, which a logarithmic decay never reaches; take decay: cosine, or a rate")
        if self.warm_up.epochs >= self.epochs:
            raise ConfigError(f"warm_up takes {self.warm_up.epochs} of {self.epochs} epochs; leave at least one")

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.epochs * self.steps_per_epoch

    @property
    def batches_per_epoch(self) -> int:
        """Batches that each process reads in an epoch."""
        return self.steps_per_epoch * self.accumulation


RecipeT = TypeVar("RecipeT", bound=Recipe)


def read_recipe(cls: type[RecipeT], values: RecipeT | Mapping[str, Any] | None, origin: str = "training") -> RecipeT:
    """A recipe from its settings in YAML, or as it is.

    Raises:
        ConfigError: for an unknown key, a wrong type or an impossible value.
    """
    return values if isinstance(values, cls) else read_config(cls, values or {}, origin)  # type: ignore[arg-type]
