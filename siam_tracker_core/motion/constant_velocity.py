"""A Kalman filter for motion with constant velocity, in any number of dimensions, as functions of frozen states.

The model is the continuous white-noise acceleration of Bar-Shalom, Li and Kirubarajan, Estimation with Applications to
Tracking and Navigation (2001), section 6.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MotionState:
    """What is known of a moving thing at one moment.

    Attributes:
        mean: float64 (2 n,), the position and then the velocity, in units of the position and of it a second.
        covariance: float64 (2 n, 2 n).
    """

    mean: FloatArray
    covariance: FloatArray

    @property
    def dimensions(self) -> int:
        """Of the position."""
        return len(self.mean) // 2

    @property
    def position(self) -> FloatArray:
        """float64 (n,)."""
        return self.mean[: self.dimensions]

    @property
    def velocity(self) -> FloatArray:
        """float64 (n,), a second."""
        return self.mean[self.dimensions :]

    @property
    def position_covariance(self) -> FloatArray:
        """float64 (n, n)."""
        return self.covariance[: self.dimensions, : self.dimensions]

    @property
    def velocity_covariance(self) -> FloatArray:
        """float64 (n, n)."""
        return self.covariance[self.dimensions :, self.dimensions :]


def begin(position: ArrayLike, covariance: ArrayLike, speed_deviation: ArrayLike) -> MotionState:
    """The state after a first measurement: at rest as far as is known.

    Args:
        position: (n,), as measured.
        covariance: (n, n), of the measurement.
        speed_deviation: standard deviation of the velocity along each axis: one number, or (n,).
    """
    first = np.asarray(position, dtype=np.float64)
    size = len(first)
    whole = np.zeros((2 * size, 2 * size))
    whole[:size, :size] = covariance
    whole[size:, size:] = np.diag(np.broadcast_to(np.square(np.asarray(speed_deviation, dtype=np.float64)), size))
    return MotionState(np.concatenate([first, np.zeros(size)]), whole)


def predict(state: MotionState, seconds: float, density: ArrayLike) -> MotionState:
    """The state some time later (section 6.2.2, equations 6.2.2-4 and 6.2.2-12).

    Args:
        state: now.
        seconds: not negative.
        density: power spectral density of the acceleration along each axis, in squared units of the position over
            seconds cubed: one number, or (n,). A speed changes by about ``sqrt(density * seconds)``.
    """
    size = state.dimensions
    noise = np.diag(np.broadcast_to(np.asarray(density, dtype=np.float64), size))
    step = np.eye(2 * size)
    step[:size, size:] = seconds * np.eye(size)
    grown = np.block([[noise * seconds**3 / 3, noise * seconds**2 / 2], [noise * seconds**2 / 2, noise * seconds]])
    return MotionState(step @ state.mean, step @ state.covariance @ step.T + grown)


def correct(state: MotionState, position: ArrayLike, covariance: ArrayLike) -> MotionState:
    """The state after a measurement of the position, in Joseph's form, which keeps the covariance positive.

    Args:
        state: at the time of the measurement.
        position: (n,).
        covariance: (n, n), of the measurement.
    """
    size = state.dimensions
    noise = np.asarray(covariance, dtype=np.float64)
    innovation = state.position_covariance + noise
    gain = np.linalg.solve(innovation, state.covariance[:size]).T
    mean = state.mean + gain @ (np.asarray(position, dtype=np.float64) - state.position)
    kept = np.eye(2 * size)
    kept[:, :size] -= gain
    whole = kept @ state.covariance @ kept.T + gain @ noise @ gain.T
    return MotionState(mean, (whole + whole.T) / 2)


def surprise(state: MotionState, position: ArrayLike, covariance: ArrayLike) -> float:
    """The squared Mahalanobis distance of a measurement, which is chi-squared with ``n`` degrees for a good model."""
    difference = np.asarray(position, dtype=np.float64) - state.position
    return float(difference @ np.linalg.solve(state.position_covariance + np.asarray(covariance), difference))
