"""The table of what backbones cost: every one beside AlexNet, with the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from siam_tracker_core import Box, TrackState
from siam_tracker_core.benchmarks import backbones
from siam_tracker_core.benchmarks.backbones import PUBLISHED, BackboneCost, measure_backbones
from siam_tracker_core.commands.benchmark import backbones_table
from siam_tracker_core.trackers.tracker import Tracker


@pytest.mark.slow
def test_updates_are_timed_for_both_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "PUBLISHED", {name: PUBLISHED[name] for name in ("alexnet", "ciresnet16")})
    costs = measure_backbones(torch.device("cpu"), frames=1)
    assert [cost.backbone for cost in costs] == ["alexnet", "ciresnet16"]
    assert all(cost.siamfc > 0 and cost.siamrpn > 0 for cost in costs)


@pytest.mark.slow
def test_no_target_is_ever_lost_while_updates_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep would be timed in place of an update: random weights see the target nowhere, or anywhere."""
    followed: dict[str, Tracker] = {}

    def instead(trackers: Mapping[str, Tracker], frames: int) -> dict[str, float]:
        followed.update(trackers)
        return dict.fromkeys(trackers, 1.0)

    monkeypatch.setattr(backbones, "PUBLISHED", {"alexnet": PUBLISHED["alexnet"]})
    monkeypatch.setattr(backbones, "measure_updates", instead)
    measure_backbones(torch.device("cpu"))
    assert set(followed) == {"siamfc alexnet", "siamrpn alexnet"}
    picture = np.full((480, 640, 3), 90, np.uint8)
    for tracker in followed.values():
        tracker.init(picture, Box(300, 220, 40, 60))
        for _ in range(10):
            assert tracker.update(picture).state is not TrackState.LOST
            windows = tracker.model.search(tracker.state).windows
            assert len({window.centre_x for window in windows}) == 1


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
