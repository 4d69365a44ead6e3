"""The units of SiamDW: cropping-inside residual units (Zhang and Peng, 2019, section 4.1 and Figure 3).

A 3x3 convolution of a residual unit pads its input by one cell, so that its output can be added to the shortcut. The
outermost cells of the sum have therefore seen padding; the unit crops them off, and what is left has not.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from siam_tracker_core.networks.backbone import Footprint, footprint_of

# How a unit halves its resolution (Table 7): by a stride of 2 in the 3x3 convolution and the shortcut as in ResNet
# (setting 1, Figure 3b), the same with the outermost cells cropped (setting 2), or by cropping and then max-pooling,
# which loses no cell that has seen nothing but the image (CIR-D, Figure 3b').
Downsampling = Literal["cir-d", "setting1", "setting2"]


class Crop(nn.Module):
    """Cuts ``before`` cells off the top and left of a map and ``after`` off the bottom and right."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        rows, columns = features.shape[2:]
        return features[:, :, self.before : rows - self.after, self.before : columns - self.after]

    def footprint(self, before: Footprint) -> Footprint:
        """The first cell left begins ``self.before`` cells further inside."""
        return before.through(1, padding=-self.before)

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}"


@dataclass(frozen=True)
class UnitOptions:
    """What may differ from unit to unit; the defaults are those of most units of the paper.

    Attributes:
        kernel: side of the middle convolution (Table 8 varies it in the last unit).
        crop: without, the unit is an ordinary padded one (Figure 3a; "Res. Unit" in Table 6).
        downsampling: how it halves the resolution, if it does.
        relu: whether its output is rectified; that of the last unit of a network is not.
    """

    kernel: int = 3
    crop: bool = True
    downsampling: Downsampling | None = None
    relu: bool = True

    @property
    def stride(self) -> int:
        """Of the middle convolution and the shortcut."""
        return 2 if self.downsampling in ("setting1", "setting2") else 1

    @property
    def crops(self) -> tuple[int, int]:
        """Cells to crop before and after: those that the padding of the middle convolution touched."""
        if not self.crop or self.downsampling == "setting1":
            return 0, 0
        return (self.kernel - 1) // 2, self.kernel // 2


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Conv2d:
    """A convolution whose bias a batch normalisation makes needless."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class CIRUnit(nn.Module):
    """What the units share: the bottleneck, a second path beside it, their union, and what comes after that.

    The modules are ``body`` (``conv1``, ``bn1``, ``relu1``, ``conv2``, ... ``bn3``), ``shortcut`` (``conv`` and ``bn``,
    or nothing) and ``tail`` (``bn``, ``relu``, ``crop``, ``pool``, as far as the unit has them).

    Args:
        inputs: channels.
        width: channels that the three convolutions are derived from.
        options: what differs from unit to unit.
    """

    body: nn.Sequential
    shortcut: nn.Sequential
    tail: nn.Sequential
    out_channels: int

    def __init__(self, inputs: int, width: int, options: UnitOptions) -> None:
        super().__init__()
        self.options = options
        self._build(inputs, width)

    def _build(self, inputs: int, width: int) -> None:
        raise NotImplementedError

    def _bottleneck(self, inputs: int, reduced: int, middle: int, outputs: int, groups: int = 1) -> nn.Sequential:
        """Convolutions of 1x1, kernel x kernel and 1x1, each normalised, ReLU between them (Figure 3)."""
        kernel, stride = self.options.kernel, self.options.stride
        before, after = (kernel - 1) // 2, kernel // 2
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=conv(inputs, reduced), bn1=nn.BatchNorm2d(reduced), relu1=nn.ReLU(inplace=True)
        )
        if before != after:  # an even kernel, which a convolution's own padding cannot keep the size with
            layers["pad2"] = nn.ZeroPad2d((before, after, before, after))
        layers["conv2"] = conv(reduced, middle, kernel, stride, before if before == after else 0, groups)
        layers.update(bn2=nn.BatchNorm2d(middle), relu2=nn.ReLU(inplace=True))
        layers.update(conv3=conv(middle, outputs), bn3=nn.BatchNorm2d(outputs))
        return nn.Sequential(layers)

    def _projection(self, inputs: int, outputs: int, norm: nn.BatchNorm2d | None = None) -> nn.Sequential:
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv=conv(inputs, outputs, stride=self.options.stride))
        if norm is not None:
            layers["bn"] = norm
        return nn.Sequential(layers)

    def _shortcut(self, inputs: int, norm: nn.BatchNorm2d | None = None) -> nn.Sequential:
        """The input itself, or its projection where the unit changes its shape."""
        if inputs == self.out_channels and self.options.stride == 1:
            return nn.Sequential()
        return self._projection(inputs, self.out_channels, norm)

    def _tail(self, norm: nn.BatchNorm2d | None = None) -> nn.Sequential:
        """Normalise if the unit does so here, rectify, crop, pool: the order of the published code."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if norm is not None:
            layers["bn"] = norm
        if self.options.relu:
            layers["relu"] = nn.ReLU(inplace=True)
        if any(self.options.crops):
            layers["crop"] = Crop(*self.options.crops)
        if self.options.downsampling == "cir-d":
            layers["pool"] = nn.MaxPool2d(2, 2)
        return nn.Sequential(layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.tail(self.merge(self.body(features), self.shortcut(features)))

    def merge(self, body: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        """Unite the two paths; may reuse the memory of ``body``."""
        return body.add_(shortcut)

    def footprint(self, before: Footprint) -> Footprint:
        """Of the path through the bottleneck, which sees the most."""
        return footprint_of(self.tail, footprint_of(self.body, before))


class CIR(CIRUnit):
    """The cropping-inside residual unit (Figure 3a'), with CIR-D for down-sampling (Figure 3b').

    Bottleneck of ``width``, ``width`` and ``4 * width`` channels; a convolved shortcut where the shape changes.
    """

    # Of the 3x3 convolution, relative to ``width``.
    widening = 1

    def _build(self, inputs: int, width: int) -> None:
        self.out_channels = 4 * width
        self.body = self._bottleneck(inputs, width, self.widening * width, self.out_channels)
        self.shortcut = self._shortcut(inputs, nn.BatchNorm2d(self.out_channels))
        self.tail = self._tail()


class CIRWide(CIR):
    """CIR with twice the channels in its 3x3 convolution (not in the paper; SiamDW:lib/models/modules.py)."""

    widening = 2


class CIRInception(CIRUnit):
    """CIR-Inception (Figure 3c): a convolved path of ``width`` channels beside the bottleneck's ``4 * width``."""

    def _build(self, inputs: int, width: int) -> None:
        self.out_channels = 5 * width
        self.body = self._bottleneck(inputs, width, width, 4 * width)
        # The epsilon is the published code's.
        self.shortcut = self._projection(inputs, width, nn.BatchNorm2d(width, eps=1e-3))
        self.tail = self._tail()

    def merge(self, body: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        for part in (body, shortcut):
            if part.requires_grad:
                # The gradients of a union are slices of one. On a CPU, the normalisations before it go back through
                # dense ones so much faster that a step of training takes less than half the time.
                part.register_hook(torch.clone)
        return torch.cat([body, shortcut], dim=1)


class CIRNeXt(CIRUnit):
    """CIR-NeXt (Figure 3d): the 3x3 convolution in 32 groups; the sum is normalised instead of the shortcut.

    Bottleneck of ``width``, ``width`` and ``2 * width`` channels as in the published code, whose parameter count is the
    paper's; the widths that Table 3 prints do not give it.
    """

    cardinality = 32

    def _build(self, inputs: int, width: int) -> None:
        self.out_channels = 2 * width
        self.body = self._bottleneck(inputs, width, width, self.out_channels, self.cardinality)
        self.shortcut = self._shortcut(inputs)
        self.tail = self._tail(nn.BatchNorm2d(self.out_channels))


def crop_early(module: nn.Module) -> None:
    """Compute no cells that a unit's crop would remove: no padding in its bottleneck, a cropped input of its shortcut.

    The module must be in evaluation mode; its outputs stay the same. (In training, the cells that are cropped later
    count in the statistics of the normalisations.)
    """
    for unit in module.modules():
        if isinstance(unit, CIRUnit) and unit.options.stride == 1 and "crop" in unit.tail._modules:
            unit.body._modules.pop("pad2", None)
            unit.body.get_submodule("conv2").padding = (0, 0)  # type: ignore[assignment]
            crop = unit.tail._modules.pop("crop")
            unit.shortcut = nn.Sequential(OrderedDict(crop=crop, **unit.shortcut._modules))
