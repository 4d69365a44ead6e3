"""The measurements behind ``siam-tracker analyse``, against layers whose figures are plain."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from siam_tracker_core.analysis.guidelines import (
    WIDEST,
    Analysis,
    analyse,
    count_multiply_adds,
    padding_change,
    verdicts,
)
from siam_tracker_core.commands.analyse import analyse as print_analysis
from siam_tracker_core.errors import ConfigError, SiamTrackerError
from siam_tracker_core.networks import backbone, parameter_count


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "mobilenetv2", "ciresnet16", "ciresinception22"])
def test_measured_equals_computed_from_layers(name):
    network = backbone(name)
    analysis = analyse(network, search=127)
    assert (analysis.stride, analysis.receptive_field) == (network.stride, network.receptive_field)
    assert (analysis.channels, analysis.parameters) == (network.out_channels, parameter_count(network))
    assert (analysis.padded_cells > 0) == (name == "mobilenetv2")


def test_analysis_of_alexnet():
    """Sizes of SiamFC's Table 1; multiply-adds from its layers' shapes."""
    analysis = analyse(backbone("alexnet"))
    assert (analysis.cells, analysis.search_cells, analysis.response) == (6, 22, 17)
    assert analysis.share == pytest.approx(87 / 127)
    layers = [(59, 96, 3, 11), (25, 256, 48, 5), (10, 384, 256, 3), (8, 384, 192, 3), (6, 256, 192, 3)]
    assert analysis.exemplar_macs == sum(cells**2 * out * into * kernel**2 for cells, out, into, kernel in layers)


def test_the_module_is_left_as_it_is():
    network = backbone("alexnet").half().train()
    analyse(network)
    assert network.training
    assert all(parameter.dtype == torch.float16 and parameter.requires_grad for parameter in network.parameters())


class Mixed(nn.Module):
    """A grouped, a transposed and a linear layer: 16x16 -> 8x8 -> 16x16 -> 16x16."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 6, 2, 2, groups=3)
        self.up = nn.ConvTranspose2d(6, 5, 2, 2)
        self.mix = nn.Linear(5, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.up(self.down(images)).permute(0, 2, 3, 1)
        return self.mix(features).permute(0, 3, 1, 2)


def test_multiply_adds_of_each_kind_of_layer():
    _, counted = count_multiply_adds(Mixed(), 16)
    assert counted == 8 * 8 * 6 * 4 + 8 * 8 * 6 * 5 * 4 + 16 * 16 * 5 * 7


def chain(*layers: nn.Module) -> Analysis:
    torch.manual_seed(0)
    return analyse(nn.Sequential(*layers), exemplar=41, search=73)


@pytest.mark.parametrize(
    ("kernel", "dilation", "padding", "stride", "receptive_field"),
    [(3, 1, 0, 1, 3), (3, 1, 1, 1, 3), (5, 2, 4, 2, 9), (4, 1, 1, 3, 4), (9, 1, 0, 5, 9), (1, 1, 0, 1, 1)],
)
def test_one_convolution(kernel, dilation, padding, stride, receptive_field):
    analysis = chain(nn.Conv2d(3, 4, kernel, stride, padding, dilation))
    assert (analysis.stride, analysis.receptive_field) == (stride, receptive_field)
    starts = [stride * cell - padding for cell in range(analysis.cells)]
    inside = sum(start >= 0 and start + receptive_field <= 41 for start in starts)
    assert analysis.padded_cells == analysis.cells**2 - inside**2


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, 2), nn.AvgPool2d(3, 2)])
def test_pooling_widens_the_receptive_field(pool):
    analysis = chain(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), pool)
    assert (analysis.stride, analysis.receptive_field, analysis.padded_cells) == (4, 7, 0)


class WithContext(nn.Module):
    """Every cell depends on the whole image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images - images.mean(dim=(2, 3), keepdim=True)


def test_global_pooling_has_no_receptive_field():
    analysis = chain(WithContext(), nn.Conv2d(3, 4, 3))
    assert analysis.receptive_field is None
    assert analysis.padded_cells == analysis.cells**2
    second = verdicts(analysis)[1]
    assert not second.kept
    assert str(WIDEST) in second.finding


def analysis_of(**changes: int) -> Analysis:
    """CIResNet-22's figures, with changes."""
    figures = {
        "exemplar": 127,
        "search": 255,
        "stride": 8,
        "receptive_field": 93,
        "channels": 512,
        "cells": 5,
        "search_cells": 21,
        "padded_cells": 0,
        "parameters": 1,
        "exemplar_macs": 1,
        "search_macs": 1,
    }
    return Analysis(**(figures | changes))


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"stride": 4}, []),
        ({"stride": 16}, [1]),
        ({"stride": 2}, [1]),
        ({"receptive_field": 77}, []),
        ({"receptive_field": 76}, [2]),
        ({"receptive_field": 101}, []),
        ({"receptive_field": 103}, [2]),
        ({"receptive_field": 76, "exemplar": 100}, []),
        ({"cells": 4}, []),
        ({"cells": 3}, [3]),
        ({"padded_cells": 1}, [4]),
        ({"stride": 32, "receptive_field": 483, "cells": 2, "padded_cells": 4}, [1, 2, 3, 4]),
    ],
)
def test_guidelines(changes, broken):
    assert [verdict.number for verdict in verdicts(analysis_of(**changes)) if not verdict.kept] == broken


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "broken"),
    [({}, []), ({"crop": False}, [4]), ({"last_kernel": 6}, [2, 3]), ({"stride": 16, "last_kernel": 4}, [1, 2, 3])],
    ids=str,
)
def test_ablations_break_the_guidelines_that_they_are_about(options, broken):
    judged = verdicts(analyse(backbone("ciresnet22", **options), search=127))
    assert [verdict.number for verdict in judged if not verdict.kept] == broken


def test_command_prints_figures_and_verdicts(capsys):
    print_analysis("ciresnet22")
    printed = capsys.readouterr().out
    for figure in (
        "8 px",
        "93 px, 73% of the exemplar",
        "0 of the exemplar's 25",
        "5x5",
        "17x17",
        "1.445 M",
        "2.629 G",
    ):
        assert figure in printed
    assert "it keeps all four" in printed
    print_analysis("ciresnet22", search=127, options={"crop": False})
    assert "it breaks 4" in capsys.readouterr().out


USERS_OWN = """
import torch
class Net(torch.nn.Module):
    def __init__(self, padding=1):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, 2, padding)
        self.stride = 4
    def forward(self, images):
        return self.conv(images)
class Pooled(Net):
    def forward(self, images):
        return self.conv(images).mean(dim=(2, 3))
made = Net()
number = 3
def text():
    return "text"
"""


@pytest.fixture
def users_own(tmp_path, monkeypatch):
    (tmp_path / "users_own.py").write_text(USERS_OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))  # the command adds the current folder


@pytest.mark.parametrize("name", ["Net", "made"])
def test_a_module_of_the_users_own(name, users_own, capsys):
    print_analysis(f"users_own:{name}")
    printed = capsys.readouterr().out
    assert "it breaks 1, 2, 4" in printed
    assert "its stride says 4, measured was 2" in printed


def test_options_of_the_users_own(users_own, capsys):
    print_analysis("users_own:Net", options={"padding": 0})
    assert "it breaks 1, 2\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nothing", {}, r"no backbone 'nothing'.*ciresnet22"),
        ("alexnet", {"crop": False}, r"'alexnet'.*crop"),
        ("nowhere:Net", {}, r"'nowhere' cannot be imported"),
        ("users_own:Other", {}, r"'users_own' has no 'Other'"),
        ("users_own:", {}, r"package.module:Name"),
        ("users_own:number", {}, r"is a int; expected a torch.nn.Module"),
        ("users_own:text", {}, r"makes a str"),
        ("users_own:Net", {"paddin": 0}, r"cannot be made with options.*paddin"),
        ("users_own:made", {"padding": 0}, r"takes no options"),
        ("users_own:Pooled", {}, r"maps images \(N, 3, H, W\).*\(1, 8\)"),
        ("torch.nn:Flatten", {}, r"maps images"),
    ],
)
def test_errors_are_sentences(name, options, message, users_own):
    with pytest.raises(ConfigError, match=message):
        print_analysis(name, options=options)


def test_sizes_that_cannot_be():
    with pytest.raises(ConfigError, match="exemplar of 300 pixels"):
        print_analysis("alexnet", exemplar=300)
    with pytest.raises(ConfigError, match="31x31"):
        print_analysis("ciresnet22", exemplar=31)


@pytest.mark.slow
def test_a_picture_shows_what_padding_changes(tmp_path):
    """A padded 3x3 convolution: the cells of the outermost rows and columns, and no others."""
    change = padding_change(nn.Conv2d(3, 2, 3, padding=1).double(), 31, 1)
    assert change.shape == (31, 31)
    assert (change > 0).sum() == 31 * 31 - 29 * 29
    assert not change[1:-1, 1:-1].any()
    path = tmp_path / "new" / "net.svg"
    print_analysis("ciresnet16", options={"crop": False}, search=127, picture=path)
    assert "176 of 225 cells see padding" in path.read_text()
    with pytest.raises(SiamTrackerError, match=r"would be SVG.*\.svg"):
        print_analysis("alexnet", search=127, picture=tmp_path / "net.png")
