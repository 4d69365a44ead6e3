"""The lifecycle node: images in, targets in, tracks out. It holds no tracking logic of its own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core import Tracker, load_tracker
from siam_tracker_ros.interfaces import RemoveTarget, SetTarget
from siam_tracker_ros.node import parameters
from siam_tracker_ros.node.complaints import Complaints
from siam_tracker_ros.node.diagnostics import Condition, diagnostics_message, is_unheard, never_received
from siam_tracker_ros.node.messages import requested_box
from siam_tracker_ros.node.outputs import Outputs
from siam_tracker_ros.node.tracking_loop import Answer, Refused, TrackingLoop
from siam_tracker_ros.qos import image_qos, say_soon, unheard_publishers
from siam_tracker_ros.stamps import to_nanoseconds


class TrackerNode(LifecycleNode):
    """Follows targets through the images of one topic.

    Configuring loads the network and warms it up, activating subscribes, deactivating unsubscribes and keeps the
    targets, cleaning up frees the memory. Needs an executor with at least three threads: one for images, one for
    requests that wait for their target to catch up, one for everything else.

    Args:
        **options: passed on to ``rclpy.node.Node``, e.g. ``parameter_overrides``.

    Raises:
        ConfigError: if a parameter is given a value that it cannot have.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("siam_tracker", **options)
        parameters.declare(self)
        self._settings = parameters.read(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        self._complain = Complaints(self.get_logger().warning)
        self._remind = Complaints(self.get_logger().warning, seconds=60.0)
        self._images = MutuallyExclusiveCallbackGroup()
        requests = MutuallyExclusiveCallbackGroup()
        self.create_service(SetTarget, "~/set_target", self._set_target, callback_group=requests)
        self.create_service(RemoveTarget, "~/remove_target", self._remove_target, callback_group=requests)
        self._loop: TrackingLoop | None = None
        self._outputs: Outputs | None = None
        self._subscription: Any = None
        self._tracker = self._device = self._topic = self._failure = ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(self._settings.diagnostics_period, self._publish_diagnostics)
        self._survive_wrong_transitions()
        if self._settings.autostart:
            self._autostart = self.create_timer(0.0, self._start_by_itself)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and warm it up; on failure say why and stay unconfigured."""
        settings = self._settings
        began = time.monotonic()
        try:
            tracker = load_tracker(
                settings.model, device=settings.device, runtime=settings.runtime, threads=settings.threads or None
            )
            tracker.warm_up(targets=1)
        except Exception as error:  # rclpy would swallow it without a word
            return self._fail(f"the tracker could not be loaded: {error}")
        self._failure = ""
        self._tracker, self._device = tracker.name, _device_name(tracker)
        self._outputs = Outputs(self, lambda: self._settings)
        self._loop = TrackingLoop(
            tracker,
            self._while_up(self._outputs.publish_tracks),
            self._while_up(self._outputs.publish_images),
            self._complain,
        )
        self.get_logger().info(
            f"{tracker.name} is ready on {self._device} after {time.monotonic() - began:.1f} seconds"
        )
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images and begin to answer requests."""
        assert self._loop is not None
        outcome = super().on_activate(state)
        compressed = self._settings.image_transport == "compressed"
        self._topic = self.resolve_topic_name("image/compressed" if compressed else "image")
        self._loop.start(self._settings.history_frames, self._topic)
        self._subscribe(CompressedImage if compressed else Image)
        self.get_logger().info(f"waiting for images on {self._topic}")
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the targets are kept and followed on after the next activation."""
        self._unsubscribe()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the targets and free the network's memory."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe where that is still to be done, and free everything."""
        self._unsubscribe()
        self._release()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """End the tracking thread before what it publishes with goes away."""
        self._unsubscribe()
        super().destroy_node()

    def _start_by_itself(self) -> None:
        self._autostart.cancel()
        if self._state() != "unconfigured":  # somebody was faster
            return
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _state(self) -> str:
        return str(self._state_machine.current_state[1])

    def _survive_wrong_transitions(self) -> None:
        """Answer a request for an impossible transition with failure; rclpy raises, which would end the executor."""
        service = self._service_change_state
        change: Callable[[Any, Any], Any] = service.callback

        def checked(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return change(request, response)
            except Exception as error:
                wanted = request.transition.label or request.transition.id
                self.get_logger().error(f"the transition {wanted} failed while {self._state()}: {error}")
                response.success = False
                return response

        service.callback = checked

    def _fail(self, reason: str) -> TransitionCallbackReturn:
        self._failure = reason
        self.get_logger().error(reason)
        return TransitionCallbackReturn.FAILURE

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        self._loop = self._outputs = None
        self._tracker = self._device = ""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _subscribe(self, kind: type) -> None:
        assert self._loop is not None
        qos = image_qos(self._settings.reliability, self._settings.queue_depth)

        def incompatible(event: Any) -> None:
            policy = event.last_policy_kind
            say_soon(self, lambda: unheard_publishers(self, self._topic, qos, policy), self._complain)

        self._subscription = self.create_subscription(
            kind,
            self._topic,
            self._loop.offer,
            qos,
            callback_group=self._images,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
        )

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        if self._loop is not None:
            self._loop.stop()

    def _while_up(self, publish: Callable[[Answer], None]) -> Callable[[Answer], None]:
        """The same, but silent where ROS was shut down while an image was worked on."""

        def guarded(answer: Answer) -> None:
            try:
                publish(answer)
            except Exception:
                if self.context.ok():
                    raise

        return guarded

    def _set_target(self, request: SetTarget.Request, response: SetTarget.Response) -> SetTarget.Response:
        try:
            response.id = self._active_loop().set_target(
                to_nanoseconds(request.header.stamp),
                requested_box(request),
                request.id,
                request.label,
                patience=self._settings.stamp_patience,
                limit=self._settings.max_targets,
            )
            response.success = True
            label = f" '{request.label}'" if request.label else ""
            self.get_logger().info(f"following target {response.id}{label}")
        except Refused as error:
            response.message = str(error)
            self._complain(f"set_target refused: {error}")
        return response

    def _remove_target(self, request: RemoveTarget.Request, response: RemoveTarget.Response) -> RemoveTarget.Response:
        try:
            response.removed = self._active_loop().remove(None if request.all else request.id)
            response.success = True
        except Refused as error:
            response.message = str(error)
        return response

    def _active_loop(self) -> TrackingLoop:
        if self._loop is None:
            remedy = self._failure or "configure and activate the node first"
            raise Refused(f"the tracker is {self._state()}; {remedy}")
        return self._loop

    def _check_parameters(self, given: Sequence[Parameter]) -> SetParametersResult:
        state = self._state()
        for each in given:
            reason = parameters.problem(each.name, each.value) or parameters.change_problem(each.name, state)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _take_parameters(self, given: Sequence[Parameter]) -> None:
        self._settings = parameters.read(self)

    def _publish_diagnostics(self) -> None:
        loop = self._loop
        condition = Condition(
            node=self.get_fully_qualified_name(),
            state=self._state(),
            failure=self._failure,
            tracker=self._tracker,
            device=self._device,
            topic=self._topic,
            publishers=self.count_publishers(self._topic) if self._topic else 0,
            figures=None if loop is None else loop.statistics.snapshot(),
            targets=[] if loop is None else loop.targets,
        )
        self._diagnostics.publish(diagnostics_message(condition, self.get_clock().now().to_msg()))
        if is_unheard(condition):
            self._remind(never_received(condition.topic, condition.publishers))


def _device_name(tracker: Tracker) -> str:
    gpu = f" ({torch.cuda.get_device_name(tracker.device)})" if tracker.device.type == "cuda" else ""
    return f"{tracker.device}{gpu}, {tracker.runtime}"
