"""What the tests of the node share: this process's side of the ROS graph, and a made scene with a known target."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core import Box
from siam_tracker_ros.client import TrackerClient, TrackerTimeout
from siam_tracker_ros.console.in_turn import InTurn
from siam_tracker_ros.image_conversion import BgrImage, bgr_to_message
from siam_tracker_ros.node_process import NodeProcess
from siam_tracker_ros.stamps import from_nanoseconds

TRACKER = "/siam_tracker"
FRAME_ID = "camera_optical_frame"
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def wait_until(condition: Callable[[], Any], timeout: float = 15.0, what: str = "the condition") -> Any:
    """The first true value of a condition that another thread or process brings about."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout} seconds"
        time.sleep(0.02)


class Graph:
    """A node of the test's own, spun in the background."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test", context=self.context)
        self._in_turn = InTurn(self.node)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(timeout=5.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def call(self, kind: Any, name: str, request: Any, timeout: float = 20.0) -> Any:
        client = self.node.create_client(kind, name)
        try:
            assert client.wait_for_service(timeout), f"no service {name}"
            done = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: done.set())
            assert done.wait(timeout), f"{name} did not answer"
            return future.result()
        finally:
            self.node.destroy_client(client)

    def end(self, entity: Subscription | Publisher) -> None:
        """Destroy it soon, between two callbacks: its events may be waited for now."""
        is_publisher = isinstance(entity, Publisher)
        destroy = self.node.destroy_publisher if is_publisher else self.node.destroy_subscription
        self._in_turn.do(lambda: destroy(entity))

    def state(self) -> str:
        return str(self.call(GetState, f"{TRACKER}/get_state", GetState.Request()).current_state.label)

    def change(self, transition: str) -> bool:
        request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{transition.upper()}")))
        # The first configuration of all writes the network's graphs and measures the runtimes.
        return bool(self.call(ChangeState, f"{TRACKER}/change_state", request, timeout=120.0).success)

    def set_parameter(self, name: str, value: Any) -> str:
        """Empty if it was accepted, else the reason why not."""
        request = SetParameters.Request(parameters=[Parameter(name=name, value=_value(value))])
        result = self.call(SetParameters, f"{TRACKER}/set_parameters", request).results[0]
        return "" if result.successful else result.reason or "no reason given"

    def describe(self, name: str) -> Any:
        request = DescribeParameters.Request(names=[name])
        return self.call(DescribeParameters, f"{TRACKER}/describe_parameters", request).descriptors[0]

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()


def _value(value: Any) -> ParameterValue:
    if isinstance(value, bool):
        return ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=value)
    if isinstance(value, int):
        return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    if isinstance(value, float):
        return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)


def wait_ready(client: TrackerClient, node: NodeProcess, timeout: float = 180.0) -> None:
    """Long, because a busy machine takes its time to import torch; the node's own words tell why it was not enough."""
    try:
        client.wait_until_ready(timeout)
    except TrackerTimeout as error:
        raise AssertionError(f"{error}; exit status {node.exit_status()}, log: {node.log() or 'empty'}") from None


def wait_heard(node: NodeProcess, timeout: float = 15.0) -> None:
    """Until the node hears a camera: a best-effort subscription loses what is sent before that."""

    def hears() -> bool:
        said = node.log().rpartition("waiting for images on")[2].rpartition("are heard from ")[2]
        return bool(said) and not said.startswith("0")

    wait_until(hears, timeout, what="the node's word that it hears a camera")


class Inbox:
    """Collects the messages of a topic; a context manager, so that the subscription ends with its test."""

    def __init__(self, graph: Graph, kind: Any, topic: str, qos: Any = RELIABLE) -> None:
        self._graph = graph
        self.messages: list[Any] = []
        self._subscription = graph.node.create_subscription(kind, topic, self.messages.append, qos)
        self.topic = topic

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._graph.end(self._subscription)

    def of(self, message: Any) -> list[Any]:
        """The messages that carry the stamp of another."""
        return [each for each in self.messages if each.header.stamp == message.header.stamp]

    def wait_connected(self) -> None:
        wait_until(lambda: self._graph.node.count_publishers(self.topic) > 0, what=f"a publisher of {self.topic}")


class Camera:
    """Publishes images with ever later stamps, reliably, so that no image is lost on the way."""

    def __init__(self, graph: Graph, topic: str = "/image", compressed: bool = False) -> None:
        self._compressed = compressed
        self._publisher = graph.node.create_publisher(CompressedImage if compressed else Image, topic, RELIABLE)
        self._clock = 1_000_000_000

    def wait_connected(self, node: NodeProcess) -> None:
        wait_until(lambda: self.heard, what="the node's subscription")
        wait_heard(node)

    @property
    def heard(self) -> bool:
        return bool(self._publisher.get_subscription_count() > 0)

    def message(self, image: BgrImage) -> Any:
        """The image as a message with the next stamp, not sent yet."""
        if self._compressed:
            message = CompressedImage(format="jpeg")
            message.data.frombytes(cv2.imencode(".jpg", image)[1].tobytes())
        else:
            message = bgr_to_message(image)
        return self.stamp(message)

    def stamp(self, message: Any) -> Any:
        self._clock += 33_000_000
        message.header.stamp = from_nanoseconds(self._clock)
        message.header.frame_id = FRAME_ID
        return message

    def send(self, message: Any) -> Any:
        self._publisher.publish(message)
        return message


def later(stamp: Time, nanoseconds: int) -> Time:
    return from_nanoseconds(stamp.sec * 1_000_000_000 + stamp.nanosec + nanoseconds)


class Scene:
    """A textured square that moves over a textured background; exact boxes at any moment."""

    size = 48

    def __init__(self, width: int = 320, height: int = 240, seed: int = 3) -> None:
        noise = np.random.default_rng(seed)
        self._background = _texture(noise, width, height, 40, 140, 24)
        self._patch = _texture(noise, self.size, self.size, 0, 255, 8)

    def box(self, moment: int) -> Box:
        return Box(60.0 + 2 * moment, 70.0 + moment, self.size, self.size)

    def image(self, moment: int) -> BgrImage:
        image = self._background.copy()
        box = self.box(moment)
        x, y = int(box.x), int(box.y)
        image[y : y + self.size, x : x + self.size] = self._patch
        return image


def _texture(noise: np.random.Generator, width: int, height: int, low: int, high: int, cell: int) -> BgrImage:
    coarse = noise.integers(low, high, (height // cell + 1, width // cell + 1, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def box_of(track: Any) -> Box:
    return Box(track.x, track.y, track.width, track.height)
