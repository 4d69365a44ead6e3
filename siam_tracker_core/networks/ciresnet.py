"""The backbones of SiamDW (Zhang and Peng, 2019): ``DESCRIPTIONS`` is its Table 3.

Where the paper and the published code (SiamDW:lib/tutorials/train.md) differ in the number of blocks, for CIResNet-16
and 19, the paper's is built: only it gives the parameters, feature sizes and receptive fields that the paper states.
Tables 6 and 7 speak of a CIResNet-20, which Table 3 does not have; ``ciresnet20`` is CIResNet-19, counted with the
layer that it is pre-trained with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, footprint_of
from siam_tracker_core.networks.cir import (
    CIR,
    CIRInception,
    CIRNeXt,
    CIRUnit,
    CIRWide,
    Crop,
    Downsampling,
    UnitOptions,
)


@dataclass(frozen=True)
class Stem:
    """The first convolution (7x7, 64 channels, stride 2), cropped and max-pooled.

    Attributes:
        padding: pixels around the image.
        crop: cells cut off each side of the convolution's output.
        pool: side of the max-pooling of stride 2 after it, 0 for none.
        bias: whether the convolution has one.
    """

    padding: int = 3
    crop: int = 2
    pool: int = 2
    bias: bool = False


@dataclass(frozen=True)
class Stage:
    """Units of one width.

    Attributes:
        width: channels of their 3x3 convolutions.
        blocks: how many.
        halving: the number of the one that halves the resolution, counted from 1; 0 for none.
    """

    width: int
    blocks: int
    halving: int = 0


@dataclass(frozen=True)
class Description:
    """A backbone as a column of Table 3 describes it: the unit, the stages ``conv2`` and ``conv3``, and ``conv1``."""

    unit: type[CIRUnit]
    stages: tuple[Stage, ...]
    stem: Stem = Stem()


# The wide networks' first convolution is not padded, and pooled by 3x3 (SiamDW:lib/models/modules.py).
UNPADDED = Stem(padding=0, crop=0, pool=3)

# fmt: off
DESCRIPTIONS: dict[str, Description] = {
    "ciresnet16":       Description(CIR,          (Stage(64, 1),            Stage(128, 4, halving=1))),
    "ciresnet19":       Description(CIR,          (Stage(64, 2),            Stage(128, 4, halving=1))),
    "ciresnet22":       Description(CIR,          (Stage(64, 3),            Stage(128, 4, halving=1))),
    "ciresnet22w":      Description(CIRWide,      (Stage(64, 3),            Stage(128, 4, halving=1))),
    "ciresinception22": Description(CIRInception, (Stage(64, 3),            Stage(128, 4, halving=1)), UNPADDED),
    "ciresnext22":      Description(CIRNeXt,      (Stage(128, 3),           Stage(256, 4, halving=1)),
                                                   replace(UNPADDED, bias=True)),
    "ciresnet43":       Description(CIR,          (Stage(64, 14, halving=4),), Stem(pool=0)),
}
# fmt: on


class CIResNet(Backbone):
    """A network of cropping-inside residual units; the options make the variants of the paper's ablations.

    Children are ``stem`` and ``layer1``, ``layer2`` (the paper's ``conv2`` and ``conv3``), named after torchvision's
    ResNets. Weights begin as the published code's: convolutions normal with the variance of He et al. by their
    outputs, normalisations at one and zero.

    Args:
        description: a value of ``DESCRIPTIONS``, or one's own.
        crop: whether the units crop (Table 6). Without, they are padded ones; with ``downsampling="setting1"`` then,
            they are ResNet's.
        downsampling: how resolution is halved within the stages (Table 7).
        last_kernel: side of the middle convolution of the last unit, 3 in all networks of Table 3. Table 8 varies it:
            1 to 6 give the receptive fields -16 to +24 and output sizes 7 to 2 of CIResNet-22.
        stride: total stride. Twice that of the description makes the last unit a halving one, half of it makes the
            halving unit an ordinary one; None keeps it. Of Table 8, ``stride=16, last_kernel=4`` is its column 8 for
            CIResNet-22 and ``stride=4, last_kernel=13`` its column 7 with a receptive field of 105: the column's
            109 would give an output of 5 cells, not its 6.

    Attributes:
        first_centre: of the first cell, in pixels: cell ``j`` is centred on ``first_centre + stride * j``. The padded
            and cropped stem begins at pixel 1.

    Raises:
        ConfigError: if an option is impossible.
    """

    def __init__(
        self,
        description: Description,
        *,
        crop: bool = True,
        downsampling: Downsampling = "cir-d",
        last_kernel: int = 3,
        stride: int | None = None,
    ) -> None:
        super().__init__()
        _check(crop, downsampling, last_kernel)
        self.description = description
        self.stem = _stem(description.stem)
        channels = 64
        plan = _plan(description, stride, UnitOptions(crop=crop), downsampling, last_kernel)
        for number, (stage, options) in enumerate(zip(description.stages, plan, strict=True), 1):
            units: list[CIRUnit] = []
            for option in options:
                units.append(description.unit(channels, stage.width, option))
                channels = units[-1].out_channels
            self.add_module(f"layer{number}", nn.Sequential(*units))
        self.apply(_initialise)
        footprint = footprint_of(self)
        self.stride, self.receptive_field = footprint.stride, footprint.receptive_field
        self.first_centre = (footprint.receptive_field - 1) / 2 - footprint.padding
        self.out_channels = channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = images
        for part in self.children():
            features = part(features)
        return features

    def units(self) -> list[nn.Module]:
        """The stem and then the units of all stages, front to back.

        SiamDW unfreezes one more of them every five epochs from the back, and never the stem (section 5.1).
        """
        stem, *stages = self.children()
        return [stem, *(unit for stage in stages for unit in stage.children())]


def _check(crop: bool, downsampling: str, last_kernel: int) -> None:
    if downsampling not in ("cir-d", "setting1", "setting2"):
        raise ConfigError(f"downsampling {downsampling!r} is unknown; use cir-d, setting1 or setting2")
    if not crop and downsampling == "setting2":
        raise ConfigError("downsampling setting2 crops, so it cannot be had with crop=False; use cir-d or setting1")
    if last_kernel < 1:
        raise ConfigError(f"last_kernel is the side of a convolution, 1 or more, got {last_kernel}")


def _stem(stem: Stem) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(3, 64, 7, 2, stem.padding, bias=stem.bias),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(inplace=True),
    )
    if stem.crop:
        layers["crop"] = Crop(stem.crop, stem.crop)
    if stem.pool:
        layers["pool"] = nn.MaxPool2d(stem.pool, 2)
    return nn.Sequential(layers)


def _plan(
    description: Description, stride: int | None, options: UnitOptions, downsampling: Downsampling, last_kernel: int
) -> Iterator[list[UnitOptions]]:
    """The options of each unit, stage by stage."""
    halving = [number + 1 == stage.halving for stage in description.stages for number in range(stage.blocks)]
    usual = (4 if description.stem.pool else 2) * 2 ** sum(halving)
    if stride is not None and stride != usual:
        if stride == 2 * usual and not halving[-1]:
            halving[-1] = True
        elif 2 * stride == usual and any(halving):
            halving[halving.index(True)] = False
        else:
            raise ConfigError(f"stride {stride} cannot be made of this backbone's {usual}; use its half or double")
    units = [replace(options, downsampling=downsampling if halves else None) for halves in halving]
    units[-1] = replace(units[-1], kernel=last_kernel, relu=False)
    for stage in description.stages:
        yield units[: stage.blocks]
        units = units[stage.blocks :]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
