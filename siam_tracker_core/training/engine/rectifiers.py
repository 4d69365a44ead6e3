"""Rectifiers whose backward step needs only what they gave, for networks that PyTorch compiles for a CPU.

``nn.ReLU6`` keeps a mask of its input for the backward step. In a compiled graph on a CPU such a mask is written one
element at a time, which is two thirds of MobileNetV2's forward pass. What a rectifier gave is kept anyway, as the input
of the next layer, and tells as much.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd import Function


class _Rectify(Function):
    """Values below 0 become 0, those above ``most`` become ``most``; neither has a gradient."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, most: float) -> torch.Tensor:
        given = values.clamp(0.0, most)
        ctx.save_for_backward(given)
        ctx.most = most
        return given

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        (given,) = ctx.saved_tensors
        return gradient * ((given > 0) & (given < ctx.most)), None


class _ReLU(nn.ReLU):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return _Rectify.apply(values, float("inf")) if torch.is_grad_enabled() else super().forward(values)


class _ReLU6(nn.ReLU6):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return _Rectify.apply(values, 6.0) if torch.is_grad_enabled() else super().forward(values)


def keep_no_masks(network: nn.Module) -> None:
    """Put such rectifiers in the place of a network's own, which stays the same function with the same weights."""
    for name, part in network.named_children():
        if type(part) is nn.ReLU:
            setattr(network, name, _ReLU(part.inplace))
        elif type(part) is nn.ReLU6:
            setattr(network, name, _ReLU6(part.inplace))
        else:
            keep_no_masks(part)
