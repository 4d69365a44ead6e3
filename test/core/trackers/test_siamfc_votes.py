"""The filter's response beside SiamFC's, against the equation cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core.trackers.online import Seen
from siam_tracker_core.trackers.siamfc.votes import Votes, fused, heights

TARGETS, WINDOWS, SIZE = 2, 3, 5


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    shape = (TARGETS, WINDOWS, SIZE, SIZE)
    return rng.normal(scale=4, size=shape).astype(np.float32), rng.normal(0.5, 0.6, shape).astype(np.float32)


def votes_of(responses, shares, own_peaks):
    samples = torch.zeros(1, SIZE, SIZE)
    seen = [
        [Seen(samples, torch.from_numpy(response), share, (1.0, 1.0)) for response in own]
        for own, share in zip(responses, shares, strict=True)
    ]
    return Votes(seen, own_peaks)


def test_both_maps_have_their_nothing_and_their_target_at_the_same_numbers(maps):
    raw, responses = maps
    shares, own_peaks = (0.3, 0.8), (12.0, 9.0)
    found = fused(torch.from_numpy(raw), votes_of(responses, shares, own_peaks)).numpy()
    for target in range(TARGETS):
        least = raw[target].min()
        for place in np.ndindex(WINDOWS, SIZE, SIZE):
            response = min(max(responses[target][place], 0.0), 1.0)
            lifted = least + (own_peaks[target] - least) * response
            expected = (1 - shares[target]) * raw[target][place] + shares[target] * lifted
            assert found[target][place] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_response_without_numbers_leaves_the_network_as_it_is(maps):
    raw, responses = maps
    responses[0, 1, 2, 3] = np.nan
    found = fused(torch.from_numpy(raw), votes_of(responses, (0.0, 0.5), (12.0, 9.0)))
    assert torch.equal(found[0], torch.from_numpy(raw[0]))
    assert found.isfinite().all()


def test_heights_are_shares_of_the_target_s_own():
    response = torch.tensor([[-2.0, 0.5], [3.0, 1.0]])
    shares, peak = heights(response, 3.5, own_peak=8.0)
    np.testing.assert_allclose(shares.numpy(), [[0.0, 0.25], [0.5, 0.3]])
    assert peak == pytest.approx(0.55)
    flat, nothing = heights(torch.full((2, 2), 4.0), 4.0, own_peak=4.0)
    assert (float(flat.abs().max()), nothing) == (0.0, 0.0)
