"""SiamRPN's AlexNet made of SiamFC's: the same features, with weights for the channels that groups kept apart."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from siam_tracker_core.networks.alexnet_wide import WideAlexNet


def without_groups(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of ``alexnet_wide`` that compute what ``alexnet`` does with those given.

    A convolution in groups is one over all channels whose weights between groups are zero; training moves them from
    there. The normalisation after conv5, which SiamFC's network lacks, changes nothing. SiamRPN's own network was
    trained on ImageNet without groups (section 3.1).

    Args:
        state: of ``alexnet``.
    """
    whole = WideAlexNet().state_dict()
    # A normalisation that passes on what it gets: (x - 0) / sqrt(variance + 1e-5) * 1 + 0.
    whole["conv5.1.running_var"].fill_(1 - 1e-5)
    return whole | {name: _over_all(tensor, whole[name].shape) for name, tensor in state.items()}


def _over_all(tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A convolution's weights over all channels; any other tensor as it is."""
    if tensor.shape == shape:
        return tensor
    groups = shape[1] // tensor.shape[1]
    outputs, inputs = shape[0] // groups, tensor.shape[1]
    whole = tensor.new_zeros(shape)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        whole[rows, group * inputs : (group + 1) * inputs] = tensor[rows]
    return whole
