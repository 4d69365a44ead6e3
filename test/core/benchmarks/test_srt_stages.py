"""The table of what each stage of SRT costs."""

from __future__ import annotations

import pytest
import torch

from siam_tracker_core.benchmarks.srt_stages import EACH, PARTS, STAGES, WHOLE, StageCosts, measure_stages
from siam_tracker_core.commands.benchmark import stages_table
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import vgg
from siam_tracker_core.networks.srt import SRTLayers
from siam_tracker_core.trackers.srt import SRTConfig

CPU = torch.device("cpu")


def test_every_stage_is_timed_for_every_hidden_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg, "WIDTHS", (4, 4, 8, 8, 8))
    config = SRTConfig(search_size=132, radial=2, angular=4, scales=3, regression_samples=10)
    costs = measure_stages(CPU, hidden=(4, 8), frames=1, warm_up=0, config=config)
    assert [(cost.hidden, cost.candidates) for cost in costs] == [(4, 27), (8, 27)]
    for cost in costs:
        assert tuple(cost.stages) == STAGES
        assert tuple(cost.instead) == (WHOLE, EACH, PARTS)
        assert min(*cost.stages.values(), *cost.instead.values()) > 0
        assert cost.total == pytest.approx(sum(cost.stages.values()))


def test_table_has_a_column_for_each_size() -> None:
    costs = [
        StageCosts(64, 505, dict.fromkeys(STAGES, 2.0), {WHOLE: 30.0, EACH: 9.0}),
        StageCosts(128, 505, dict.fromkeys(STAGES, 3.0), {WHOLE: 30.0, EACH: 9.5}),
    ]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in stages_table(costs).splitlines()]
    assert rows[0] == ["stage", "64 channels", "128 channels"]
    assert rows[2:][len(STAGES)] == ["together", "14.0", "21.0"]
    assert rows[-1] == [f"instead: {EACH}", "9.0", "9.5"]


def test_what_has_no_stages_to_time() -> None:
    with pytest.raises(ConfigError, match="frames is 0"):
        measure_stages(CPU, frames=0)
    for layers in (SRTLayers(irnn=False), SRTLayers(conv4_3=False), SRTLayers(pooling="max")):
        with pytest.raises(ConfigError, match="leave out none"):
            measure_stages(CPU, layers=layers)
