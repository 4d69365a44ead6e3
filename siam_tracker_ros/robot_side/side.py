"""The robot's side of the tracker node: one call for each image that was answered, everything else from here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from siam_tracker_ros.detections.desk import DetectionDesk
from siam_tracker_ros.interfaces import SetTarget, TargetEvent, TrackedTargetArray
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.commands import Refused, SetCommand
from siam_tracker_ros.node.messages import import_vision_msgs
from siam_tracker_ros.node.parameters import Settings
from siam_tracker_ros.node.tracking_loop import TrackingLoop
from siam_tracker_ros.qos import image_qos, output_qos
from siam_tracker_ros.robot_side.events import Events
from siam_tracker_ros.robot_side.parameters import POSITIONS_OFF
from siam_tracker_ros.robot_side.prediction import Prediction
from siam_tracker_ros.robot_side.seen import seen_in

if TYPE_CHECKING:
    from siam_tracker_ros.positions.part import PositionsPart

_EVENTS_DEPTH = 100
_PREDICTIONS_DEPTH = 10
_DETECTIONS_DEPTH = 10
_SAME_CLOCK_SECONDS = 1.0  # stamps that are this near to the node's clock are of that clock


class RobotSide:
    """What is made when the node is activated and ends when it is deactivated; off where parameters say so.

    Args:
        node: whose topics they are.
        settings: gives the present values of the node's parameters.
        loop: gives the tracking loop, or None where there is none.
        image_topic: resolved.
        complain: told, with a kind and a sentence, of what comes with every image.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], Settings],
        loop: Callable[[], TrackingLoop | None],
        image_topic: str,
        complain: Callable[[str, str], None],
    ) -> None:
        self._node = node
        self._loop = loop
        self._event_publisher = node.create_publisher(TargetEvent, "~/events", output_qos(_EVENTS_DEPTH))
        self.events = Events(self._event_publisher.publish)
        self._complain = complain
        self._desk: DetectionDesk | None = None
        self._no_desk = ""
        self._detections: Any = None
        self._listen_to_detections(settings)
        self._positions: PositionsPart | None = None
        if settings().positions != POSITIONS_OFF:
            from siam_tracker_ros.positions.part import PositionsPart  # here, for a node mostly starts without it

            self._positions = PositionsPart(node, settings, image_topic, complain)
        self._prediction: Prediction | None = None
        self._timer: Any = None
        self._predictions: Any = None
        if settings().prediction_rate > 0:
            self._begin_to_predict(settings().prediction_rate)

    def destroy(self) -> None:
        """Take the topics back and end the timer."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._node.destroy_publisher(self._predictions)
        if self._detections is not None:
            self._node.destroy_subscription(self._detections)
        if self._positions is not None:
            self._positions.destroy()
        self._node.destroy_publisher(self._event_publisher)

    def saw(self, answer: Answer) -> None:
        """Tell what is to be told of an image that was answered."""
        image = seen_in(answer)
        loop = self._loop()
        self.events.saw(image, set() if loop is None else {target.id for target in loop.targets})
        if self._positions is not None:
            self._positions.saw(image)
        if self._prediction is not None:
            self._prediction.saw(image)

    def detected(self, request: SetTarget.Request, image_deadline: float) -> SetCommand:
        """The command for a request of a detection.

        Raises:
            Refused: if there is no such detection, or none are heard.
        """
        if self._desk is None:
            raise Refused(self._no_desk)
        return self._desk.command(request, image_deadline)

    def _listen_to_detections(self, settings: Callable[[], Settings]) -> None:
        wanted = settings().detections
        vision = import_vision_msgs()
        if wanted == "off" or (wanted == "vision_msgs" and vision is None) or (wanted == "auto" and vision is None):
            why = "the parameter detections is off" if wanted == "off" else "vision_msgs is not installed"
            self._no_desk = (
                f"no detections are heard: {why}; set detections to siam_tracker_msgs, or install vision_msgs"
            )
            if wanted == "vision_msgs":
                self._complain("no detections", self._no_desk)
            return
        of_vision = vision is not None and wanted != "siam_tracker_msgs"
        kind = vision.Detection2DArray if of_vision and vision is not None else TrackedTargetArray
        topic = self._node.resolve_topic_name("detections")
        self._desk = DetectionDesk(topic, settings, lambda: settings().max_targets, self._loop, self._refuse)
        self._detections = self._node.create_subscription(
            kind,
            topic,
            self._desk.take,
            image_qos("best_effort", _DETECTIONS_DEPTH),
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    def _refuse(self, header: Header, words: str) -> None:
        self._complain("detections", words)
        self.events.refused(words, header)

    def _begin_to_predict(self, rate: float) -> None:
        self._prediction = Prediction()
        self._predictions = self._node.create_publisher(
            TrackedTargetArray, "~/tracks_predicted", output_qos(_PREDICTIONS_DEPTH)
        )
        self._timer = self._node.create_timer(
            1 / rate,
            self._predict,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _predict(self) -> None:
        assert self._prediction is not None
        expected = self._prediction.at(time.monotonic(), self._stamp_clock())
        if expected is not None:
            with contextlib.suppress(InvalidHandle):  # the node is being deactivated meanwhile
                self._predictions.publish(expected)

    def _stamp_clock(self) -> int | None:
        """Now on the clock of the images' stamps, where that is the node's."""
        assert self._prediction is not None
        newest = self._prediction.newest_stamp
        now = int(self._node.get_clock().now().nanoseconds)
        if newest is None or abs(now - newest) > _SAME_CLOCK_SECONDS * 1e9:
            return None
        return now
