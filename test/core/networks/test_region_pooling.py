"""Pooling of fractional regions against the plain average or maximum of finely divided cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.networks.region_pooling import pool_regions

FINE = 8  # regions below have edges of bins at multiples of 1 / FINE
BORDER = 8  # cells around the map, for regions that reach beyond it

edges = st.integers(-4 * FINE, 12 * FINE)
bins = st.integers(1, 3 * FINE)  # length of a bin in 1 / FINE of a cell


def slow(map_: np.ndarray, left: int, top: int, across: int, down: int, cells: int, pooling: str) -> np.ndarray:
    """Each cell of (C, H, W) divided into FINE x FINE equal ones, and the bins' own ones averaged or compared."""
    wide = np.pad(map_, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)), mode="edge")
    fine = np.repeat(np.repeat(wide, FINE, axis=1), FINE, axis=2)
    left, top = left + BORDER * FINE, top + BORDER * FINE
    result = np.zeros((cells, cells, len(map_)))
    for row in range(cells):
        for column in range(cells):
            y, x = top + row * down, left + column * across
            part = fine[:, y : y + down, x : x + across]
            result[row, column] = part.mean(axis=(1, 2)) if pooling == "average" else part.max(axis=(1, 2))
    return result


@pytest.mark.parametrize("pooling", ["average", "max"])
@given(boxes=st.lists(st.tuples(edges, edges, bins, bins), min_size=1, max_size=4), cells=st.sampled_from([1, 3]))
@settings(max_examples=40, deadline=None)
def test_equals_the_slow_reference(pooling, boxes, cells):
    map_ = np.random.default_rng(0).normal(size=(3, 11, 13))
    regions = [(x / FINE, y / FINE, cells * w / FINE, cells * h / FINE) for x, y, w, h in boxes]
    found = pool_regions(torch.from_numpy(map_)[None], torch.tensor(regions, dtype=torch.float64)[None], cells, pooling)
    for own, (x, y, w, h) in zip(found[0].numpy(), boxes, strict=True):
        np.testing.assert_allclose(own, slow(map_, x, y, w, h, cells, pooling), atol=1e-9)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_hundreds_of_regions_of_several_maps_at_once(pooling):
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 20, 24)
    regions = torch.cat((torch.rand(2, 300, 2) * 12, torch.rand(2, 300, 2) * 9 + 0.5), dim=-1)
    found = pool_regions(maps.contiguous(memory_format=torch.channels_last), regions, 7, pooling)
    assert found.shape == (2, 300, 7, 7, 5)
    for picture in range(2):
        for number in range(0, 300, 60):
            single = pool_regions(
                maps[picture : picture + 1], regions[picture : picture + 1, number : number + 1], 7, pooling
            )
            torch.testing.assert_close(found[picture, number], single[0, 0])


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_a_region_of_whole_cells_is_the_map_itself(pooling):
    maps = torch.randn(1, 4, 9, 9)
    found = pool_regions(maps, torch.tensor([[[1.0, 2.0, 7.0, 7.0]]]), 7, pooling)
    torch.testing.assert_close(found[0, 0], maps[0, :, 2:9, 1:8].permute(1, 2, 0))


def test_an_average_commutes_with_a_linear_map_and_a_maximum_does_not():
    torch.manual_seed(1)
    maps, matrix = torch.randn(1, 6, 12, 12, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    regions = torch.tensor([[[1.3, 2.6, 6.1, 5.2]]], dtype=torch.float64)
    mapped = torch.einsum("oc,nchw->nohw", matrix, maps)
    for pooling, same in (("average", True), ("max", False)):
        before = pool_regions(mapped, regions, 4, pooling)
        after = pool_regions(maps, regions, 4, pooling) @ matrix.T
        assert torch.allclose(before, after, atol=1e-9) is same


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_gradients_equal_differences(pooling):
    torch.manual_seed(2)
    maps = torch.randn(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    regions = torch.tensor([[[0.3, 1.2, 3.4, 2.9]], [[-0.5, 2.0, 4.0, 5.1]]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda own: pool_regions(own, regions, 3, pooling), (maps,))
