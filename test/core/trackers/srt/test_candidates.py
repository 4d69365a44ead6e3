"""SRT's candidates on rings: where they are, what they look like as a map, and which one is preferred."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_srt import SMALL, made_tracker

from siam_tracker_core.geometry import Window
from siam_tracker_core.trackers.common.boxes import scale_factors
from siam_tracker_core.trackers.srt import SRTConfig
from siam_tracker_core.trackers.srt.candidates import ring_map, ring_offsets, standing_out

pytestmark = pytest.mark.usefixtures("narrow_vgg")


def test_candidates_are_those_of_the_paper():
    """Ten rings of ten and the centre, within the target's longer side, at five scales of the first box."""
    model = made_tracker(SRTConfig()).model
    width, height = model.side, model.side / 2
    with torch.no_grad():
        target = model.take_up(model.maps(torch.zeros(1, 3, 244, 244)), width, height)
    boxes = target.boxes
    assert len(boxes) == 101 * 5
    centres = (boxes[:, :2] + boxes[:, 2:] / 2).reshape(101, 5, 2)
    np.testing.assert_allclose(centres, np.broadcast_to(centres[:, :1], centres.shape))
    away = np.hypot(*(centres[:, 0] - 122).T)
    np.testing.assert_allclose(away[1:].reshape(10, 10), np.repeat(np.arange(1, 11), 10).reshape(10, 10) * width / 10)
    assert away[0] == 0
    angles = np.sort(np.arctan2(*(centres[91:, 0] - 122).T[::-1]))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / 10)
    np.testing.assert_allclose(boxes[:5, 2] / width, 1.1 ** np.arange(-2.0, 3))
    np.testing.assert_allclose(boxes[:, 2] / boxes[:, 3], 2)
    # Nothing that is matched reaches into the margin of the receptive field.
    regions = target.regions[0].numpy()
    assert regions[:, :2].min() >= 42
    assert (regions[:, :2] + regions[:, 2:]).max() <= 244 - 42


def test_scales_are_around_one():
    assert scale_factors(1, 1.2) == [1.0]
    np.testing.assert_allclose(scale_factors(3, 1.2), [1 / 1.2, 1, 1.2])


def test_ring_map_shows_scores_where_they_are():
    radial, angular, side = 10, 10, 21
    places = ring_offsets(radial, angular)
    steps = (2 * np.arange(side) + 1) / side - 1
    x, y = np.meshgrid(steps, steps)
    inside = np.hypot(x, y) <= 1
    # Linear in the radius: exact.
    found = ring_map(3 - np.hypot(*places.T), radial, angular, side)
    np.testing.assert_allclose(found[inside], (3 - np.hypot(x, y))[inside], atol=1e-5)
    assert found[0, 0] == pytest.approx(2)  # a corner, outside: the least
    # A plane, which is no more than nearly linear between angles.
    plane = ring_map(places @ [1.0, 2.0], radial, angular, side)
    np.testing.assert_allclose(plane[inside], (x + 2 * y)[inside], atol=0.13)
    for peak in (1, 37, 64):
        found = ring_map(np.eye(len(places))[peak], radial, angular, side)
        row, column = np.unravel_index(found.argmax(), found.shape)
        np.testing.assert_allclose([steps[column], steps[row]], places[peak], atol=0.1)


def test_standing_out_is_the_peak_to_sidelobe_ratio():
    rng = np.random.default_rng(0)
    scores, places = rng.normal(size=101), ring_offsets(10, 10)
    best = int(scores.argmax())
    away = [s for s, p in zip(scores, places, strict=True) if math.dist(p, places[best]) > 0.35]
    expected = (scores[best] - np.mean(away)) / np.std(away)
    assert standing_out(scores, places, best, 0.35) == pytest.approx(expected)
    assert standing_out(scores, places, best, 3.0) == 0


def choice_of(similar, **values):
    """The candidate taken when the network finds ``similar`` (places, scales): its place and its scale."""
    tracker = made_tracker(replace(SMALL, radial=1, angular=4, scales=3, regression=False, **values))
    model = tracker.model
    model.network.match = lambda exemplars, maps, regions: torch.tensor(similar).reshape(1, -1)[:, : regions.shape[1]]
    with torch.no_grad():
        maps = model.maps(torch.zeros(1, 3, 160, 160))
        template = model.take_up(maps, 20, 20)
        crops = torch.zeros(1, 3, 160, 160)
        answer = model.respond([template], crops, [Window(80, 80, 160)], [False])[0]
    place = int(np.hypot(*(model.offsets * 20 + 80 - answer.box.centre).T).argmin())
    return place, answer.scale


def test_preferences_weigh_the_similarities():
    similar = [[0.5, 0.6, 0.5], [0.5, 0.5, 0.5], [0.5, 0.62, 0.66], [0.1, 0.1, 0.1], [0.2, 0.2, 0.2]]
    assert choice_of(similar) == (2, 1.1)
    assert choice_of(similar, scale_penalty=0.9) == (2, 1.0)  # 0.66 * 0.9 < 0.62
    # The window is 1 in the middle and 0 on the ring: 0.9 * 0.6 + 0.1 > 0.9 * 0.66.
    assert choice_of(similar, window_influence=0.1) == (0, 1.0)
