"""The cropping-inside residual units against the paper's figure, written out without padding."""

from __future__ import annotations

import copy

import pytest
import torch
from made_network import liven
from torch import nn
from torch.nn import functional

from siam_tracker_core.networks.backbone import Footprint, footprint_of
from siam_tracker_core.networks.cir import CIR, CIRInception, CIRNeXt, CIRUnit, CIRWide, Crop, UnitOptions, crop_early

UNITS = [CIR, CIRWide, CIRInception, CIRNeXt]
USUAL = UnitOptions()
CIR_D = UnitOptions(downsampling="cir-d")


def unit_of(kind: type[CIRUnit], inputs: int, options: UnitOptions = USUAL) -> CIRUnit:
    torch.manual_seed(3)
    return liven(kind(inputs, 32, options))


def normalise(features: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
    columns = [value[:, None, None] for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
    mean, variance, weight, bias = columns
    return (features - mean) / (variance + norm.eps).sqrt() * weight + bias


def unpadded(unit: CIRUnit, features: torch.Tensor) -> torch.Tensor:
    """What the unit is for: the same sums, of those cells only whose 3x3 neighbourhood lies inside."""
    parts = dict(unit.named_modules())
    groups = 32 if isinstance(unit, CIRNeXt) else 1
    out = functional.conv2d(features, parts["body.conv1"].weight)
    out = normalise(out, parts["body.bn1"]).clamp_min(0)
    out = functional.conv2d(out, parts["body.conv2"].weight, groups=groups)
    out = normalise(out, parts["body.bn2"]).clamp_min(0)
    out = normalise(functional.conv2d(out, parts["body.conv3"].weight), parts["body.bn3"])
    kernel = unit.options.kernel
    first, rows, columns = (kernel - 1) // 2, *out.shape[2:]
    beside = features[:, :, first : first + rows, first : first + columns]
    if "shortcut.conv" in parts:
        beside = functional.conv2d(beside, parts["shortcut.conv"].weight)
    if "shortcut.bn" in parts:
        beside = normalise(beside, parts["shortcut.bn"])
    out = torch.cat([out, beside], 1) if isinstance(unit, CIRInception) else out + beside
    if "tail.bn" in parts:
        out = normalise(out, parts["tail.bn"])
    if unit.options.relu:
        out = out.clamp_min(0)
    if unit.options.downsampling == "cir-d":
        rows, columns = rows // 2 * 2, columns // 2 * 2
        quads = [out[:, :, y:rows:2, x:columns:2] for y in (0, 1) for x in (0, 1)]
        out = torch.stack(quads).amax(0)
    return out


@pytest.mark.parametrize("options", [UnitOptions(), UnitOptions(relu=False), CIR_D], ids=["CIR", "last", "CIR-D"])
@pytest.mark.parametrize("inputs", [24, 64, 128, 160])
@pytest.mark.parametrize("kind", UNITS)
def test_unit_computes_its_figure(kind, inputs, options):
    unit = unit_of(kind, inputs, options)
    features = torch.randn(2, inputs, 11, 9, dtype=torch.float64)
    torch.testing.assert_close(unit(features), unpadded(unit, features))


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("kind", UNITS)
def test_any_kernel_leaves_no_padding(kind, kernel):
    unit = unit_of(kind, 128, UnitOptions(kernel=kernel))
    features = torch.randn(1, 128, 9, 10, dtype=torch.float64)
    out = unit(features)
    assert out.shape[2:] == (10 - kernel, 11 - kernel)
    torch.testing.assert_close(out, unpadded(unit, features))


@pytest.mark.parametrize("kind", UNITS)
def test_without_crop_the_size_stays_and_only_the_border_differs(kind):
    features = torch.randn(1, 128, 9, 9, dtype=torch.float64)
    out, inner = (unit_of(kind, 128, UnitOptions(crop=crop))(features) for crop in (False, True))
    assert out.shape[2:] == features.shape[2:]
    torch.testing.assert_close(out[:, :, 1:-1, 1:-1], inner)


@pytest.mark.parametrize(("name", "cells"), [("setting1", slice(0, 6)), ("setting2", slice(1, 5))])
@pytest.mark.parametrize("kind", UNITS)
def test_settings_of_downsampling(kind, name, cells):
    """Setting 1 of Table 7 is every second cell of a padded unit, setting 2 the same without the outermost of those."""
    features = torch.randn(1, 128, 12, 12, dtype=torch.float64)
    unit = unit_of(kind, 128, UnitOptions(downsampling=name))
    plain = copy.deepcopy(unit)
    for layer in plain.modules():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
    plain.tail = nn.Sequential(*(layer for layer in plain.tail if not isinstance(layer, Crop)))
    torch.testing.assert_close(unit(features), plain(features)[:, :, ::2, ::2][:, :, cells, cells])


@pytest.mark.parametrize("options", [UnitOptions(), UnitOptions(kernel=4), CIR_D], ids=["CIR", "even", "CIR-D"])
@pytest.mark.parametrize("inputs", [64, 128])
@pytest.mark.parametrize("kind", UNITS)
def test_cropping_early_changes_nothing(kind, inputs, options):
    unit = unit_of(kind, inputs, options)
    features = torch.randn(1, inputs, 13, 12, dtype=torch.float64)
    expected, before = unit(features), footprint_of(unit)
    crop_early(unit)
    assert not any(isinstance(layer, Crop) for layer in unit.tail)
    torch.testing.assert_close(unit(features), expected)
    assert footprint_of(unit) == before


@pytest.mark.parametrize("kind", UNITS)
def test_footprint_of_units(kind):
    before = Footprint(4, 9, -1)
    assert footprint_of(kind(64, 32, UnitOptions()), before) == Footprint(4, 17, -1)
    assert footprint_of(kind(64, 32, CIR_D), before) == Footprint(8, 21, -1)
    assert footprint_of(kind(64, 32, UnitOptions(crop=False)), before) == Footprint(4, 17, 3)
    assert footprint_of(kind(64, 32, UnitOptions(downsampling="setting1")), before) == Footprint(8, 17, 3)


def test_crop():
    features = torch.arange(30.0).view(1, 1, 5, 6)
    torch.testing.assert_close(Crop(1, 2)(features), features[:, :, 1:3, 1:4])


@pytest.mark.parametrize("kind", UNITS)
def test_units_learn(kind):
    """Nothing that is changed in place is needed by the backward pass, and every parameter gets a gradient."""
    unit = kind(64, 32, CIR_D).train()
    unit(torch.randn(2, 64, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in unit.parameters())
