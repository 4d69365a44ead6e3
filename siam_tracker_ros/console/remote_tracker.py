"""The tracker node's parameters and lifecycle, from another process."""

from __future__ import annotations

import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter as LocalParameter
from rclpy.parameter import parameter_value_to_python

from siam_tracker_core.console.session import RequestRefused, Setting, SettingValue
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.declarations import Changes
from siam_tracker_ros.node.parameters import DECLARATIONS

_LOADING = 120.0  # seconds that configuring may take
_TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
}


class RemoteTracker:
    """Asks one tracker node; every call blocks until the answer or a time-out.

    Args:
        client: through which everything goes.
    """

    def __init__(self, client: TrackerClient) -> None:
        self._client = client

    def settings(self) -> tuple[Setting, ...]:
        """All of the node's parameters with their present values; those that it does not have are left out."""
        names = list(DECLARATIONS)
        answer = self._call(GetParameters, "get_parameters", GetParameters.Request(names=names), timeout=2.0)
        values = [parameter_value_to_python(value) for value in answer.values]
        found = [_setting(name, value) for name, value in zip(names, values, strict=False) if value is not None]
        return tuple(sorted(found, key=lambda setting: (bool(setting.locked), setting.name)))

    def set(self, name: str, value: SettingValue) -> None:
        """Change a parameter.

        Raises:
            RequestRefused: with the node's own sentence.
        """
        message: Parameter = LocalParameter(name, value=value).to_parameter_msg()
        answer = self._call(SetParameters, "set_parameters", SetParameters.Request(parameters=[message]))
        if not answer.results[0].successful:
            raise RequestRefused(answer.results[0].reason or f"the tracker node refuses {name} = {value!r}")

    def state(self) -> str:
        """The label of the node's lifecycle state."""
        return str(self._call(GetState, "get_state", GetState.Request()).current_state.label)

    def go(self, *transitions: str) -> bool:
        """Go through lifecycle transitions, as far as they succeed; gives whether all did."""
        for name in transitions:
            request = ChangeState.Request(transition=Transition(id=_TRANSITIONS[name], label=name))
            if not self._call(ChangeState, "change_state", request, _LOADING).success:
                return False
        return True

    def unload(self) -> None:
        """Take the node to unconfigured, from wherever it is.

        Raises:
            RequestRefused: if it cannot get there.
        """
        steps = {"active": ("deactivate", "cleanup"), "inactive": ("cleanup",), "unconfigured": ()}.get(self.state())
        if steps is None or not self.go(*steps):
            raise RequestRefused(f"the tracker node is {self.state()} and cannot be cleaned up; try again")

    def wait_active(self, timeout: float) -> bool:
        """Whether the node becomes active in time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.state() == "active":
                return True
            time.sleep(0.1)
        return False

    def _call(self, kind: Any, service: str, request: Any, timeout: float = 10.0) -> Any:
        return self._client.call(kind, service, request, timeout)


def _setting(name: str, value: SettingValue) -> Setting:
    declared = DECLARATIONS[name]
    low, high = declared.range or (None, None)
    locked = ""
    if declared.changes is not Changes.ANY_TIME:
        locked = "Read once, at start." if declared.changes is Changes.NEVER else f"It {declared.changes.value}."
    return Setting(name, value, declared.description, low, high, declared.choices, locked)
