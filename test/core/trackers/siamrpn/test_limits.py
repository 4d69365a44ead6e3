"""SiamRPN's boxes at the limits of the image and of numbers, and its settings at theirs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_siamrpn import CPU, FOLLOW, PESSIMIST, Oracle, random_tracker, tracker_of, tracker_with

from siam_tracker_core import Box
from siam_tracker_core.config import read_config, read_yaml
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig, SiamRPNModel
from siam_tracker_core.trackers.tracker import Tracker

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

NEUTRAL = SiamRPNModel.from_network(Oracle(None), SiamRPNConfig(lost=FOLLOW), CPU, precision="single")


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

    network = NEUTRAL.backend.network
    network.plan, network.calls = plan, 0
    tracker = Tracker(NEUTRAL)
    image = np.zeros((240, 320, 3), np.uint8)
    tracker.init(image, start)
    for _ in planned:
        result = tracker.update(image)
        check_limits(result.box, (start.width, start.height))
        assert 0 <= result.score <= 1


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_displacement_that_is_no_finite_number_is_none(number):
    """The best proposal's place is then that of its anchor, here the middle one."""

    def plan(_, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        logits[2, cells // 2, cells // 2] = 6.0
        distances[:2, 2, cells // 2, cells // 2] = number
        return logits, distances

    tracker = tracker_of(plan)
    image = np.zeros((240, 320, 3), np.uint8)
    tracker.init(image, Box(140, 100, 40, 40))
    assert tracker.update(image).box.centre == pytest.approx((160, 120))
    best = tracker.model.candidates(tracker.state, tracker.upload(image))[0].box
    assert best.centre == pytest.approx((160, 120))


@pytest.mark.slow
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
            check_limits(result.box, (box.width, box.height))


def test_shipped_settings_are_valid():
    files = sorted((Path(__file__).parents[4] / "config" / "trackers").glob("siamrpn*.yaml"))
    read = {path.stem: read_config(SiamRPNConfig, read_yaml(path), str(path)) for path in files}
    assert read["siamrpn"] == SiamRPNConfig()
    assert read["siamrpn_long_term"] == SiamRPNConfig(lost_search="enlarge", lost_size=831)
    assert [read[f"siamrpn_centre{cells}"].centre_cells for cells in (4, 7, 13)] == [4, 7, 13]


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="enlarges nothing"):
        read_config(SiamRPNConfig, {"lost_search": "enlarge", "lost_size": 255}, "settings")
    with pytest.raises(ConfigError, match="lost_search"):
        read_config(SiamRPNConfig, {"lost_search": "grow"}, "settings")
    with pytest.raises(ConfigError, match="lost_windows"):
        read_config(SiamRPNConfig, {"lost_windows": 1}, "settings")
    with pytest.raises(ConfigError, match=r"lost.*above recover"):
        read_config(SiamRPNConfig, {"lost": {"lost": 0.9, "recover": 0.5}}, "settings")
    for number in (math.nan, math.inf):
        with pytest.raises(ConfigError, match="finite"):
            read_config(SiamRPNConfig, {"calibration": {"bias": number}}, "settings")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"search_size": 100}, "search_size is 100; with an exemplar of 127 .* centred for 127$"),
        ({"search_size": 262}, "search_size is 262; .* for 255 or 263$"),
        ({"small_search_size": 64}, "small_search_size is 64"),
        ({"lost_search": "enlarge", "lost_size": 830}, "lost_size is 830; .* for 823 or 831$"),
        ({"exemplar_size": 300}, "search_size is 255; with an exemplar of 300"),
        ({"exemplar_size": 47, "search_size": 127}, "exemplar_size is 47, too small"),
    ],
)
def test_crops_that_do_not_fit_the_network_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        random_tracker(**values)


def test_a_small_target_s_crop_has_to_fit_only_where_it_is_used():
    tracker_with(Oracle(None), small_share=0.0, small_search_size=64)
