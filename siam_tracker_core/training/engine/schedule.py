"""Optimiser and learning rate of a recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from siam_tracker_core.training.engine.recipe import Recipe


def rate_factor(step: int, recipe: Recipe) -> float:
    """The learning rate of an optimiser step (from 0) as a share of ``lr``."""
    return _rise(step, recipe) * _decay(step, recipe)


def _rise(step: int, recipe: Recipe) -> float:
    warmup = recipe.warmup
    length = warmup.steps or warmup.epochs * recipe.steps_per_epoch
    return min(1.0, warmup.start_factor + (1 - warmup.start_factor) * step / length) if length else 1.0


def _decay(step: int, recipe: Recipe) -> float:
    least = recipe.final_lr / recipe.lr
    begin = recipe.warmup.epochs
    if recipe.lr_schedule == "cosine":
        start = begin * recipe.steps_per_epoch
        done = min(1.0, max(0.0, step - start) / (recipe.steps - start))
        return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done))
    # Element `epoch` of logspace(first, last, epochs) over the epochs after the warm-up.
    epoch = min(max(0, step // recipe.steps_per_epoch - begin), recipe.epochs - begin - 1)
    return float(least ** (epoch / max(1, recipe.epochs - begin - 1)))


def make_optimiser(groups: Iterable[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser for parameter groups."""
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(groups, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def parameter_groups(network: nn.Module, backbone: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The parameters of a network, those of its backbone with their own rate; empty groups are left out."""
    inside = {id(parameter) for parameter in backbone.parameters()}
    parts = (
        ([p for p in network.parameters() if id(p) in inside], recipe.lr * recipe.backbone_lr_mult),
        ([p for p in network.parameters() if id(p) not in inside], recipe.lr),
    )
    return [{"params": parameters, "lr": rate} for parameters, rate in parts if parameters]


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.lr_scheduler.LambdaLR:
    """The recipe's schedule, to be advanced after every optimiser step."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_factor(step, recipe))
