"""Making a trained network ready to run: batch normalisation folded away, arithmetic in the fast precision."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PRECISIONS = ("auto", "single", "half")


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch normalisation that directly follows a convolution in a ``Sequential`` into its weights.

    The module must be in evaluation mode; its outputs stay the same up to rounding.
    """
    for child in module.children():
        fold_batch_norms(child)
    if not isinstance(module, nn.Sequential):
        return
    names = list(module._modules)
    for first, second in itertools.pairwise(names):
        conv, norm = module._modules[first], module._modules[second]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module._modules[first] = fuse_conv_bn_eval(conv, norm)
            module._modules[second] = nn.Identity()


def inference_dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """The number type to compute features in.

    ``half`` is float16 on CUDA and bfloat16 elsewhere; ``auto`` takes it where it is the faster one: on CUDA, and on
    CPUs with matrix units (AMX).
    """
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    if precision == "single":
        return torch.float32
    if precision == "half":
        return half
    return half if device.type == "cuda" or has_matrix_units() else torch.float32


def has_matrix_units() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; elsewhere bfloat16 is slower than float32."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
