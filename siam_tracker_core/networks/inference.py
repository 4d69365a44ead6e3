"""Making a trained network ready to run: batch normalisation folded away, arithmetic in the fast precision."""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.cir import crop_early
from siam_tracker_core.networks.joined_head import JoinedDepthwiseHead
from siam_tracker_core.networks.rpn import DepthwiseHead, ProposalHead
from siam_tracker_core.networks.siamban import PixelwiseHead

PRECISIONS = ("auto", "single", "half")

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def ready(network: NetworkT, device: torch.device, dtype: torch.dtype) -> NetworkT:
    """Make a trained network ready to track: folded, cropped early, on its device, its backbone in a number type.

    Args:
        network: with a ``backbone``, and perhaps a ``head`` of proposals; it is changed and given back.
        device: where it will run.
        dtype: of backbone and head.
    """
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    crop_early(network)
    channels_last(network).to(device)
    network.get_submodule("backbone").to(dtype)
    head = network._modules.get("head")
    if isinstance(head, DepthwiseHead):
        head = channels_last(JoinedDepthwiseHead(head))
        network.add_module("head", head)
    if isinstance(head, (ProposalHead, PixelwiseHead)):
        head.to(dtype)
    return network


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
