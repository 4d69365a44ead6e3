"""The part of a ROS graph that an evaluation needs: a tracker node, a client to it, and a publisher of images."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from siam_tracker_core.bags import BagReader
from siam_tracker_core.bags.types import COMPRESSED_IMAGE
from siam_tracker_core.files import write_text
from siam_tracker_ros.bag_evaluation.options import Options
from siam_tracker_ros.bag_evaluation.replay import image_publisher
from siam_tracker_ros.bag_evaluation.run import AnswerBook
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.domain import private_domain
from siam_tracker_ros.node_process import NodeProcess, large_data_environment

_OWN_NODE = "/siam_tracker"
_OWN_TOPIC = "/evaluate_bag/image"
_LOG_LINES = 8
_ERROR = re.compile(r"(?:\[ERROR\].*?\]:|tracker_node cannot start:)\s*(.+)")


class NodeFailure(RuntimeError):
    """The tracker node ended, or never became active; the message ends with the last lines of its log."""


class EvaluationGraph:
    """Whom an evaluation talks to, for the time of a ``with`` block.

    A node of its own runs in a domain of its own, so that it meets neither a robot nor another evaluation.

    Args:
        options: which node, and what it is started with.
        reader: of the bag whose images are published.
        out: folder for the node's log.

    Raises:
        NodeFailure: if the node ends or does not become active.
        TrackerError: if its services do not appear.
    """

    def __init__(self, options: Options, reader: BagReader, out: Path) -> None:
        self.book = AnswerBook()
        self._options = options
        self._process: NodeProcess | None = None
        self._stack = ExitStack()
        try:
            self._enter(reader, out)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> EvaluationGraph:
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()

    def check(self) -> None:
        """Raise NodeFailure if the node that was started has ended."""
        if self._process is not None and self._process.exit_status() is not None:
            raise NodeFailure(f"the tracker node ended with status {self._process.exit_status()}" + self._last_lines())

    def forget(self, target: int) -> None:
        """Take the target back from a node that lives on."""
        if self._options.use_running_node and target:
            try:
                self.client.remove_target(target, timeout=2.0)
            except TrackerError as error:
                print(f"evaluate_bag: target {target} may still be followed: {error}", file=sys.stderr)

    def _enter(self, reader: BagReader, out: Path) -> None:
        options, enter = self._options, self._stack.enter_context
        running = options.use_running_node
        variables = large_data_environment()
        domain: int | None = None
        if running:
            variables.pop("ROS_AUTOMATIC_DISCOVERY_RANGE", None)  # must be as it is for that node
        else:
            domain = enter(private_domain())
            variables |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        enter(environment(variables))
        topic = options.node_image_topic if running else _OWN_TOPIC
        if not running:
            self._process = enter(self._start_node(reader))
            self._stack.callback(self._keep_log, out / "node.log")
        context = Context()
        rclpy.init(args=[], context=context, domain_id=domain)
        self._stack.callback(rclpy.try_shutdown, context=context)
        # A name of its own: two evaluations may share the domain of a running node.
        node = Node(f"evaluate_bag_{os.getpid()}", context=context)
        self._stack.callback(node.destroy_node)
        self.publisher = image_publisher(node, reader.image_type, topic)
        if self._process is not None:
            # Before this process leaves the graph: up to Fast DDS 2.14.5 leaving hangs when a TCP peer is in the middle
            # of a message (eProsima/Fast-DDS#6066), and a peer that has ended is not.
            self._stack.callback(self._process.stop)
        self.client = enter(TrackerClient(node, running or _OWN_NODE, on_tracks=self.book.take))
        self._wait_until_active()

    def _start_node(self, reader: BagReader) -> NodeProcess:
        options = self._options
        compressed = reader.image_type == COMPRESSED_IMAGE
        parameters: dict[str, object] = {
            "tracker": options.tracker,
            "device": options.device,
            "image_transport": "compressed" if compressed else "raw",
            # In lock step no image may be lost; in real time the node is as it is by default.
            "reliability": "reliable" if options.mode == "every_frame" else "best_effort",
        }
        if options.weights:
            parameters["weights"] = str(Path(options.weights).resolve())
        heard = "image/compressed" if compressed else "image"
        return NodeProcess(parameters, {heard: _OWN_TOPIC})

    def _wait_until_active(self) -> None:
        """A node that is active subscribes to the images and answers requests."""
        deadline = time.monotonic() + self._options.start_timeout
        while self.publisher.get_subscription_count() == 0:
            self._look_for_errors()
            self.check()
            if time.monotonic() > deadline:
                raise NodeFailure(self._not_active() + self._last_lines())
            time.sleep(0.05)
        self.client.wait_until_ready(timeout=max(1.0, deadline - time.monotonic()))

    def _not_active(self) -> str:
        seconds = self._options.start_timeout
        name = self._options.use_running_node
        if name:
            return (
                f"nobody listens to {self.publisher.topic_name} after {seconds:g} seconds; is the node {name} active, "
                "in this ROS_DOMAIN_ID, and does --node-image-topic name the topic of its images?"
            )
        return f"the tracker node was not active after {seconds:g} seconds; --start-timeout allows it more"

    def _look_for_errors(self) -> None:
        """A node that could not load its tracker may live on, unconfigured; there is nothing to wait for then."""
        error = _ERROR.search(self._process.log()) if self._process else None
        if error:
            raise NodeFailure(f"the tracker node could not be started: {error.group(1).strip()}")

    def _last_lines(self) -> str:
        if self._process is None:
            return ""
        lines = self._process.log().strip().splitlines()[-_LOG_LINES:]
        return "; the last lines of its log:\n  " + "\n  ".join(lines) if lines else "; it wrote no log"

    def _keep_log(self, path: Path) -> None:
        assert self._process is not None
        write_text(path, self._process.log())


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for this process and its children until the block ends; Fast DDS has no other way."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
