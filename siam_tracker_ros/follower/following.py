"""One goal on its way: what was heard of its target last, and how it ends."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from siam_tracker_ros.follower.control import Command, Controller, Observation, Outcome, Phase
from siam_tracker_ros.interfaces import FollowTarget, TrackedTarget

_PHASES = {
    Phase.FOLLOWING: FollowTarget.Feedback.PHASE_FOLLOWING,
    Phase.HOLDING: FollowTarget.Feedback.PHASE_HOLDING,
    Phase.BLIND: FollowTarget.Feedback.PHASE_BLIND,
    Phase.SEARCHING: FollowTarget.Feedback.PHASE_SEARCHING,
}
_OUTCOMES = {
    Outcome.REACHED: FollowTarget.Result.OUTCOME_REACHED,
    Outcome.LOST: FollowTarget.Result.OUTCOME_LOST,
}


@dataclass
class Following:
    """A goal that is being followed. The timer's thread writes, the goal's own thread reads.

    Attributes:
        goal: what is wanted.
        controller: decides.
        observation: the last word of the target.
        state: the target's, as a number of ``TrackedTarget``.
        command: the last one.
        done: set when the goal has ended.
        result: how; valid from then on.
    """

    goal: FollowTarget.Goal
    controller: Controller
    observation: Observation | None = None
    state: int = TrackedTarget.STATE_LOST
    command: Command | None = None
    done: threading.Event = field(default_factory=threading.Event)
    result: FollowTarget.Result = field(default_factory=FollowTarget.Result)
    _bearing: float = math.nan
    _distance: float = math.nan

    def heard(self, observation: Observation, state: int) -> None:
        """Take in a word of the target."""
        self.observation, self.state = observation, state
        if math.isfinite(observation.azimuth):
            self._bearing, self._distance = observation.azimuth, observation.distance

    def step(self, seconds: float) -> Command:
        """The next command; ends the goal where the controller says so."""
        self.command = self.controller.step(seconds, self.observation)
        if self.command.outcome is not None:
            self.end(_OUTCOMES[self.command.outcome], self.command.reason)
        return self.command

    def end(self, outcome: int, message: str) -> None:
        """End the goal, unless it has ended."""
        if self.done.is_set():
            return
        self.result = FollowTarget.Result(
            outcome=outcome, message=message, bearing=self._bearing, distance=self._distance
        )
        self.done.set()

    def feedback(self, unheard: str) -> FollowTarget.Feedback:
        """What to tell the client.

        Args:
            unheard: why nobody hears the commands, or empty.
        """
        command = self.command
        seen = self.observation
        return FollowTarget.Feedback(
            phase=_PHASES[Phase.BLIND if command is None else command.phase],
            state=self.state,
            bearing=math.nan if seen is None else seen.azimuth,
            distance=math.nan if seen is None else seen.distance,
            reason=unheard or ("" if command is None else command.reason),
        )
