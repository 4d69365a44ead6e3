"""The follower's parameters: all of ``FollowerSettings``, and how it is wired."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from siam_tracker_core.errors import ConfigError
from siam_tracker_ros.follower.settings import FollowerSettings

_MAY_BE_ZERO = {"max_reverse_speed", "distance_dead_zone", "bearing_dead_zone", "uncertain_share", "search_delay"} | {
    "search_rate",
    "search_angle",
    "give_up",
    "settle",
}
_MOST = 1000.0


@dataclass(frozen=True)
class Wiring:
    """How the follower is wired.

    Attributes:
        mode: ``base`` drives and turns a robot, ``gimbal`` pans (angular.z) and tilts (angular.y, positive downwards).
        stamped: whether ``cmd_vel`` is a TwistStamped and not a Twist.
        base_frame: the robot's, in which the commands are.
        camera_pose: of the camera in it: ``x, y, z, roll, pitch, yaw`` in metres and radians.
        rate: of commands, in Hz.
        patience: seconds that a new goal waits for positions and for somebody who hears the commands.
    """

    mode: str = "base"
    stamped: bool = True
    base_frame: str = "base_link"
    camera_pose: tuple[float, ...] = (0.0,) * 6
    rate: float = 50.0
    patience: float = 2.0


def declare(node: Node) -> Wiring:
    """Declare all parameters and read the wiring, which is fixed from then on.

    Raises:
        ConfigError: for a value that cannot be.
    """
    try:
        for item in fields(FollowerSettings):
            least = 0.0 if item.name in _MAY_BE_ZERO else 1e-3
            limits = [FloatingPointRange(from_value=least, to_value=_MOST)]
            descriptor = ParameterDescriptor(description=item.name, floating_point_range=limits)
            node.declare_parameter(item.name, float(item.default), descriptor)  # type: ignore[arg-type]
        fixed = ParameterDescriptor(read_only=True)
        values = {}
        for item in fields(Wiring):
            default = list(item.default) if isinstance(item.default, tuple) else item.default
            values[item.name] = node.declare_parameter(item.name, default, fixed).value
    except ParameterException as error:
        raise ConfigError(f"a parameter of the follower cannot be what was given: {error}") from error
    values["camera_pose"] = tuple(values["camera_pose"])
    wiring = Wiring(**values)
    if wiring.mode not in ("base", "gimbal"):
        raise ConfigError(f"the parameter mode cannot be '{wiring.mode}'; expected base or gimbal")
    if len(wiring.camera_pose) != 6 or not all(map(math.isfinite, wiring.camera_pose)):
        raise ConfigError("the parameter camera_pose needs 6 numbers: x, y, z, roll, pitch, yaw")
    if not 10 <= wiring.rate <= 1000:
        raise ConfigError(f"the parameter rate cannot be {wiring.rate:g}; expected 10 to 1000 commands a second")
    node.add_on_set_parameters_callback(_check)
    return wiring


def read(node: Node) -> FollowerSettings:
    """The present values; a goal uses those of the moment in which it begins."""
    return FollowerSettings(**{item.name: node.get_parameter(item.name).value for item in fields(FollowerSettings)})


def _check(given: list[Parameter]) -> SetParametersResult:
    for each in given:
        if isinstance(each.value, float) and not math.isfinite(each.value):
            return SetParametersResult(successful=False, reason=f"the parameter {each.name} must be finite")
    return SetParametersResult(successful=True)
