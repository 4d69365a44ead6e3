"""The choice of a proposal in NumPy is the one in PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.trackers.common.response import cosine_window
from siam_tracker_core.trackers.siamrpn.host import choose_on_host
from siam_tracker_core.trackers.siamrpn.proposals import Preference, choose, rank

SIZE = 17


def answers(seed, windows, anchors):
    """Scores and boxes as of a network."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(windows, anchors, SIZE, SIZE, generator=generator)
    boxes = torch.randn(windows, anchors, SIZE, SIZE, 4, generator=generator) * 20
    boxes[..., 2:] = boxes[..., 2:].abs() + 3
    return scores, boxes


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.sampled_from([1, 5]),
    st.floats(0, 1),
    st.floats(0, 2),
    st.sampled_from([math.inf, 3, 8, 17]),
    st.sampled_from([9, 17, 40]),
)
def test_numpy_chooses_as_pytorch(seed, windows, anchors, influence, penalty_k, cells, surroundings):
    scores, boxes = answers(seed, windows, anchors)
    preferences = [Preference(20.0 + n, 30.0, influence, penalty_k, cells) for n in range(windows)]
    cosine = cosine_window(SIZE, inner=True)
    expected, expected_maps = choose(rank(scores, boxes, cosine, preferences), surroundings, 4)
    proposals, maps = choose_on_host(scores, boxes, cosine, preferences, surroundings, 4)
    assert torch.equal(maps, expected_maps)
    assert np.allclose(proposals, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("broken", ["some", "all"])
def test_scores_that_are_no_numbers(broken):
    scores, boxes = answers(1, 2, 5)
    scores[0, :, 3:5] = math.nan
    if broken == "all":
        scores[0] = math.nan
    preferences = [Preference(20.0, 30.0)] * 2
    cosine = cosine_window(SIZE, inner=True)
    expected, _ = choose(rank(scores, boxes, cosine, preferences), SIZE, 4)
    proposals, _ = choose_on_host(scores, boxes, cosine, preferences, SIZE, 4)
    assert np.allclose(proposals, expected, rtol=2e-4, atol=1e-5, equal_nan=True)
    assert math.isnan(proposals[0].score) is (broken == "all")
