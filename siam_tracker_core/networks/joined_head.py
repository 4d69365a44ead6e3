"""The depth-wise head with its two branches side by side in one, which takes half as many steps in every frame."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.networks.rpn import DepthwiseHead, Kernels, ProposalHead, Proposals, depthwise_correlation


class JoinedDepthwiseHead(ProposalHead):
    """What ``DepthwiseHead`` computes, for inference.

    Both branches take the same features through layers of the same shape, so each pair of layers is one layer of twice
    the width; only the last ones, whose outputs are of unequal number, stay apart.

    Args:
        head: whose weights are taken over; its batch normalisations are folded (``networks.inference``).

    Raises:
        ValueError: if the head still normalises.
    """

    def __init__(self, head: DepthwiseHead) -> None:
        super().__init__()
        if any(isinstance(module, nn.BatchNorm2d) for module in head.modules()):
            raise ValueError("only a head whose batch normalisations are folded can be joined")
        self.anchors = head.anchors
        self.conv_kernel = _joined(head.cls.conv_kernel[0], head.loc.conv_kernel[0])
        self.conv_search = _joined(head.cls.conv_search[0], head.loc.conv_search[0])
        self.mix = _joined(head.cls.head[0], head.loc.head[0], groups=2)
        self.outputs = nn.ModuleList([head.cls.head[-1], head.loc.head[-1]])

    def kernels(self, exemplars: torch.Tensor) -> Kernels:
        return Kernels(*self.conv_kernel(exemplars).relu_().chunk(2, dim=1))

    def forward(self, searches: torch.Tensor, kernels: Kernels) -> Proposals:
        response = depthwise_correlation(self.conv_search(searches).relu_(), torch.cat(kernels, dim=1))
        halves = self.mix(response).relu_().chunk(2, dim=1)
        return self._split(*(output(half) for output, half in zip(self.outputs, halves, strict=True)))


def _joined(first: nn.Module, second: nn.Module, groups: int = 1) -> nn.Conv2d:
    """One convolution with the outputs of two alike, whose inputs are the same, or in two ``groups`` a half each."""
    weights, biases = (
        torch.cat([first.get_parameter(name), second.get_parameter(name)]) for name in ("weight", "bias")
    )
    outputs, inputs, *kernel = weights.shape
    joined = nn.Conv2d(groups * inputs, outputs, (kernel[0], kernel[1]), groups=groups, device="meta")
    joined.weight, joined.bias = nn.Parameter(weights), nn.Parameter(biases)
    return joined.requires_grad_(False)
