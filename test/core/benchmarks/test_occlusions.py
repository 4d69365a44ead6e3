"""Scenes whose target is hidden: what the boxes say is what the pictures show."""

from __future__ import annotations

from functools import cache

import numpy as np

from siam_tracker_core.benchmarks.occlusions import occlusion_scene
from siam_tracker_core.evaluation.lost_calls import NOTICE

scene_of = cache(occlusion_scene)


def test_the_target_is_where_its_box_says_and_behind_the_wall_where_there_is_none():
    scene = scene_of(3)
    texture = None
    for image, box in zip(scene.frames, scene.boxes, strict=True):
        if np.isnan(box).any():
            assert texture is not None
            rows = range(0, image.shape[0] - 40, 8)
            nearest = min(np.abs(image[row : row + 40, 220:260].astype(int) - texture).mean() for row in rows)
            assert nearest > 25  # nothing like it anywhere behind which it is
            continue
        x, y = np.rint(box[:2]).astype(int)
        if not 185 - 40 < x < 295:  # not cut by the wall
            shown = image[y : y + 40, x : x + 40].astype(int)
            texture = shown if texture is None else texture
            assert np.abs(shown - texture).mean() < 25


def test_it_goes_twice_for_longer_than_it_takes_to_notice_and_stays_long_enough_to_be_found():
    hidden = np.isnan(scene_of(3).boxes).any(axis=1)
    edges = np.flatnonzero(np.diff(hidden.astype(int))) + 1
    assert len(edges) == 4
    starts, ends = edges[::2], edges[1::2]
    assert (ends - starts > NOTICE).all()
    assert starts[1] - ends[0] > 15
    assert len(hidden) - ends[1] > 15


def test_the_same_seed_makes_the_same_scene():
    first, second = occlusion_scene(5, rounds=1), occlusion_scene(5, rounds=1)
    assert all(np.array_equal(one, other) for one, other in zip(first.frames, second.frames, strict=True))
