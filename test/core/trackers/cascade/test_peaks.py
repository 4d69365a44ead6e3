"""Peaks of response maps against a search written from the definition."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.cascade.peaks import PeakConfig, find_peaks, ratios, strength


def slow_peaks(response, upsampling):
    """Place from the middle in cells, and height, of all peaks of one map, highest first: cell by cell."""
    rows, columns = response.shape
    fine = cv2.resize(response, (columns * upsampling, rows * upsampling), interpolation=cv2.INTER_CUBIC)
    found = []
    for row in range(rows):
        for column in range(columns):
            cell = response[row, column]
            beaten = False
            for down in (-1, 0, 1):
                for across in (-1, 0, 1):
                    there = (row + down, column + across)
                    if (down, across) == (0, 0) or not (0 <= there[0] < rows and 0 <= there[1] < columns):
                        continue
                    other = response[there]
                    beaten |= other >= cell if there < (row, column) else other > cell
            if beaten:
                continue
            # Samples whose centres are within one cell of the cell's centre.
            places = [
                (y, x)
                for y in range(fine.shape[0])
                for x in range(fine.shape[1])
                if abs((y + 0.5) / upsampling - row - 0.5) < 1 and abs((x + 0.5) / upsampling - column - 0.5) < 1
            ]
            y, x = max(places, key=lambda place: fine[place])
            found.append(((y + 0.5) / upsampling - rows / 2, (x + 0.5) / upsampling - columns / 2, fine[y, x]))
    return sorted(found, key=lambda peak: -peak[2])


def hills(rng, size, count):
    """A map of smooth hills of several heights, some negative."""
    y, x = np.mgrid[:size, :size]
    response = np.full((size, size), -3.0)
    for _ in range(count):
        centre = rng.uniform(0, size - 1, 2)
        distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
        response += rng.uniform(0.5, 6) * np.exp(-distance / (2 * rng.uniform(0.7, 2.5) ** 2))
    return response.astype(np.float32)


@pytest.mark.parametrize("upsampling", [1, 4, 16])
def test_peaks_of_a_batch_are_those_of_the_slow_search(upsampling):
    rng = np.random.default_rng(upsampling)
    maps = np.stack([hills(rng, 9, 5) for _ in range(3)] + [rng.normal(0, 2, (9, 9)).astype(np.float32)])
    found = find_peaks(torch.from_numpy(maps), upsampling, most=40)
    for number, response in enumerate(maps):
        expected = slow_peaks(response, upsampling)
        count = int(found.heights[number].isfinite().sum())
        assert count == len(expected)
        table = torch.stack([found.down, found.across, found.heights], dim=-1)[number, :count].numpy()
        # Of an even number of equal samples any may stand for the peak.
        np.testing.assert_allclose(table[:, 2], [peak[2] for peak in expected], atol=1e-4)
        np.testing.assert_allclose(table, expected, atol=1 / upsampling + 1e-6)
        cells = np.stack([found.rows[number, :count], found.columns[number, :count]], axis=1)
        assert (np.abs(cells + 0.5 - 4.5 - table[:, :2]) <= 1).all()


def test_the_highest_peak_is_the_highest_point_of_the_upsampled_map():
    rng = np.random.default_rng(5)
    maps = torch.from_numpy(np.stack([hills(rng, 17, 7) for _ in range(20)]))
    fine = torch.nn.functional.interpolate(maps[:, None], scale_factor=16, mode="bicubic")[:, 0]
    found = find_peaks(maps, 16, most=3)
    torch.testing.assert_close(found.heights[:, 0], fine.amax(dim=(1, 2)))
    place = fine.flatten(1).argmax(dim=1)
    torch.testing.assert_close(found.down[:, 0], (place // 272 - 135.5) / 16)
    torch.testing.assert_close(found.across[:, 0], (place % 272 - 135.5) / 16)


def test_a_peak_lies_between_cells_where_the_hill_does():
    y, x = np.mgrid[:17, :17]
    response = np.exp(-((y - 5.3) ** 2 + (x - 11.6) ** 2) / 8).astype(np.float32)
    found = find_peaks(torch.from_numpy(response)[None], 16, most=1)
    assert float(found.down[0, 0]) == pytest.approx(5.3 - 8, abs=0.1)
    assert float(found.across[0, 0]) == pytest.approx(11.6 - 8, abs=0.1)


def test_one_cell_stands_for_a_plateau_and_few_peaks_leave_room():
    response = torch.zeros(1, 7, 7)
    response[0, 2, 2:5] = 1
    response[0, 5, 0] = 0.9
    found = find_peaks(response, 1, most=5)
    assert found.heights.isfinite().sum() == 2 + 1  # and one of the empty ground, which is a plateau as well
    assert found.heights[0, :2].tolist() == pytest.approx([1, 0.9])
    assert (found.rows[0, :2].tolist(), found.columns[0, :2].tolist()) == ([2, 5], [2, 0])
    flat = find_peaks(torch.full((1, 5, 5), -2.0), 4, most=3)
    assert flat.heights[0].tolist() == pytest.approx([-2.0, -torch.inf, -torch.inf])


def test_what_is_no_number_is_no_peak():
    response = torch.zeros(2, 5, 5)
    response[0] = torch.nan
    response[1, 1, 1] = torch.nan
    response[1, 3, 3] = 2
    found = find_peaks(response, 4, most=2)
    assert not found.heights[0].isfinite().any()
    assert (int(found.rows[1, 0]), int(found.columns[1, 0])) == (3, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-12, 12), min_size=1, max_size=6), st.sampled_from(["probability", "logit"]))
def test_ratios_are_of_the_highest_and_sane_for_negative_responses(heights, measure):
    heights = torch.tensor([sorted(heights, reverse=True)])
    share = ratios(heights, heights[:, 0], measure)[0]
    assert float(share[0]) == 1
    assert (share <= 1 + 1e-6).all()
    assert (share[:-1] >= share[1:]).all(), "a lower peak never comes nearer to the highest"
    if measure == "probability":
        expected = [torch.sigmoid(height) / torch.sigmoid(heights[0, 0]) for height in heights[0]]
        torch.testing.assert_close(share, torch.stack(expected))
    elif heights[0, 0] > 0:
        torch.testing.assert_close(share, heights[0] / heights[0, 0])
    else:
        assert share[heights[0] < heights[0, 0]].tolist() == [0] * int((heights[0] < heights[0, 0]).sum())


def test_both_measures_say_what_they_are():
    response = torch.tensor([-1.0, 0.0, 2.0])
    assert strength(response, "logit").tolist() == [-1, 0, 2]
    assert strength(response, "probability").tolist() == pytest.approx([0.26894, 0.5, 0.88080], abs=1e-5)
    assert ratios(torch.full((1, 2), -torch.inf), torch.tensor([-torch.inf]), "probability").tolist() == [[0, 0]]


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="ratio"):
        read_config(PeakConfig, {"ratio": 1.5}, "here")
    with pytest.raises(ConfigError, match="measure"):
        read_config(PeakConfig, {"measure": "raw"}, "here")
