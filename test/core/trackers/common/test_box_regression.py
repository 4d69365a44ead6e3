"""Box regression against the closed form of ridge regression."""

from __future__ import annotations

import numpy as np
import pytest

from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.trackers.common.box_regression import BoxRegression, ridge
from siam_tracker_core.trackers.common.sampling import Spread, draw

TARGET = Box(100, 80, 60, 40)


@pytest.fixture(scope="module")
def samples():
    """Boxes around the target, and features that tell where they are, among noise."""
    rng = np.random.default_rng(0)
    boxes = draw(Spread("uniform", 0.3, 1.6, 1.1), TARGET, 200, (320, 240), rng, overlap=(0.6, 1.0))
    telling = (boxes - TARGET.to_array()) / 20
    noise = rng.standard_normal((200, 30))
    return np.concatenate([telling, noise], axis=1).astype(np.float32), boxes


@pytest.mark.parametrize("alpha", [1.0, 1000.0])
def test_it_is_ridge_regression(samples, alpha):
    features, boxes = samples
    x = features.astype(np.float64)
    width, height = boxes[:, 2], boxes[:, 3]
    centre_x, centre_y = boxes[:, 0] + width / 2, boxes[:, 1] + height / 2
    y = np.stack([(130 - centre_x) / width, (100 - centre_y) / height, np.log(60 / width), np.log(40 / height)], axis=1)
    spread = x - x.mean(axis=0)
    weights = np.linalg.solve(spread.T @ spread + alpha * np.eye(x.shape[1]), spread.T @ (y - y.mean(axis=0)))
    said = (x - x.mean(axis=0)) @ weights + y.mean(axis=0)
    found = BoxRegression(features, boxes, TARGET, alpha).apply(features, boxes)
    expected_width, expected_height = width * np.exp(said[:, 2]), height * np.exp(said[:, 3])
    expected_x = centre_x + said[:, 0] * width - expected_width / 2
    expected_y = centre_y + said[:, 1] * height - expected_height / 2
    expected = np.stack([expected_x, expected_y, expected_width, expected_height], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_boxes_come_nearer_to_the_target(samples):
    features, boxes = samples
    regression = BoxRegression(features[:150], boxes[:150], TARGET, alpha=1.0)
    before = iou(boxes[150:], TARGET.to_array())
    after = iou(regression.apply(features[150:], boxes[150:]), TARGET.to_array())
    assert before.mean() < 0.8
    assert after.mean() > 0.9


def test_features_that_were_never_seen_cannot_make_a_box_endless(samples):
    features, boxes = samples
    regression = BoxRegression(features, boxes, TARGET, alpha=1.0)
    found = regression.apply(features[:3] * 1e6, boxes[:3])
    assert np.isfinite(found).all()
    assert (found[:, 2:] <= 4 * boxes[:3, 2:] + 1e-6).all()
    assert (found[:, 2:] >= boxes[:3, 2:] / 4 - 1e-6).all()


def test_nothing_to_correct_is_corrected_to_nothing(samples):
    features, boxes = samples
    assert BoxRegression(features, boxes, TARGET).apply(features[:0], boxes[:0]).shape == (0, 4)


@pytest.mark.parametrize("features", [7, 300])
def test_it_is_scikit_learn_s_ridge_regression(features):
    """With fewer and with more features than samples, which are solved for in different ways."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    x, y = rng.normal(2.0, 3.0, (60, features)), rng.normal(size=(60, 4))
    theirs = linear_model.Ridge(alpha=5.0).fit(x, y)
    weights, intercept = ridge(x, y, 5.0)
    np.testing.assert_allclose(weights.T, theirs.coef_, atol=1e-9)
    np.testing.assert_allclose(intercept, theirs.intercept_, atol=1e-9)
