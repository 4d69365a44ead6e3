"""The control law in a simulated robot's loop: limits, dead zone, stops, search and endings, without ROS."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core import TrackState
from siam_tracker_ros.follower.control import Command, Controller, Observation, Outcome, Phase, Speeds
from siam_tracker_ros.follower.settings import FollowerSettings

PERIOD = 0.02
CAREFUL = FollowerSettings()


class Robot:
    """A unicycle on a plane and a point that it is to follow; the tracker's word comes every tenth of a second."""

    def __init__(self, target: tuple[float, float], controller: Controller) -> None:
        self.x = self.y = self.heading = self.now = 0.0
        self.target = target
        self.controller = controller
        self.state: TrackState | None = TrackState.TRACKING
        self.word: Observation | None = None
        self.silent = False
        self.log: list[Command] = []

    @property
    def azimuth(self) -> float:
        ahead = math.atan2(self.target[1] - self.y, self.target[0] - self.x) - self.heading
        return math.remainder(ahead, 2 * math.pi)

    @property
    def distance(self) -> float:
        return math.hypot(self.target[0] - self.x, self.target[1] - self.y)

    def run(self, seconds: float, until: Callable[[Command], bool] = lambda _: False) -> Command:
        for _ in range(round(seconds / PERIOD)):
            if not self.silent and round(self.now / PERIOD) % 5 == 0:
                self.word = Observation(self.now, self.state, self.azimuth, 0.0, self.distance, "said so")
            command = self.controller.step(self.now, self.word)
            self.log.append(command)
            self.x += command.speeds.forward * math.cos(self.heading) * PERIOD
            self.y += command.speeds.forward * math.sin(self.heading) * PERIOD
            self.heading += command.speeds.turn * PERIOD
            self.now += PERIOD
            if command.outcome is not None or until(command):
                break
        return self.log[-1]


def robot(
    target: tuple[float, float] = (4.0, 2.0), distance: float = 1.0, keep: bool = False, **changes: float
) -> Robot:
    return Robot(target, Controller(replace(CAREFUL, **changes), distance, keep))


def steps(log: list[Command]) -> Iterator[tuple[Command, Command]]:
    return itertools.pairwise(log)


@given(st.floats(-3, 3), st.floats(-6, 6), st.floats(0, 3), st.booleans())
@settings(max_examples=12, deadline=None)
def test_every_target_is_reached_within_the_limits(ahead: float, left: float, distance: float, back: bool) -> None:
    chosen = replace(CAREFUL, max_reverse_speed=0.3 if back else 0.0, give_up=100)
    follower = Robot((ahead, left), Controller(chosen, distance, keep=False))
    follower.run(40)
    for before, after in steps(follower.log):
        speeds = after.speeds
        assert -chosen.max_reverse_speed <= speeds.forward <= chosen.max_speed
        assert abs(speeds.turn) <= chosen.max_turn_rate
        assert abs(speeds.forward - before.speeds.forward) <= chosen.max_acceleration * PERIOD + 1e-9
        assert abs(speeds.turn - before.speeds.turn) <= chosen.max_turn_acceleration * PERIOD + 1e-9
    if back or distance == 0 or math.hypot(ahead, left) > distance:
        assert follower.log[-1].outcome is Outcome.REACHED
        assert abs(follower.azimuth) < 1.5 * chosen.bearing_dead_zone
        if distance > 0:
            assert follower.distance == pytest.approx(distance, abs=1.5 * chosen.distance_dead_zone)


def test_it_goes_on_following_where_it_shall_keep_the_distance() -> None:
    follower = robot(keep=True)
    assert follower.run(40).phase is Phase.HOLDING
    follower.target = (8.0, 2.0)
    assert follower.run(1).phase is Phase.FOLLOWING
    assert follower.run(40).phase is Phase.HOLDING


@pytest.mark.parametrize("what", ["lost", "silent"])
def test_it_rests_within_200_ms_of_loss_and_of_silence(what: str) -> None:
    follower = robot((10.0, 0.0))
    assert follower.run(3).speeds.forward > 0.4
    follower.silent, follower.state = what == "silent", TrackState.LOST
    began = follower.now
    assert follower.run(1, until=lambda command: command.speeds == Speeds()).phase is Phase.BLIND
    assert follower.now - began <= 0.2
    assert ("lost: said so" if what == "lost" else "nothing has been heard") in follower.log[-1].reason


def test_a_lost_target_is_searched_for_to_where_it_went_and_then_given_up() -> None:
    follower = robot((3.0, -2.0), keep=True)
    follower.run(0.5)
    follower.state = TrackState.LOST
    seen = follower.heading
    assert follower.run(2, until=lambda command: command.phase is Phase.SEARCHING).phase is Phase.SEARCHING
    headings: list[float] = []
    end = follower.run(60, until=lambda command: bool(headings.append(follower.heading)))
    assert end.outcome is Outcome.LOST
    assert "turning 57 degrees to both sides" in end.reason
    assert headings[20] < seen, "not towards the side on which it was lost"
    assert min(headings) > seen - CAREFUL.search_angle - 0.15
    assert max(headings) < seen + CAREFUL.search_angle + 0.15
    assert end.speeds == Speeds()


def test_a_found_target_ends_the_search() -> None:
    follower = robot((3.0, -2.0), keep=True)
    follower.run(0.5)
    follower.state = TrackState.LOST
    follower.run(2)
    follower.state = TrackState.TRACKING
    assert follower.run(40).phase is Phase.HOLDING


def test_silence_is_never_searched_in_and_ends_the_goal_at_last() -> None:
    follower = robot(give_up=2.0)
    follower.run(1)
    follower.silent = True
    assert follower.run(1.9).outcome is None
    assert follower.run(0.5).outcome is Outcome.LOST
    assert all(command.speeds == Speeds() for command in follower.log[-60:])


def test_a_removed_target_ends_the_goal_at_once() -> None:
    follower = robot()
    follower.run(1)
    follower.state = None
    follower.run(0.1 + PERIOD)
    assert (follower.log[-1].outcome, follower.log[-1].speeds) == (Outcome.LOST, Speeds())


def test_without_a_distance_it_turns_and_does_not_drive() -> None:
    controller = Controller(CAREFUL, 1.0, keep=False)
    for step in range(200):
        word = Observation(step * PERIOD, TrackState.TRACKING, 0.5, 0.0, math.nan, "no depth image has come")
        command = controller.step(step * PERIOD, word)
        assert command.speeds.forward == 0
    assert command.speeds.turn > 0.5
    assert command.reason == "the distance is not known: no depth image has come"


def test_without_a_direction_it_rests() -> None:
    word = Observation(0.0, TrackState.TRACKING, reason="no camera_info has come")
    command = Controller(CAREFUL, 1.0, keep=False).step(0.0, word)
    assert (command.phase, command.speeds) == (Phase.BLIND, Speeds())
    assert command.reason == "the direction to the target is not known: no camera_info has come"


def test_an_uncertain_target_is_approached_with_less_speed() -> None:
    follower = robot((10.0, 0.0))
    follower.state = TrackState.UNCERTAIN
    follower.run(5)
    assert max(command.speeds.forward for command in follower.log) == pytest.approx(0.25)


def test_a_gimbal_pans_and_tilts_and_never_drives() -> None:
    controller = Controller(CAREFUL, 1.0, keep=False, gimbal=True)
    pan, tilt = 0.8, -0.5
    for step in range(1000):
        now = step * PERIOD
        command = controller.step(now, Observation(now, TrackState.TRACKING, pan, tilt, 3.0))
        assert command.speeds.forward == 0
        pan, tilt = pan - command.speeds.turn * PERIOD, tilt - command.speeds.tilt * PERIOD
        if command.outcome is not None:
            break
    assert command.outcome is Outcome.REACHED
    assert max(abs(pan), abs(tilt)) < 1.5 * CAREFUL.bearing_dead_zone
