"""Takes the images of one topic in a thread of its own, beside the node's executor.

An executor of rclpy gathers all entities of a node anew, in Python, whenever one of them is ready, and again when its
callback has ended. The node has fifty of them, so that each image would cost more in there than in all that the node
does with it, and hold the interpreter's lock while the tracking thread needs it. This thread waits for a handful.

The subscription's events belong to this thread, too. To Fast DDS a subscription and its events are one condition.
Whoever waits for an event alone wakes for each image, finds no event, and wakes again until the image is taken. An
executor did so, and let go of the interpreter's lock for some microseconds a round. A core that had to wake up first to
take the image came too late for that lock, for up to 200 ms.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile

_FOR_EVER = -1


class TakenElsewhere(ReentrantCallbackGroup):
    """A group whose subscriptions, with their events, executors pass over."""

    def can_execute(self, entity: object) -> bool:
        """Whether an executor may handle it: never."""
        return False


class ImageIntake:
    """A subscription of a node, and the thread that takes from it.

    Args:
        node: whose subscription it is.
        kind: class of the messages.
        topic: resolved or not.
        offer: called in the intake's thread with each message, in their order; must not block.
        qos: of the subscription.
        events: called in the intake's thread with the subscription's events; must not block.
        complain: called with a kind and a sentence where a message cannot be taken.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        offer: Callable[[Any], None],
        qos: QoSProfile,
        events: SubscriptionEventCallbacks,
        complain: Callable[[str, str], None],
    ) -> None:
        self._node, self._kind, self._offer, self._complain = node, kind, offer, complain
        self._ended = False
        self._guard = GuardCondition(None, None, context=node.context)
        self._subscription = node.create_subscription(
            kind, topic, offer, qos, callback_group=TakenElsewhere(), event_callbacks=events
        )
        node.context.on_shutdown(self._wake)
        self._thread = threading.Thread(target=self._run, name="images", daemon=True)
        self._thread.start()

    def destroy(self) -> None:
        """End the thread and take the subscription back."""
        self._ended = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._node.destroy_subscription(self._subscription)
        self._guard.destroy()

    def _wake(self) -> None:
        with contextlib.suppress(InvalidHandle):  # destroyed, and ROS is shut down after that
            self._guard.trigger()

    def _run(self) -> None:
        context, messages, guard = self._node.context, self._subscription.handle, self._guard.handle
        events = list(self._subscription.event_handlers)
        with contextlib.ExitStack() as in_use:
            for each in (context.handle, messages, guard, *events):
                in_use.enter_context(each)
            wait_set = rclpy_implementation.WaitSet(1, 1, 0, 0, 0, len(events), context.handle)
            while not self._ended and context.ok():
                wait_set.clear_entities()
                wait_set.add_subscription(messages)
                wait_set.add_guard_condition(guard)
                for event in events:
                    event.add_to_wait_set(wait_set)
                wait_set.wait(_FOR_EVER)
                if self._ended:
                    return
                if messages.pointer in wait_set.get_ready_entities("subscription"):
                    self._take(messages)
                for event in events:
                    if event.is_ready(wait_set):
                        self._tell(event)

    def _take(self, messages: Any) -> None:
        try:
            taken = messages.take_message(self._kind, False)
            if taken is not None:  # it may have been replaced by a newer one, which makes the subscription ready again
                self._offer(taken[0])
        except Exception as error:  # a dead thread would be a node that hears nothing
            self._complain("image not taken", f"an image could not be taken from the middleware: {error!r}")

    def _tell(self, event: Any) -> None:
        try:
            taken = event.take_data()
            if taken:
                event.callback(taken)
        except Exception as error:
            self._complain("event not taken", f"an event of the image topic could not be handled: {error!r}")
