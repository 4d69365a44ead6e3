"""The lifecycle node: images in, targets in, tracks out. It holds no tracking logic of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core import load_tracker
from siam_tracker_ros.interfaces import LabelTarget, RemoveTarget, SetTarget
from siam_tracker_ros.node import parameters
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.commands import Refused, SetCommand
from siam_tracker_ros.node.complaints import Complaints
from siam_tracker_ros.node.deferred_service import DeferredService
from siam_tracker_ros.node.diagnostics import Condition, diagnostics_message, double_of, is_unheard, never_received
from siam_tracker_ros.node.intake import ImageIntake
from siam_tracker_ros.node.journal import Journal
from siam_tracker_ros.node.loading import Load
from siam_tracker_ros.node.outputs import Outputs, while_up
from siam_tracker_ros.node.point_requests import PointRequests
from siam_tracker_ros.node.requests import answer_label, answer_remove, answer_set
from siam_tracker_ros.node.supervisor import Supervisor
from siam_tracker_ros.node.tracking_loop import TrackingLoop
from siam_tracker_ros.node.transitions import state_of, survive_wrong_transitions
from siam_tracker_ros.qos import image_qos, say_soon, unheard_publishers
from siam_tracker_ros.robot_side.side import RobotSide

_WATCH_SECONDS = 0.25
_STOP_SECONDS = 5.0  # that a transition waits for the image that is being worked on


class TrackerNode(LifecycleNode):
    """Follows targets through the images of one topic.

    Configuring loads the network and warms it up, activating subscribes, deactivating unsubscribes and keeps the
    targets, cleaning up frees the memory. Takes images in a thread of its own, and needs an executor with at least
    four threads: for each service, for the watchdog and for everything else.

    Args:
        loader: loads the tracker.
        **options: passed on to ``rclpy.node.Node``, e.g. ``parameter_overrides``.

    Raises:
        ConfigError: if a parameter is given a value that it cannot have.
    """

    def __init__(self, *, loader: Load = load_tracker, **options: Any) -> None:
        super().__init__("siam_tracker", **options)
        parameters.declare(self)
        self._settings = parameters.read(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        self._complain = Complaints(self.get_logger().warning)
        self._remind = Complaints(self.get_logger().warning, seconds=60.0)
        for sentence in parameters.unknown(self):
            self.get_logger().warning(sentence)
        self._supervisor = Supervisor(
            loader,
            lambda: self._settings,
            while_up(self.context, self._publish),
            while_up(self.context, self._illustrate),
            self.get_logger(),
            self._complain,
        )
        self._outputs: Outputs | None = None
        self._journal: Journal | None = None
        self._robot: RobotSide | None = None
        self._intake: ImageIntake | None = None
        self._topic = self._failure = ""
        self._serve(SetTarget, "~/set_target", self._set_target)
        self._serve(RemoveTarget, "~/remove_target", self._remove_target)
        self.create_service(LabelTarget, "~/label_target", self._label_target)
        self._pointing = PointRequests(self, lambda: self._settings.point_size)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._every(self._settings.diagnostics_period, self._publish_diagnostics)
        self._every(_WATCH_SECONDS, self._supervisor.watch)
        survive_wrong_transitions(self)
        self._starting = self._settings.autostart
        if self._starting:
            self._autostart = self._every(0.0, self._start_by_itself)

    @property
    def loading(self) -> bool:
        """Whether the network is being loaded, so that nothing is there yet that would have to be ended in order."""
        return self._state() in ("unconfigured", "configuring")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and warm it up; on failure say why and stay unconfigured."""
        settings = self._settings
        self.get_logger().info(f"loading the tracker {settings.model} on {settings.device}")
        try:
            loaded = self._supervisor.load()
        except Exception as error:  # rclpy would swallow it without a word
            return self._fail(f"the tracker could not be loaded: {error}")
        self._failure = ""
        self._outputs = Outputs(self, lambda: self._settings)
        threads = "adaptive" if loaded.threads.adaptive else str(loaded.threads.count)
        self.get_logger().info(
            f"{loaded.tracker.name} is ready on {loaded.device} after {loaded.seconds:.1f} seconds; threads: {threads}"
        )
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images and begin to answer requests; on failure say why and stay inactive."""
        compressed = self._settings.image_transport == "compressed"
        topic = self.resolve_topic_name("image/compressed" if compressed else "image")
        try:
            statistics = self._supervisor.start(topic)
        except Exception as error:  # rclpy would swallow it without a word
            return self._fail(f"the tracker could not be started: {error}")
        outcome = super().on_activate(state)
        self._topic, self._failure = topic, ""
        self._journal = Journal(self.get_logger(), topic, lambda: statistics.snapshot().period)
        self._robot = RobotSide(self, lambda: self._settings, lambda: self._supervisor.loop, topic, self._complain)
        self.get_logger().info(f"waiting for images on {topic}")
        self._subscribe(CompressedImage if compressed else Image)
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the targets are kept and followed on after the next activation."""
        self._unsubscribe(_STOP_SECONDS)
        loop = self._supervisor.loop
        count = 0 if loop is None else len(loop.targets)
        self.get_logger().info(f"deactivated; {count} target{'s are' if count != 1 else ' is'} kept")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the targets and free the network's memory."""
        self._release()
        self.get_logger().info("cleaned up; the targets are forgotten and the tracker is unloaded")
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe where that is still to be done, and free everything."""
        self._unsubscribe(_STOP_SECONDS)
        self._release()
        return super().on_shutdown(state)

    def close(self, patience: float) -> None:
        """End the node in good order: no state file is left, for the targets are not wanted again.

        Args:
            patience: seconds that the image which is being worked on may still take.
        """
        self._unsubscribe(patience)
        super().destroy_node()
        # rclpy never lets go of it, and it holds the node: the middleware's shared memory would outlive the process.
        self._state_machine = None

    def destroy_node(self) -> None:
        """End the tracking thread before what it publishes with goes away."""
        self.close(_STOP_SECONDS)

    # Making the parts.

    def _serve(self, kind: Any, name: str, callback: Callable[[Any], Future[Any]]) -> None:
        DeferredService(self, kind, name, callback, MutuallyExclusiveCallbackGroup())

    def _every(self, seconds: float, callback: Callable[[], None]) -> Any:
        """A timer of the machine's own clock: one of ROS time stands still where nobody publishes /clock."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        return self.create_timer(seconds, callback, callback_group=MutuallyExclusiveCallbackGroup(), clock=clock)

    def _publish(self, answer: Answer) -> None:
        if self._outputs is not None:
            self._outputs.publish_tracks(answer)
        if self._robot is not None:
            self._robot.saw(answer)
        if self._journal is not None:
            self._journal.saw(answer)

    def _illustrate(self, answer: Answer) -> None:
        if self._outputs is not None:
            self._outputs.publish_images(answer)

    def _start_by_itself(self) -> None:
        self._autostart.cancel()
        if self._state() == "unconfigured" and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()
        self._starting = False

    def _state(self) -> str:
        return state_of(self)

    def _fail(self, reason: str) -> TransitionCallbackReturn:
        self._failure = reason
        self.get_logger().error(reason)
        return TransitionCallbackReturn.FAILURE

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._journal = None
        self._supervisor.release()

    def _subscribe(self, kind: type) -> None:
        qos = image_qos(self._settings.reliability, self._settings.queue_depth)

        def incompatible(event: Any) -> None:
            policy = event.last_policy_kind
            say_soon(
                self,
                lambda: unheard_publishers(self, self._topic, qos, policy),
                lambda sentence: self._complain("incompatible publisher", sentence),
            )

        def matched(event: Any) -> None:
            if self._journal is not None:
                self._journal.heard(event.current_count)

        events = SubscriptionEventCallbacks(incompatible_qos=incompatible, matched=matched)
        self._intake = ImageIntake(self, kind, self._topic, self._supervisor.offer, qos, events, self._complain)

    def _unsubscribe(self, patience: float) -> None:
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.destroy()
        self._supervisor.stop(patience)
        robot, self._robot = self._robot, None
        if robot is not None:
            robot.destroy()

    # Requests.

    def _set_target(self, request: SetTarget.Request) -> Future[Any]:
        return answer_set(request, self._active_loop, self._settings, self.get_logger(), self._refuse, self._detected)

    def _detected(self, request: SetTarget.Request, image_deadline: float) -> SetCommand:
        robot = self._robot
        if robot is None:
            raise Refused(f"the tracker is {self._state()}; activate it first")
        return robot.detected(request, image_deadline)

    def _refuse(self, kind: str, sentence: str) -> None:
        self._complain(kind, sentence)
        if self._robot is not None:
            self._robot.events.refused(sentence)

    def _remove_target(self, request: RemoveTarget.Request) -> Future[Any]:
        return answer_remove(request, self._active_loop, self.get_logger())

    def _label_target(self, request: LabelTarget.Request, response: LabelTarget.Response) -> LabelTarget.Response:
        return answer_label(request, response, self._active_loop)

    def _active_loop(self) -> TrackingLoop:
        state = self._state()
        failure = self._failure or self._supervisor.failure
        if failure:
            raise Refused(f"the tracker is {state}; {failure}")
        if state == "configuring" or (self._starting and state == "unconfigured"):
            raise Refused(f"the tracker {self._settings.model} is still loading; ask again once the node is active")
        loop = self._supervisor.loop
        if loop is None:
            raise Refused(f"the tracker is {state}; configure and activate the node first")
        return loop

    # Parameters.

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
        loop, loaded = self._supervisor.loop, self._supervisor.loaded
        condition = Condition(
            node=self.get_fully_qualified_name(),
            state=self._state(),
            failure=self._failure or self._supervisor.failure,
            tracker="" if loaded is None else loaded.tracker.name,
            device="" if loaded is None else loaded.device,
            threads=0 if loaded is None else loaded.threads.count,
            topic=self._topic,
            publishers=self.count_publishers(self._topic) if self._topic else 0,
            reliability=self._settings.reliability,
            replaced=self._supervisor.replaced,
            figures=None if loop is None else loop.statistics.snapshot(),
            targets=[] if loop is None else loop.targets,
        )
        self._diagnostics.publish(diagnostics_message(condition, self.get_clock().now().to_msg()))
        if double := double_of(self):
            self._remind("double", double)
        if is_unheard(condition):
            self._remind("no image", never_received(condition.topic, condition.publishers, condition.reliability))
