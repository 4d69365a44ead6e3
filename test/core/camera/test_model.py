"""Directions and places agree with OpenCV's lens models, and with each other."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.camera import CameraCalibration, CameraModel, Region
from siam_tracker_core.errors import CameraError

K = (420.0, 0.0, 322.0, 0.0, 415.0, 238.0, 0.0, 0.0, 1.0)
LENSES = {
    "plumb_bob": (-0.28, 0.07, 0.0009, -0.0004, -0.008),
    "rational_polynomial": (0.6, -0.1, 0.0005, -0.0003, 0.01, 0.9, 0.02, 0.003),
    "equidistant": (-0.02, 0.006, -0.002, 0.0003),
}
EXACTLY = (cv2.TERM_CRITERIA_MAX_ITER | cv2.TERM_CRITERIA_EPS, 500, 1e-14)  # OpenCV's own five steps leave a pixel
POINTS = np.random.default_rng(0).uniform((20, 20), (620, 460), (200, 2))


def calibration(model: str = "plumb_bob") -> CameraCalibration:
    return CameraCalibration(640, 480, model, LENSES.get(model, ()), K)


@pytest.mark.parametrize("model", LENSES)
def test_rays_are_those_of_opencv(model: str) -> None:
    matrix, coefficients = np.array(K).reshape(3, 3), np.array(LENSES[model])
    indices = (POINTS - 0.5)[:, None]  # OpenCV counts from the centre of the first pixel
    if model == "equidistant":
        places = cv2.fisheye.undistortPoints(indices, matrix, coefficients, criteria=EXACTLY)
    else:
        places = cv2.undistortPointsIter(indices, matrix, coefficients, None, None, EXACTLY)
    expected = np.column_stack((places[:, 0], np.ones(len(POINTS))))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(CameraModel(calibration(model)).rays(POINTS), expected, atol=1e-8)


@pytest.mark.parametrize("model", LENSES)
def test_places_are_those_of_opencv(model: str) -> None:
    matrix, coefficients = np.array(K).reshape(3, 3), np.array(LENSES[model])
    points = np.random.default_rng(1).uniform((-1, -0.8, 1.2), (1, 0.8, 6), (100, 3))
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    expected = project(points[:, None], np.zeros(3), np.zeros(3), matrix, coefficients)[0][:, 0] + 0.5
    np.testing.assert_allclose(CameraModel(calibration(model)).project(points), expected, atol=1e-8)


def test_a_raw_and_a_rectified_picture_show_one_point_in_one_direction() -> None:
    matrix, coefficients = np.array(K).reshape(3, 3), np.array(LENSES["plumb_bob"])
    rotation = cv2.Rodrigues(np.array([0.02, -0.03, 0.01]))[0]
    projection = np.array([[400.0, 0, 310, -48], [0, 400, 250, 0], [0, 0, 1, 0]])
    both = replace(calibration(), rectification=tuple(rotation.ravel()), projection=tuple(projection.ravel()))
    indices = (POINTS - 0.5)[:, None]
    rectified = cv2.undistortPointsIter(indices, matrix, coefficients, rotation, projection[:, :3], EXACTLY)[:, 0] + 0.5
    rays = CameraModel(both).rays(POINTS)
    np.testing.assert_allclose(CameraModel(both, rectified=True).rays(rectified), rays, atol=1e-6)


@given(
    st.sampled_from(sorted(LENSES)),
    st.tuples(st.floats(0, 160), st.floats(0, 100)),
    st.integers(0, 4),
    st.integers(0, 100),
)
def test_there_and_back(model: str, point: tuple[float, float], binning: int, corner: int) -> None:
    whole = replace(calibration(model), binning_x=binning, binning_y=binning)
    camera = CameraModel(replace(whole, region=Region(2 * corner, corner, 320, 240)))
    assert camera.image_size == (320 // max(1, binning), 240 // max(1, binning))
    rays = camera.rays([point])
    if np.isfinite(rays).all():
        np.testing.assert_allclose(np.linalg.norm(rays), 1)
        np.testing.assert_allclose(camera.project(rays * 3.7)[0], point, atol=1e-5)


def test_binning_and_region_show_the_same_direction_at_another_place() -> None:
    whole = CameraModel(calibration())
    part = CameraModel(replace(calibration(), binning_x=2, binning_y=4, region=Region(100, 80, 400, 320)))
    np.testing.assert_allclose(part.rays([(50, 20)]), whole.rays([(100 + 2 * 50, 80 + 4 * 20)]))


def test_a_fisheye_sees_beside_itself_and_a_pinhole_does_not() -> None:
    beside = [(1.0, 0.2, -0.1)]
    fisheye = CameraModel(calibration("equidistant"))
    np.testing.assert_allclose(fisheye.rays(fisheye.project(beside))[0] * np.linalg.norm(beside), beside[0], atol=1e-9)
    assert np.isnan(CameraModel(calibration()).project(beside)).all()


def test_a_place_that_no_direction_is_shown_at_is_nan() -> None:
    barrel = CameraModel(replace(calibration(), distortion=(-0.5, 0.0, 0.0, 0.0, 0.0)))  # shows nothing beyond 0.54
    assert np.isfinite(barrel.rays([(322, 238)])).all()
    assert np.isnan(barrel.rays([(322 + 0.6 * 420, 238)])).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"camera_matrix": (0.0,) * 9}, "focal lengths 0 and 0, which must be positive"),
        ({"camera_matrix": (float("nan"),) * 9}, "not 9 finite numbers"),
        ({"distortion_model": "kannala", "distortion": (1.0,)}, "'kannala' with 1 coefficients is not known"),
        ({"distortion": (0.1, float("inf"), 0, 0, 0)}, "not all finite"),
        ({"rectification": (2.0,) * 9}, "not a rotation"),
        ({"width": 0}, "pictures of 0x480 pixels"),
    ],
)
def test_what_is_no_calibration_is_refused_in_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(CameraError, match=words):
        CameraModel(replace(calibration(), **change))
    with pytest.raises(CameraError, match="projection matrix P"):
        CameraModel(calibration(), rectified=True)
