"""The motion of one target over time: filtered measurements, gaps, and measurements that cannot be right."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from siam_tracker_core.config import STRICT
from siam_tracker_core.limits import Count, Positive
from siam_tracker_core.motion.constant_velocity import MotionState, begin, correct, predict, surprise


@dataclass(frozen=True)
class MotionSettings:
    """How targets may move. These values are this package's own, for people and robots at walking pace.

    Attributes:
        density: power spectral density of the acceleration, in squared units of the position over seconds cubed.
        speed_deviation: of a new target, in units of the position a second.
        longest_gap: after so many seconds without a measurement the motion begins anew.
        gate: a measurement whose squared Mahalanobis distance is above this is not believed.
        patience: so many measurements in a row that are not believed begin the motion anew.
    """

    density: Positive = 1.0
    speed_deviation: Positive = 1.0
    longest_gap: Positive = 1.0
    gate: Positive = 25.0
    patience: Count = 3

    __pydantic_config__ = STRICT


class TargetMotion:
    """Filters the positions of one target, in any number of dimensions.

    Args:
        settings: how it may move.
    """

    def __init__(self, settings: MotionSettings = MotionSettings()) -> None:
        self.settings = settings
        self._state: MotionState | None = None
        self._seconds = 0.0
        self._refused = 0

    def see(self, seconds: float, position: ArrayLike, covariance: ArrayLike) -> MotionState:
        """Take in a measurement, and give what is known after it.

        Args:
            seconds: when it was taken, on any clock that does not jump; an earlier time than before begins anew.
            position: (n,).
            covariance: (n, n), of the measurement.
        """
        expected = self.at(seconds)
        if expected is None or seconds < self._seconds:
            return self._begin(seconds, position, covariance)
        if surprise(expected, position, covariance) > self.settings.gate:
            self._refused += 1
            if self._refused >= self.settings.patience:
                return self._begin(seconds, position, covariance)
            return expected
        self._state, self._seconds, self._refused = correct(expected, position, covariance), seconds, 0
        return self._state

    def at(self, seconds: float) -> MotionState | None:
        """What is expected at a time; None before the first measurement, and too long after the last.

        A time before the last measurement gives the state at that measurement.
        """
        if self._state is None or seconds - self._seconds > self.settings.longest_gap:
            return None
        return predict(self._state, max(0.0, seconds - self._seconds), self.settings.density)

    def forget(self) -> None:
        """Begin anew with the next measurement."""
        self._state, self._refused = None, 0

    def _begin(self, seconds: float, position: ArrayLike, covariance: ArrayLike) -> MotionState:
        self._state = begin(position, covariance, self.settings.speed_deviation)
        self._seconds, self._refused = seconds, 0
        return self._state
