"""Longer or shorter features from the same backbone, exactly: a factor worked into its weights."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.networks.cir import CIRNeXt, CIRUnit
from siam_tracker_core.networks.ciresnet import CIResNet


def scale_output(network: Backbone, factor: float) -> None:
    """Multiply all features of a backbone by a factor; the weights change in place.

    A chain of layers is scaled by its last one. In residual networks each unit of the last stage adds to what it is
    given, so that all of them are scaled, and what reads their features is scaled back. In CIR-NeXt, which normalises
    the sum, the result is exact in evaluation mode but for the normalisation's epsilon.

    Args:
        network: a backbone that ends with a convolution, a normalisation, or a stage of SiamDW's units; a ReLU may
            follow.
        factor: positive.
    """
    with torch.no_grad():
        if isinstance(network, CIResNet):
            stages = list(network.children())
            _scale_stage(list(stages[-1].children()), factor)
        else:
            ending = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)][-1]
            _scale_affine(ending, factor)


def _scale_stage(units: list[nn.Module], factor: float) -> None:
    for number, unit in enumerate(units):
        assert isinstance(unit, CIRUnit)
        shortcut = dict(unit.shortcut.named_children())
        if number:
            # What comes in is scaled already.
            for reader in (unit.body.get_submodule("conv1"), shortcut.get("conv")):
                if isinstance(reader, nn.Conv2d):
                    reader.weight.div_(factor)
        if isinstance(unit, CIRNeXt):
            if number:
                _scale_affine(unit.body.get_submodule("bn3"), factor)
                _scale_statistics(unit.tail.get_submodule("bn"), factor)
            _scale_affine(unit.tail.get_submodule("bn"), factor)
        else:
            for writer in (unit.body.get_submodule("bn3"), shortcut.get("bn")):
                if writer is not None:
                    _scale_affine(writer, factor)


def _scale_affine(layer: nn.Module, factor: float) -> None:
    for parameter in layer.parameters(recurse=False):
        parameter.mul_(factor)


def _scale_statistics(norm: nn.Module, factor: float) -> None:
    norm.get_buffer("running_mean").mul_(factor)
    norm.get_buffer("running_var").mul_(factor**2)
