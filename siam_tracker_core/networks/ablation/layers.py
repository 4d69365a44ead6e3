"""What the networks of SiamDW's ablations are made of: kernels for a receptive field, and layers with and without
padding."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.networks.cir import Crop


class Chain(Backbone):
    """A backbone that is its parts, one after another."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for part in self.children():
            images = part(images)
        return images


def tail_kernels(receptive_field: int, before: int, jump: int, count: int) -> list[int]:
    """Sides of the last convolutions for a receptive field, as equal as can be, the larger ones first.

    Args:
        receptive_field: that is wanted, in pixels.
        before: in front of these convolutions, in pixels.
        jump: between their cells, in pixels.
        count: how many convolutions.

    Raises:
        ConfigError: if no kernels give it; names the nearest that can be had.
    """
    budget, rest = divmod(receptive_field - before, jump)
    if rest or budget < 0:
        low = before + max(budget, 0) * jump
        raise ConfigError(
            f"receptive_field {receptive_field} cannot be had: it is {before} and a multiple of {jump} more, such as "
            f"{low} or {low + jump}"
        )
    each, more = divmod(budget, count)
    return [1 + each + (number < more) for number in range(count)]


def check_stride(stride: int) -> None:
    """Refuse a stride that the ablations do not have.

    Raises:
        ConfigError: if it is not 4, 8 or 16.
    """
    if stride not in (4, 8, 16):
        raise ConfigError(f"stride is {stride}; use 4, 8 or 16")


def reach(kernel: int) -> tuple[int, int]:
    """Cells that a kernel looks at before and after its own."""
    return (kernel - 1) // 2, kernel // 2


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padded: bool = False, groups: int = 1) -> nn.Module:
    """A convolution without bias; an even kernel that is padded pads one cell more after than before."""
    before, after = reach(kernel) if padded else (0, 0)
    if before == after:
        return nn.Conv2d(inputs, outputs, kernel, stride, before, groups=groups, bias=False)
    return nn.Sequential(
        nn.ZeroPad2d((before, after, before, after)),
        nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
    )


def pool(kernel: int, stride: int, padded: bool = False) -> nn.Module:
    """A max-pooling of rectified values, which zeros around them do not change."""
    before, after = reach(kernel) if padded else (0, 0)
    if before == after:
        return nn.MaxPool2d(kernel, stride, before)
    return nn.Sequential(nn.ZeroPad2d((before, after, before, after)), nn.MaxPool2d(kernel, stride))


def crop(kernel: int, own: int = 1) -> nn.Module:
    """Cuts a branch with kernel ``own`` to the cells that one with ``kernel`` has without padding."""
    (before, after), (less_before, less_after) = reach(kernel), reach(own)
    cut = before - less_before, after - less_after
    return Crop(*cut) if any(cut) else nn.Identity()
