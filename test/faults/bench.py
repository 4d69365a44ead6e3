"""The real node in a process of its own, a camera in front of it, and eyes on what it needs and whether it tracks."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from diagnostic_msgs.msg import DiagnosticArray
from tracker_graph import TRACKER, Camera, Graph, Inbox, Scene, box_of, wait_ready, wait_until

from siam_tracker_core import Box
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess
from siam_tracker_ros.stamps import to_nanoseconds

_TURN = 30  # images that the target moves in one direction, before it comes back


@dataclass(frozen=True)
class Needs:
    """What a process takes of the machine: megabytes, threads, file descriptors."""

    memory: float
    threads: int
    descriptors: int


class Bench:
    """The node, watched; a context manager.

    Args:
        environment: of the node's process.
        rate: images a second.
        parameters: of the node.
        orders: a file for orders, where the node is to be the one that can be hurt.
        wrapper: a command that the node's is given to.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        rate: float = 15.0,
        parameters: Mapping[str, object] | None = None,
        orders: Path | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self.environment = dict(environment)
        self.parameters = {"device": "cpu", "diagnostics_period": 0.2} | dict(parameters or {})
        self.orders = orders
        self.wrapper = wrapper
        self.rate = rate
        self.scene = Scene()
        self.graph = Graph()
        self.node = self._start()
        self.client = TrackerClient(self.graph.node, TRACKER, on_tracks=self._note)
        self.diagnostics = Inbox(self.graph, DiagnosticArray, "/diagnostics")
        self.camera = Camera(self.graph)
        self.change: Callable[[Any], Any] = lambda message: message  # what befalls an image on its way
        self.answered = self.sent = 0
        self.delays: list[tuple[float, float]] = []
        self._truth: dict[int, tuple[int, float]] = {}
        self._good: dict[int, float] = {}
        self._running = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._film, daemon=True)

    def __enter__(self) -> Bench:
        wait_ready(self.client, self.node)
        self.camera.wait_connected(self.node)
        self._running.set()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._running.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.client.close()
        self.node.stop()
        self.graph.close()

    def _start(self) -> NodeProcess:
        program: tuple[str, ...] = ("-m", "siam_tracker_ros.node.main")
        if self.orders is not None:
            self.orders.write_text("")
            program = (str(Path(__file__).with_name("faulty_node.py")), str(self.orders))
        return NodeProcess(
            self.parameters, environment=self.environment, program=(*self.wrapper, sys.executable, *program)
        )

    def restart(self) -> None:
        """Start the node again after its death."""
        self.node = self._start()
        wait_ready(self.client, self.node)
        self.camera.wait_connected(self.node)

    # The camera.

    def pause(self) -> None:
        """Let the camera send nothing."""
        self._running.clear()
        time.sleep(2 / self.rate)

    def go_on(self) -> None:
        """Let the camera send again."""
        self._running.set()

    def new_camera(self) -> None:
        """Let the camera die and another one come."""
        self.pause()
        clock = self.camera._clock
        self.graph.end(self.camera._publisher)
        self.camera = Camera(self.graph)
        self.camera._clock = clock
        self.camera.wait_connected(self.node)
        self.go_on()

    def jump(self, seconds: float) -> None:
        """Let the camera's clock jump."""
        self.camera._clock += round(seconds * 1e9)

    def _film(self) -> None:
        for number in itertools.count():
            self._running.wait()
            if self._ended:
                return
            began = time.monotonic()
            moment = number % (2 * _TURN)
            self.send_scene(moment if moment < _TURN else 2 * _TURN - moment)
            time.sleep(max(0.0, began + 1 / self.rate - time.monotonic()))

    def send_scene(self, moment: int) -> None:
        """Send the scene at a moment, changed as ``change`` says."""
        message = self.change(self.camera.message(self.scene.image(moment)))
        self._truth[to_nanoseconds(message.header.stamp)] = (moment, time.monotonic())
        if len(self._truth) > 1000:
            self._truth.pop(next(iter(self._truth)))
        self.sent += 1
        self.camera.send(message)

    # What comes of it.

    def _note(self, tracks: TrackedTargetArray) -> None:
        now = time.monotonic()
        moment, sent = self._truth.get(to_nanoseconds(tracks.header.stamp), (None, now))
        if moment is None:
            return
        self.answered += 1
        self.delays.append((now, now - sent))
        truth = self.scene.box(moment)
        for track in tracks.targets:
            if track.state == TrackedTarget.STATE_TRACKING and box_of(track).iou(truth) > 0.5:
                self._good[track.id] = now

    def follow(self, label: str = "square", **more: Any) -> int:
        """Set a target on the square, wherever it is now."""
        self.pause()
        self.send_scene(0)
        box: Box = self.scene.box(0)
        target = self.client.set_target(box, label=label, timeout=60.0, **more)
        self.go_on()
        return target

    def wait_tracked(self, target: int, timeout: float = 60.0) -> None:
        """Wait until a target is tracked where it is, in an image sent from now on."""
        began = time.monotonic()
        wait_until(
            lambda: self._good.get(target, 0.0) > began, timeout, f"a right track of target {target}: {self.tail()}"
        )

    def figures(self) -> dict[str, Any]:
        """The node's diagnostics from now on."""
        self.diagnostics.messages.clear()
        status = wait_until(self._tracking_statuses, 30.0, "diagnostics")[-1]
        return {"level": status.level, "message": status.message} | {value.key: value.value for value in status.values}

    def _tracking_statuses(self) -> list[Any]:
        statuses = [status for message in self.diagnostics.messages for status in message.status]
        return [status for status in statuses if status.name == "siam_tracker: tracking"]

    def needs(self) -> Needs:
        """What the node's process takes now."""
        process = psutil.Process(self.node.pid)
        return Needs(process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())

    def tail(self) -> str:
        """The last of what the node has logged."""
        return self.node.log()[-2000:]
