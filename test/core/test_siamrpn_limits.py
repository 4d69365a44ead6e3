"""SiamRPN's boxes at the limits of the image and of numbers, and its settings at theirs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_siamrpn import CPU, FOLLOW, PESSIMIST, Oracle, random_tracker

from siam_tracker_core import Box, TrackState
from siam_tracker_core.config import read_config, read_yaml
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.siamrpn import SiamRPN, SiamRPNConfig, SiamRPNModel

EXTREME = [
    Box(100, 100, 100, 5),
    Box(100, 50, 5, 100),
    Box(-60, 20, 700, 180),
    Box(310, 230, 40, 40),
    Box(5, 5, 1, 1),
    Box(0, 0, 319.5, 240),
]


def check_limits(box, least):
    assert all(math.isfinite(value) for value in box.to_array())
    visible = box.clipped(320, 240)
    for side, seen, shortest, limit in zip(
        (box.width, box.height), (visible.width, visible.height), least, (320, 240), strict=True
    ):
        assert min(shortest, 10) - 1e-6 <= side <= limit
        assert seen >= side / 2 - 1e-6
    assert -box.width / 2 - 1e-6 <= box.x <= 320 - box.width / 2 + 1e-6
    assert -box.height / 2 - 1e-6 <= box.y <= 240 - box.height / 2 + 1e-6


numbers = st.floats(-30, 30) | st.sampled_from([math.inf, -math.inf, math.nan, 0.0])

NEUTRAL = SiamRPNModel(Oracle(None), SiamRPNConfig(lost=FOLLOW), CPU, precision="single")


@given(
    st.sampled_from(EXTREME),
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 16), st.integers(0, 16), *[numbers] * 5), min_size=1, max_size=4
    ),
    st.sampled_from([-6.0, math.nan]),
)
@settings(deadline=None, max_examples=80)
def test_any_proposals_leave_a_box_that_meets_the_image(start, planned, others):
    """Finite, at least half of it in the image along each axis, no side beyond the image's or below the least one."""

    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), others), torch.zeros(4, 5, cells, cells)
        for anchor, row, column, logit, *moves in planned[number - 1 : number] if number else ():
            logits[anchor, row, column] = logit
            distances[:, anchor, row, column] = torch.tensor(moves)
        return logits, distances

    NEUTRAL.network.plan, NEUTRAL.network.calls = plan, 0
    tracker = SiamRPN(NEUTRAL)
    image = np.zeros((240, 320, 3), np.uint8)
    tracker.init(image, start)
    for _ in planned:
        result = tracker.update(image)
        check_limits(result.box, (start.width, start.height))
        assert 0 <= result.score <= 1


@pytest.mark.parametrize("box", EXTREME)
@pytest.mark.parametrize("lost", [FOLLOW, PESSIMIST], ids=["following", "lost"])
def test_extreme_targets_keep_finite_boxes_that_meet_the_image(box, lost):
    """With a random network, also on pictures of one colour."""
    made = made_sequence(frames=3, size=(320, 240))
    flat = [np.full((240, 320, 3), 90, np.uint8)] * 3
    tracker = random_tracker(lost=lost, lost_search="enlarge", lost_size=327)
    for images in (made.frames, flat):
        tracker.init(images[0], box)
        for image in images[1:] + images:
            result = tracker.update(image)
            if result.state is TrackState.LOST and result.box == box:
                continue  # where it was last believed to be: as it was given
            check_limits(result.box, (box.width, box.height))


def test_shipped_settings_are_valid():
    files = sorted((Path(__file__).parents[2] / "config" / "trackers").glob("siamrpn*.yaml"))
    read = {path.stem: read_config(SiamRPNConfig, read_yaml(path), str(path)) for path in files}
    assert read["siamrpn"] == SiamRPNConfig()
    assert read["siamrpn_long_term"] == SiamRPNConfig(lost_search="enlarge", lost_size=831)
    assert [read[f"siamrpn_centre{cells}"].centre_cells for cells in (4, 7, 13)] == [4, 7, 13]


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="enlarges nothing"):
        read_config(SiamRPNConfig, {"lost_search": "enlarge", "lost_size": 255}, "settings")
    with pytest.raises(ConfigError, match="lost_search"):
        read_config(SiamRPNConfig, {"lost_search": "grow"}, "settings")
