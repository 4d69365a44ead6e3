"""How fast a follower may move, and when it stops, searches and gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FollowerSettings:
    """Limits and gains. The defaults are careful ones for a small indoor robot.

    Attributes:
        max_speed, max_reverse_speed: in m/s; 0 backwards keeps the robot from driving where its camera does not look.
        max_turn_rate: in rad/s, of the robot, or of a gimbal's pan and tilt.
        max_acceleration, max_turn_acceleration: in m/s^2 and rad/s^2, towards a higher speed and back to rest alike.
            Only a stop because the target is lost or silent is sent at once; the robot's drive brakes as it can.
        speed_gain, turn_gain: speed for each metre, and rate for each radian, that is missing; in 1/s.
        distance_dead_zone, bearing_dead_zone: in m and rad; within both the robot rests.
        silence: in seconds; so long after the last word of the target the robot stops.
        uncertain_share: of the speeds, while the tracker is not sure of the target.
        search_delay: in seconds, from loss to the start of the search.
        search_rate: in rad/s, of turning while searching; 0 for no search.
        search_angle: in rad, to each side of where the target was last seen.
        give_up: in seconds without the target, after which the goal ends.
        settle: in seconds at rest, after which the goal is reached.
    """

    max_speed: float = 0.5
    max_reverse_speed: float = 0.0
    max_turn_rate: float = 1.0
    max_acceleration: float = 0.5
    max_turn_acceleration: float = 2.0
    speed_gain: float = 0.8
    turn_gain: float = 1.5
    distance_dead_zone: float = 0.1
    bearing_dead_zone: float = 0.05
    silence: float = 0.15
    uncertain_share: float = 0.5
    search_delay: float = 0.5
    search_rate: float = 0.4
    search_angle: float = 1.0
    give_up: float = 15.0
    settle: float = 1.0
