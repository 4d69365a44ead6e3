"""The control law: from what is known of a target to the speeds of a robot or a gimbal. No ROS and no clock in here."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from siam_tracker_core import TrackState
from siam_tracker_ros.follower.dead_zone import DeadZone
from siam_tracker_ros.follower.search import Search
from siam_tracker_ros.follower.settings import FollowerSettings

_LONGEST_STEP = 0.1  # seconds: after a pause speeds may not jump


class Phase(enum.Enum):
    """What the follower is doing."""

    FOLLOWING = "following"
    HOLDING = "holding"
    BLIND = "blind"
    SEARCHING = "searching"


class Outcome(enum.Enum):
    """How following ended."""

    REACHED = "reached"
    LOST = "lost"


@dataclass(frozen=True)
class Observation:
    """The last word of a target, in the frame that is to face it.

    Attributes:
        seconds: when it came, on the controller's clock.
        state: the target's; None where the tracker no longer knows it.
        azimuth: in radians, positive to the left; NaN where it is not known.
        elevation: in radians, positive upwards; NaN where it is not known.
        distance: in metres over the ground; NaN where it is not known.
        reason: why something is not known.
    """

    seconds: float
    state: TrackState | None
    azimuth: float = math.nan
    elevation: float = math.nan
    distance: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Speeds:
    """What is asked of the drive.

    Attributes:
        forward: in m/s.
        turn: in rad/s, positive to the left.
        tilt: in rad/s, positive upwards; only of a gimbal.
    """

    forward: float = 0.0
    turn: float = 0.0
    tilt: float = 0.0


@dataclass(frozen=True)
class Command:
    """One step's answer.

    Attributes:
        speeds: to be sent.
        phase: what the follower is doing.
        reason: why it does not move towards the target; empty while it does.
        outcome: how following ended; None while it goes on.
    """

    speeds: Speeds
    phase: Phase
    reason: str = ""
    outcome: Outcome | None = None


class Controller:
    """Follows one target until it is reached, lost or no longer wanted.

    Args:
        settings: limits and gains.
        distance: in metres to keep; 0 to turn only.
        keep: whether to go on when the target is where it should be.
        gimbal: pan and tilt instead of drive and turn.
    """

    def __init__(self, settings: FollowerSettings, distance: float, keep: bool, gimbal: bool = False) -> None:
        self._settings = settings
        self._distance = distance
        self._keep = keep
        self._gimbal = gimbal
        self._last_step = self._last_seen = math.nan  # until the first step: ROS time may jump before that
        self._speeds = Speeds()
        self._search: Search | None = None
        self._side = 1.0
        self._resting_since: float | None = None
        self._pan_zone = DeadZone(settings.bearing_dead_zone)
        self._tilt_zone = DeadZone(settings.bearing_dead_zone)
        self._distance_zone = DeadZone(settings.distance_dead_zone)

    def step(self, seconds: float, observation: Observation | None) -> Command:
        """The speeds from now on.

        Args:
            seconds: now; never earlier than in the step before.
            observation: the last word of the target; None before the first.
        """
        if math.isnan(self._last_step):
            self._last_step = self._last_seen = seconds
        elapsed = min(max(0.0, seconds - self._last_step), _LONGEST_STEP)
        self._last_step = seconds
        trouble = self._trouble(seconds, observation)
        if observation is None or trouble:
            self._search = None
            return self._stop(seconds, trouble)
        if observation.state is None:
            return Command(self._rest(), Phase.BLIND, observation.reason, Outcome.LOST)
        if observation.state is TrackState.LOST:
            return self._look_around(seconds, elapsed, observation)
        self._search = None
        self._last_seen = seconds
        self._side = math.copysign(1.0, observation.azimuth)
        return self._approach(seconds, elapsed, observation)

    def _trouble(self, seconds: float, observation: Observation | None) -> str:
        """Why nothing may be done at all, or empty."""
        if observation is None:
            return "nothing has been heard of the target yet"
        silence = seconds - observation.seconds
        if silence > self._settings.silence:
            return f"nothing has been heard of the target for {silence:.2f} s"
        known = observation.state in (TrackState.TRACKING, TrackState.UNCERTAIN)
        if known and not (math.isfinite(observation.azimuth) and math.isfinite(observation.elevation)):
            return f"the direction to the target is not known: {observation.reason or 'the tracker does not say why'}"
        return ""

    def _look_around(self, seconds: float, elapsed: float, observation: Observation) -> Command:
        settings = self._settings
        reason = f"the target is lost{f': {observation.reason}' if observation.reason else ''}"
        if seconds - self._last_seen < settings.search_delay or settings.search_rate <= 0:
            return self._stop(seconds, reason)
        if self._search is None:
            self._search = Search(settings.search_angle, self._side)
        self._search.turned(self._speeds.turn * elapsed)
        direction = self._search.direction()
        if direction is None:
            return self._ended(f"{reason}; turning {math.degrees(settings.search_angle):.0f} degrees to both sides "
                               "did not bring it back")  # fmt: skip
        if seconds - self._last_seen > settings.give_up:
            return self._stop(seconds, reason)
        rate = min(settings.search_rate, settings.max_turn_rate)
        turn = _towards(self._speeds.turn, direction * rate, settings.max_turn_acceleration * elapsed)
        self._resting_since = None
        self._speeds = Speeds(turn=turn)
        return Command(self._speeds, Phase.SEARCHING, reason)

    def _approach(self, seconds: float, elapsed: float, seen: Observation) -> Command:
        settings = self._settings
        share = settings.uncertain_share if seen.state is TrackState.UNCERTAIN else 1.0
        turn = share * self._turn_wanted(self._pan_zone.missing(seen.azimuth))
        tilt = share * self._turn_wanted(self._tilt_zone.missing(seen.elevation)) if self._gimbal else 0.0
        forward = 0.0 if self._gimbal or self._distance <= 0 else share * self._forward_wanted(seen)
        turning = settings.max_turn_acceleration * elapsed
        self._speeds = Speeds(
            _towards(self._speeds.forward, forward, settings.max_acceleration * elapsed),
            _towards(self._speeds.turn, turn, turning),
            _towards(self._speeds.tilt, tilt, turning),
        )
        blind = self._distance > 0 and not self._gimbal and not math.isfinite(seen.distance)
        reason = f"the distance is not known: {seen.reason}" if blind else ""
        if blind or Speeds(forward, turn, tilt) != Speeds() or self._speeds != Speeds():
            self._resting_since = None
            return Command(self._speeds, Phase.FOLLOWING, reason)
        return self._hold(seconds)

    def _turn_wanted(self, missing: float) -> float:
        """Rate in rad/s for a missing angle: no faster than can be braked within it."""
        settings = self._settings
        most = math.sqrt(2 * settings.max_turn_acceleration * abs(missing))
        return _limited(settings.turn_gain * missing, min(most, settings.max_turn_rate))

    def _forward_wanted(self, seen: Observation) -> float:
        """Speed in m/s for the missing distance; none towards what is not ahead."""
        settings = self._settings
        if not math.isfinite(seen.distance):
            return 0.0
        missing = self._distance_zone.missing(seen.distance - self._distance)
        most = math.sqrt(2 * settings.max_acceleration * abs(missing))
        speed = _limited(settings.speed_gain * missing, most)
        return max(-settings.max_reverse_speed, min(settings.max_speed, speed)) * max(0.0, math.cos(seen.azimuth))

    def _hold(self, seconds: float) -> Command:
        if self._resting_since is None:
            self._resting_since = seconds
        reached = not self._keep and seconds - self._resting_since >= self._settings.settle
        where = "the target is where it should be"
        return Command(Speeds(), Phase.HOLDING, where, Outcome.REACHED if reached else None)

    def _stop(self, seconds: float, reason: str) -> Command:
        if seconds - self._last_seen > self._settings.give_up:
            return self._ended(reason)
        return Command(self._rest(), Phase.BLIND, reason)

    def _ended(self, reason: str) -> Command:
        return Command(self._rest(), Phase.BLIND, reason, Outcome.LOST)

    def _rest(self) -> Speeds:
        self._resting_since = None
        self._speeds = Speeds()
        return self._speeds


def _limited(value: float, most: float) -> float:
    return max(-most, min(most, value))


def _towards(present: float, wanted: float, step: float) -> float:
    """The wanted value, or as far towards it as one step goes."""
    return present + _limited(wanted - present, step)
