"""What rclpy leaves open of a lifecycle node: its state's name, and requests for impossible transitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def state_of(node: LifecycleNode) -> str:
    """The label of a node's lifecycle state, e.g. ``"active"``; of a transition while one runs."""
    return str(node._state_machine.current_state[1])


def survive_wrong_transitions(node: LifecycleNode) -> None:
    """Answer a request for an impossible transition with failure; rclpy raises, which would end the executor."""
    service = node._service_change_state
    change: Callable[[Any, Any], Any] = service.callback

    def checked(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        try:
            return change(request, response)
        except Exception as error:
            wanted = request.transition.label or request.transition.id
            node.get_logger().error(f"the transition {wanted} failed while {state_of(node)}: {error}")
            response.success = False
            return response

    service.callback = checked
