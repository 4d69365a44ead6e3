"""The table of what backbones cost: every one beside AlexNet, with the paper's figures."""

from __future__ import annotations

import pytest
import torch

from siam_tracker_core.commands.benchmark import backbones_table
from siam_tracker_core.evaluation import backbones
from siam_tracker_core.evaluation.backbones import PUBLISHED, BackboneCost, measure_backbones


def test_updates_are_timed_for_both_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "PUBLISHED", {name: PUBLISHED[name] for name in ("alexnet", "ciresnet16")})
    costs = measure_backbones(torch.device("cpu"), frames=1)
    assert [cost.backbone for cost in costs] == ["alexnet", "ciresnet16"]
    assert all(cost.siamfc > 0 and cost.siamrpn > 0 for cost in costs)


def test_speeds_are_relative_to_alexnet() -> None:
    table = backbones_table(
        [BackboneCost("alexnet", 30.0, 15.0, (101, 190)), BackboneCost("ciresnet43", 90.0, 30.0, (35, 75))]
    )
    first, second = table.splitlines()[-2:]
    assert [cell.strip() for cell in first.strip("|").split("|")] == [
        "alexnet", "30.0", "1.00", "1.00 (101/s)", "15.0", "1.00", "1.00 (190/s)", "50%",
    ]  # fmt: skip
    assert [cell.strip() for cell in second.strip("|").split("|")] == [
        "ciresnet43", "90.0", "0.33", "0.35 (35/s)", "30.0", "0.50", "0.39 (75/s)", "33%",
    ]  # fmt: skip
