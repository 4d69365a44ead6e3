"""Bearings, depths and points of targets whose place is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siam_tracker_core.camera import (
    Bearing,
    CameraCalibration,
    CameraModel,
    DepthSettings,
    NoDepth,
    TargetDepth,
    bearing_of,
    measured_point,
    target_depth,
)
from siam_tracker_core.geometry import Box

CAMERA = CameraModel(CameraCalibration(640, 480, "", (), (400.0, 0, 320, 0, 400, 240, 0, 0, 1)))
BOX = Box(100, 80, 60, 80)


def scene(target: float, background: float, kind: type = np.float32, noise: float = 0.0) -> np.ndarray:
    """A target that fills the middle of BOX, before a background, in metres or millimetres."""
    depth = np.full((240, 320), background)
    depth[90:150, 108:152] = target  # 55 % of the box
    depth *= 1 + noise * np.random.default_rng(0).standard_normal(depth.shape)
    return (depth * 1000).astype(kind) if kind is np.uint16 else depth.astype(kind)


def test_angles_are_those_of_a_robot_that_looks_along_the_axis() -> None:
    left = bearing_of(CAMERA, Box.from_centre(320.5 - 400, 240.5, 10, 10))
    assert left.azimuth == pytest.approx(math.pi / 4)
    assert left.elevation == pytest.approx(0, abs=1e-12)
    up = bearing_of(CAMERA, Box.from_centre(320.5, 240.5 - 400 / math.sqrt(3), 10, 10))
    assert up.elevation == pytest.approx(math.pi / 6)
    np.testing.assert_allclose(up.ray, (0, -0.5, math.sqrt(3) / 2), atol=1e-12)


def test_half_the_box_is_one_deviation() -> None:
    bearing = bearing_of(CAMERA, Box.from_centre(320.5, 240.5, 80, 40))
    expected = np.diag([math.atan(40 / 400) ** 2, math.atan(20 / 400) ** 2])
    np.testing.assert_allclose(bearing.covariance, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_the_depth_is_the_targets_and_not_the_backgrounds(kind: type) -> None:
    found = target_depth(scene(2.0, 5.0, kind, noise=0.01), BOX)
    assert found.value == pytest.approx(2.0, rel=0.005)
    assert found.deviation == pytest.approx(0.02, rel=0.2)
    assert 0.5 < found.share < 0.95


def test_what_only_reaches_into_the_box_is_not_the_target() -> None:
    depth = scene(2.0, 5.0)
    depth[:, 95:112] = 1.0  # a pillar before the target's edge
    assert target_depth(depth, BOX).value == pytest.approx(2.0, rel=0.001)


def test_a_slanted_target_has_the_depth_of_its_middle() -> None:
    depth = scene(2.0, 5.0)
    depth[90:150, 108:152] = np.linspace(1.95, 2.05, 60)[:, None]
    assert target_depth(depth, BOX).value == pytest.approx(2.0, rel=0.01)


@given(st.floats(0.3, 20), st.floats(1.3, 5), st.floats(0, 0.7), st.integers(0, 1000))
def test_holes_and_scale_do_not_matter(target: float, behind: float, holes: float, seed: int) -> None:
    depth = scene(target, target * behind)
    random = np.random.default_rng(seed)
    lost = random.random(depth.shape) < holes
    depth[lost] = random.choice([0.0, np.nan, np.inf, -1.0], int(lost.sum()))
    assert target_depth(depth, BOX).value == pytest.approx(target, rel=0.011)


@pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf, 1e6])
def test_nothing_measured_is_said(nothing: float) -> None:
    with pytest.raises(NoDepth, match="only 0 of 1200 depth pixels"):
        target_depth(np.full((240, 320), nothing, np.float32), Box(100, 80, 60, 80))
    with pytest.raises(NoDepth, match="outside the 320x240 depth image"):
        target_depth(scene(1.0, 2.0), Box(400, 80, 60, 80))
    ragged = np.exp(np.random.default_rng(0).uniform(-2, 3, (240, 320))).astype(np.float32)
    with pytest.raises(NoDepth, match="no surface fills 25% of the box"):
        target_depth(ragged, BOX, DepthSettings())


def test_a_points_covariance_is_that_of_many_noisy_points() -> None:
    random = np.random.default_rng(2)
    truth = CAMERA.project([(0.8, -0.5, 2.5)])[0]
    bearing = bearing_of(CAMERA, Box.from_centre(*truth, 60, 40))
    measured = measured_point(bearing, TargetDepth(2.5, 0.05, 1.0), box_noise=0.1)
    np.testing.assert_allclose(measured.point, (0.8, -0.5, 2.5), atol=1e-9)
    centres = truth + random.normal(0, (3.0, 2.0), (20000, 2))  # a tenth of half the box
    rays = CAMERA.rays(centres)
    points = rays / rays[:, 2:] * random.normal(2.5, 0.05, (20000, 1))
    np.testing.assert_allclose(measured.covariance, np.cov(points.T), rtol=0.06, atol=3e-5)


def test_beside_a_fisheye_there_is_no_depth() -> None:
    ray = np.array([1.0, 0.0, 0.0])
    with pytest.raises(NoDepth, match="beside the camera"):
        measured_point(Bearing(-1.57, 0.0, ray, np.eye(2)), TargetDepth(1.0, 0.1, 1.0))


@given(arrays(np.float32, st.tuples(st.integers(2, 5), st.integers(2, 5)), elements=st.floats(1.0, 1.75, width=32)))
@settings(deadline=None)
def test_of_any_depths_one_that_was_measured_is_told_or_none(depth):
    """Pixels at all distances, as of leaves and noise."""
    try:
        found = target_depth(depth, Box(0, 0, depth.shape[1], depth.shape[0]))
    except NoDepth:
        return
    assert np.abs(np.log(depth) - math.log(found.value)).min() < 1e-5
    assert 0 < found.share <= 1


def test_a_middle_between_two_surfaces_where_nothing_was_measured_is_no_defect():
    """Two places count alike, and half way between them there is no pixel."""
    depth = np.array([[1.53506, 1.0, 1.29323], [1.74568, 1.67244, 1.1372]], np.float32)
    assert any(target_depth(depth, Box(0, 0, 3, 2)).value == pytest.approx(each) for each in depth.flat)
