"""The filter gives what conditioning the joint Gaussian of everything gives, and copes with gaps and outliers."""

from __future__ import annotations

import numpy as np
import pytest

from siam_tracker_core.motion import MotionSettings, TargetMotion, begin, correct, predict, surprise

TIMES = np.array([0.0, 0.1, 0.25, 0.3, 0.7])
DENSITY, NOISE, SPEED = 0.8, 0.04, 1.5


def by_conditioning(measured: np.ndarray, until: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of position and velocity at a time, from the covariance function of the process itself.

    The first measurement is the prior of the position. From there the position is the double integral of white noise,
    whose covariance is integrated here by hand: for s <= t, E[p(s) p(t)] = q (s^2 t / 2 - s^3 / 6).
    """
    times = TIMES[1:]

    def position(s: float, t: float) -> float:
        low, high = min(s, t), max(s, t)
        return NOISE + SPEED**2 * s * t + DENSITY * (low**2 * high / 2 - low**3 / 6)

    def velocity_position(t: float, s: float) -> float:  # E[v(t) p(s)], for s <= t
        return SPEED**2 * s + DENSITY * s**2 / 2

    seen = np.array([[position(s, t) for t in times] for s in times]) + NOISE * np.eye(len(times))
    cross = np.array([[position(until, s) for s in times], [velocity_position(until, s) for s in times]])
    corner = velocity_position(until, until)
    prior = np.array([[position(until, until), corner], [corner, SPEED**2 + DENSITY * until]])
    weights = cross @ np.linalg.inv(seen)
    return np.array([measured[0], 0.0]) + weights @ (measured[1:] - measured[0]), prior - weights @ cross.T


@pytest.mark.parametrize("ahead", [0.0, 0.4])
def test_the_filter_is_the_conditional_gaussian(ahead: float) -> None:
    measured = np.array([1.0, 1.2, 1.1, 1.5, 2.0])
    both = np.column_stack((measured, -3 * measured))  # a second axis, which must not disturb the first
    state = begin(both[0], NOISE * np.eye(2), SPEED)
    for before, now, position in zip(TIMES, TIMES[1:], both[1:], strict=False):
        state = correct(predict(state, now - before, DENSITY), position, NOISE * np.eye(2))
    state = predict(state, ahead, DENSITY)
    mean, covariance = by_conditioning(measured, TIMES[-1] + ahead)
    np.testing.assert_allclose(state.mean[[0, 2]], mean)
    np.testing.assert_allclose(state.covariance[np.ix_([0, 2], [0, 2])], covariance, atol=1e-12)
    np.testing.assert_allclose(state.position[1], -3 * mean[0])


def test_uncertainty_grows_without_measurements() -> None:
    state = begin([0.0, 0.0, 0.0], 0.01 * np.eye(3), 1.0)
    sizes = [np.trace(predict(state, seconds, 1.0).position_covariance) for seconds in (0, 0.1, 0.5, 2)]
    assert sizes == sorted(sizes)
    assert sizes[0] == pytest.approx(0.03)


def test_measurements_of_a_good_model_are_as_surprising_as_chi_squared() -> None:
    random = np.random.default_rng(0)
    state = begin([0.0, 0.0], np.eye(2), 0.5)
    wholes = predict(state, 0.3, 1.0).position_covariance + np.eye(2)
    drawn = random.multivariate_normal([0, 0], wholes, 5000)
    surprises = [surprise(predict(state, 0.3, 1.0), each, np.eye(2)) for each in drawn]
    assert np.mean(surprises) == pytest.approx(2, rel=0.05)


def test_an_outlier_is_not_believed_and_a_move_is() -> None:
    motion = TargetMotion(MotionSettings(patience=3))
    for step in range(10):
        motion.see(0.1 * step, [0.1 * step], [[1e-4]])
    assert motion.see(1.0, [5.0], [[1e-4]]).position[0] == pytest.approx(1.0, abs=0.05)
    assert motion.see(1.1, [5.0], [[1e-4]]).position[0] == pytest.approx(1.1, abs=0.05)
    assert motion.see(1.2, [5.0], [[1e-4]]).position[0] == 5.0


def test_after_a_gap_or_a_jump_back_the_motion_begins_anew() -> None:
    motion = TargetMotion(MotionSettings(longest_gap=1.0))
    motion.see(0.0, [0.0], [[1.0]])
    motion.see(0.5, [1.0], [[1.0]])
    assert motion.at(1.6) is None
    assert motion.see(2.0, [9.0], [[1.0]]).mean.tolist() == [9.0, 0.0]
    assert motion.see(1.0, [3.0], [[1.0]]).mean.tolist() == [3.0, 0.0]
    motion.forget()
    assert motion.at(1.0) is None
