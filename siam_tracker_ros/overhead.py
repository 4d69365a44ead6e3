"""What the node adds to the tracker: from publishing an image to receiving its tracks, minus the tracker's update.

Images are published at a camera's rate by this process and tracked by the real node in another, over the middleware.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image

from siam_tracker_core.benchmarks.load import awake, busy
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.first_image import until_seen
from siam_tracker_ros.image_conversion import BgrImage, bgr_to_message
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node.statistics import percentile
from siam_tracker_ros.node_process import NodeProcess, large_data_environment
from siam_tracker_ros.qos import image_qos
from siam_tracker_ros.spinning import Spinning
from siam_tracker_ros.stamps import from_nanoseconds, to_nanoseconds

_NAMESPACE = "/siam_tracker_benchmark"
_TRACKER = f"{_NAMESPACE}/siam_tracker"


@dataclass(frozen=True)
class OverheadReport:
    """What was measured; times in milliseconds.

    Attributes:
        size: of the images, width x height.
        rate: images published a second.
        targets: followed at once.
        sent, answered: images published, and tracks received for them.
        dropped: images that the node received but overtook with newer ones.
        round_trip_p50, round_trip_p95: from before publishing an image to its tracks' arrival in the same process.
        inside_p50: from the image's receipt in the node to its published tracks.
        update_p50, update_p95: the tracker's own update.
        overhead_p50: the median round trip less the median update; where images were dropped it holds the time that
            they waited for the one before, too.
        tracking_p50, tracking_p95: round trips of the images in which every target was found.
        lost, lost_p50, lost_p95: images in which a target was lost, and their round trips.
        lock_step: whether each image waited for the answer to the one before.
        threads: that an update ran on.
        busy: processes that kept a core busy meanwhile.
        awake: whether the cores were kept awake.
        load: of the machine over one minute, at the end.
    """

    size: str
    rate: float
    targets: int
    sent: int
    answered: int
    dropped: int
    round_trip_p50: float
    round_trip_p95: float
    inside_p50: float
    update_p50: float
    update_p95: float
    overhead_p50: float
    tracking_p50: float
    tracking_p95: float
    lost: int
    lost_p50: float
    lost_p95: float
    lock_step: bool
    threads: int
    busy: int
    awake: bool
    load: float


@dataclass(frozen=True)
class Course:
    """How images are sent.

    Attributes:
        seconds: how long.
        rate: images a second, where they do not go in lock step.
        lock_step: send each image when the one before is answered.
        hide: take the targets out of the picture for one second in three, so that they are lost.
        busy: processes that keep a core busy meanwhile.
        awake: keep every core from sleeping, by processes that run only where nothing else would (Linux).
    """

    seconds: float = 10.0
    rate: float = 30.0
    lock_step: bool = False
    hide: bool = False
    busy: int = 0
    awake: bool = False


def measure_overhead(
    course: Course,
    size: tuple[int, int] = (640, 480),
    targets: int = 1,
    tracker: str = DEFAULT_TRACKER,
    device: str = "auto",
    threads: int = 0,
) -> OverheadReport:
    """Run the real node on made images and time it.

    Args:
        course: how images are sent.
        size: width and height of the images in pixels.
        targets: how many are followed.
        tracker, device, threads: parameters of the node.

    Raises:
        TrackerTimeout: if the node does not start, or answers no image.
    """
    os.environ.update(large_data_environment())
    rclpy.init()
    try:
        parameters = {
            "tracker": tracker,
            "device": device,
            "threads": threads,
            "max_targets": max(targets, 1),
            "diagnostics_period": 0.5,
        }
        with NodeProcess(parameters, {"__ns": _NAMESPACE}):
            return _Camera(rclpy.create_node("camera", namespace=_NAMESPACE), size, course, targets).run()
    finally:
        rclpy.try_shutdown()


class _Camera:
    """Publishes images, and notes when their tracks arrive."""

    def __init__(self, node: Node, size: tuple[int, int], course: Course, targets: int) -> None:
        self._node = node
        self._course = course
        self._size = size
        self._boxes = spread_boxes(targets, size)
        self._image = picture_of(size, self._boxes)
        self._empty = picture_of(size, [])
        self._publisher = node.create_publisher(Image, "image", image_qos("best_effort", 1))
        self._sent: dict[int, float] = {}
        self._round_trips: dict[int, float] = {}
        self._lost: set[int] = set()
        self._answered = threading.Event()
        self._figures: dict[str, str] = {}
        node.create_subscription(DiagnosticArray, "/diagnostics", self._note_figures, 10)

    def run(self) -> OverheadReport:
        spinning = Spinning(self._node)
        try:
            return self._measure(self._course.seconds)
        finally:
            spinning.stop()

    def _measure(self, seconds: float) -> OverheadReport:
        with TrackerClient(self._node, _TRACKER, on_tracks=self._note_tracks) as client:
            client.wait_until_ready(timeout=60.0)
            until_seen(lambda: client.wait_for_tracks(self._publish(self._image), timeout=0.2))
            for box in self._boxes:
                client.set_target(box, timeout=60.0)
            self._stream(min(2.0, seconds))  # the first images of a run are slower in every part
            time.sleep(1.0)
            dropped = int(self._figures.get("images_dropped", 0))
            self._sent.clear()
            self._round_trips.clear()
            self._lost.clear()
            with busy(self._course.busy), awake() if self._course.awake else nullcontext():
                self._stream(seconds, self._course.hide)
                load = os.getloadavg()[0]
            time.sleep(2.0)  # for the last answers, and for diagnostics that count them
        return self._report(dropped, load)

    def _stream(self, seconds: float, hide: bool = False) -> None:
        rate = self._course.rate
        began = time.monotonic()
        for number in range(round(seconds * rate)):
            if not self._course.lock_step:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            elif time.monotonic() > began + seconds:
                return
            self._answered.clear()
            hidden = hide and number % round(3 * rate) >= round(2 * rate)
            self._publish(self._empty if hidden else self._image)
            if self._course.lock_step:
                self._answered.wait(2.0)

    def _publish(self, image: BgrImage) -> Image:
        stamp = time.time_ns()
        message = bgr_to_message(image)
        message.header.stamp = from_nanoseconds(stamp)
        self._sent[stamp] = time.monotonic()
        self._publisher.publish(message)
        return message

    def _note_tracks(self, tracks: TrackedTargetArray) -> None:
        arrived = time.monotonic()
        stamp = to_nanoseconds(tracks.header.stamp)
        if stamp in self._sent:
            self._round_trips[stamp] = arrived - self._sent[stamp]
            if any(track.state == TrackedTarget.STATE_LOST for track in tracks.targets):
                self._lost.add(stamp)
            self._answered.set()

    def _note_figures(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith(_TRACKER.lstrip("/")):
                self._figures = {value.key: value.value for value in status.values}

    def _report(self, dropped_before: int, load: float) -> OverheadReport:
        targets = len(self._boxes)
        trips = list(self._round_trips.values())
        found = [trip for stamp, trip in self._round_trips.items() if stamp not in self._lost]
        lost = [self._round_trips[stamp] for stamp in self._lost]
        update = float(self._figures["update_ms_p50"]) if targets else 0.0
        trip = percentile(trips, 50) * 1e3
        return OverheadReport(
            size="{}x{}".format(*self._size),
            rate=self._course.rate,
            targets=targets,
            sent=len(self._sent),
            answered=len(trips),
            dropped=int(self._figures["images_dropped"]) - dropped_before,
            round_trip_p50=round(trip, 2),
            round_trip_p95=round(percentile(trips, 95) * 1e3, 2),
            inside_p50=float(self._figures["latency_ms_p50"]),
            update_p50=update,
            update_p95=float(self._figures["update_ms_p95"]) if targets else 0.0,
            overhead_p50=round(trip - update, 2),
            tracking_p50=round(percentile(found, 50) * 1e3, 2),
            tracking_p95=round(percentile(found, 95) * 1e3, 2),
            lost=len(lost),
            lost_p50=round(percentile(lost, 50) * 1e3, 2),
            lost_p95=round(percentile(lost, 95) * 1e3, 2),
            lock_step=self._course.lock_step,
            threads=int(self._figures["threads"]),
            busy=self._course.busy,
            awake=self._course.awake,
            load=round(load, 2),
        )


def picture_of(size: tuple[int, int], boxes: Sequence[tuple[float, float, float, float]]) -> BgrImage:
    """Balls with a highlight in the boxes, before clouds: things that every tracker takes for targets.

    On mere texture a detector may lose its target, and the time of an update would be that of its search.
    """
    width, height = size
    clouds = np.random.default_rng(0).uniform(60, 150, (max(2, height // 80), max(2, width // 80), 3))
    picture = cv2.resize(clouds, size, interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    for x, y, across, down in boxes:
        for share, level, colour in ((0.5, 0.5, (30, 40, 200)), (0.2, 0.35, (240, 240, 240))):
            centre = round(x + across / 2), round(y + down * level)
            axes = max(1, round(across * share)), max(1, round(down * share))
            cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def spread_boxes(count: int, size: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """Boxes spread over the image on a grid."""
    width, height = size
    columns = max(1, int(np.ceil(np.sqrt(count))))
    step_x, step_y = width / columns, height / columns
    side = min(step_x, step_y, 120.0) / 2
    centres = [((i % columns + 0.5) * step_x, (i // columns + 0.5) * step_y) for i in range(count)]
    return [(x - side / 2, y - side / 2, side, side) for x, y in centres]
