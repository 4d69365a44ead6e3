"""ROS mode: the console of a tracker node that runs somewhere in this ROS domain."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from siam_tracker_core import Box, ResponseMap, TrackState
from siam_tracker_core.bags.types import EVENT, TRACKS
from siam_tracker_core.console.picture import Picture, TargetView
from siam_tracker_core.console.recording import REQUESTS_TOPIC, TEXT, BagRecorder, request_text, text_bytes
from siam_tracker_core.console.session import ConsoleSession, Description, RequestRefused, Setting, SettingValue, Status
from siam_tracker_core.console.settings import checked
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.console.change_tracker import change_tracker
from siam_tracker_ros.console.diagnosis import Diagnosis
from siam_tracker_ros.console.images import ImageSource, RawImage
from siam_tracker_ros.console.in_turn import InTurn
from siam_tracker_ros.console.remote_tracker import RemoteTracker
from siam_tracker_ros.console.tracker_facts import TrackerFacts
from siam_tracker_ros.interfaces import TargetEvent, TrackedTarget, TrackedTargetArray
from siam_tracker_ros.qos import output_qos
from siam_tracker_ros.stamps import from_nanoseconds, to_nanoseconds
from siam_tracker_ros.track_states import STATES

_UNANSWERED = 3.0  # seconds without tracks, after which images are shown without them
_SETTINGS_PERIOD = 2.0  # seconds
_PATIENCE = 30.0  # seconds that a target may take to catch up


class RosSession(ConsoleSession):
    """Pairs the camera's images with the tracker's answers, and asks the tracker what the operator asks.

    Args:
        node: spun by its owner.
        tracker: name of the tracker node.
        transport, reliability: of the images, as the tracker node has them.
        recordings: folder for bags.
    """

    def __init__(self, node: Node, tracker: str, transport: str, reliability: str, recordings: Path) -> None:
        super().__init__()
        self._node = node
        self._facts = TrackerFacts(tracker)
        self._in_turn = InTurn(node)
        self._images = ImageSource(node, self._in_turn, transport, reliability, self._take_image)
        self._recorder = BagRecorder(recordings, self.notify)
        self._diagnosis = Diagnosis(node, self._images, self._facts, tracker)
        self._tracker = tracker
        self._lock = threading.Lock()
        self._early: deque[TrackedTargetArray] = deque(maxlen=8)  # tracks whose image has not come yet
        self._answered = -math.inf
        self._clients = 0
        self._settings: tuple[Setting, ...] = ()
        self._response_changing = threading.Lock()
        self._response: tuple[int, int, np.ndarray, Box] | None = None  # target, stamp, cells, region
        self._region: tuple[int, Box] | None = None
        self._response_target: int | None = None
        self._response_topics: list[Any] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read_settings, name="console settings", daemon=True)
        self._client = TrackerClient(node, tracker, on_tracks=self._take_tracks)
        self._remote = RemoteTracker(self._client)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._facts.take, 10)
        node.create_subscription(TargetEvent, f"{tracker}/events", self._take_event, output_qos(10), raw=True)

    def start(self) -> None:
        self._thread.start()

    def finish_recording(self) -> None:
        """Complete the bag that is being written, if one is."""
        self._recorder.stop()

    def close(self) -> None:
        self._closed.set()
        self._recorder.stop()
        self._images.want(False)
        self._client.close()

    def describe(self) -> Description:
        details = (("Tracker node", self._tracker), ("Images", self._images.topic))
        return Description(self._images.topic, "ros", self._settings, self.trackers, details)

    def status(self) -> Status:
        facts = self._facts
        latency = facts.number("latency_ms_p50"), facts.number("latency_ms_p95")
        dropped = facts.number("images_dropped")
        trouble, details = self._diagnosis.trouble()
        return Status(
            tracker=facts.values.get("tracker", ""),
            device=facts.values.get("device", ""),
            runtime=facts.values.get("runtime", ""),
            frame_rate=_finite(facts.number("frame_rate_hz")),
            latency_ms=latency if all(map(math.isfinite, latency)) else None,
            dropped=int(_finite(dropped)),
            trouble=trouble,
            details=details,
            busy=self._busy,
            recording=self._recorder.folder,
            recorded=self._recorder.count,
        )

    def set_target(self, stamp: int, box: Box, target_id: int, label: str) -> int:
        self._record_request("set_target", target_id, label, box, stamp)
        when = from_nanoseconds(stamp) if stamp else None
        try:
            return self._client.set_target(box, stamp=when, id=target_id, label=label, timeout=_PATIENCE)
        except TrackerError as error:
            raise RequestRefused(str(error)) from None

    def rename_target(self, target_id: int, label: str) -> None:
        try:
            self._client.label_target(target_id, label)
        except TrackerError as error:
            raise RequestRefused(str(error)) from None

    def remove_target(self, target_id: int | None) -> int:
        self._record_request("remove_target", target_id or 0, "", None, 0)
        try:
            if target_id is None:
                return self._client.remove_all()
            self._client.remove_target(target_id)
            return 1
        except TrackerError as error:
            raise RequestRefused(str(error)) from None

    def change_setting(self, name: str, value: SettingValue) -> None:
        value = checked(self._settings, name, value)
        try:
            self._remote.set(name, value)
            self._settings = self._remote.settings()
        except TrackerError as error:
            raise RequestRefused(str(error)) from None

    def change_tracker(self, name: str) -> None:
        with self._loading(name):
            try:
                for complaint in change_tracker(self._client, self._remote, self._facts, name):
                    self.notify(complaint, "warning")
            except TrackerError as error:
                raise RequestRefused(str(error)) from None
            self.notify(f"{name} goes on with the targets from their last boxes")

    def record(self, on: bool) -> str:
        folder = self._recorder.start() if on else self._recorder.stop()
        self._receive()
        return folder

    def watched(self, clients: int) -> None:
        self._clients = clients
        self._receive()

    def wants_response(self, target_id: int | None) -> None:
        if target_id == self._response_target:
            return
        self._response_target = target_id
        threading.Thread(target=self._ask_for_response, args=(target_id,), daemon=True).start()

    def _ask_for_response(self, target_id: int | None) -> None:
        with self._response_changing:
            self._response = self._region = None
            self._in_turn.do(self._follow_response_wish)
            if target_id is None:
                return
            try:
                self._remote.set("response_map_target", target_id)
            except (TrackerError, SiamTrackerError) as error:
                self.notify(f"no response map can be had: {error}", "warning")

    def _follow_response_wish(self) -> None:
        wanted = self._response_target is not None
        if wanted and not self._response_topics:
            topics = (
                (PolygonStamped, "response_region", self._take_region),
                (Image, "response_map", self._take_response),
            )
            for kind, topic, take in topics:
                name = f"{self._tracker}/{topic}"
                self._response_topics.append(self._node.create_subscription(kind, name, take, output_qos(1)))
        while not wanted and self._response_topics:
            self._node.destroy_subscription(self._response_topics.pop())

    def _receive(self) -> None:
        self._images.want(self._clients > 0 or self._recorder.is_running)

    def _take_image(self, image: RawImage) -> None:
        with self._lock:
            tracks = next((each for each in self._early if to_nanoseconds(each.header.stamp) == image.stamp), None)
        if tracks is not None:
            self._pair(image, tracks)
        elif time.monotonic() - self._answered > _UNANSWERED and self._clients:
            self.feed.offer(Picture(image.stamp, image.received, image.decode))

    def _take_tracks(self, tracks: TrackedTargetArray) -> None:
        self._answered = time.monotonic()
        self.history.add(self._views(tracks))
        if not self._images.is_wanted:
            return
        image = self._images.of(to_nanoseconds(tracks.header.stamp))
        if image is not None:
            self._pair(image, tracks)
            return
        with self._lock:
            self._early.append(tracks)

    def _pair(self, image: RawImage, tracks: TrackedTargetArray) -> None:
        views = self._views(tracks)
        responses: dict[int, ResponseMap] = {}
        if self._response is not None and views:
            target, _, cells, region = self._response
            responses = {target or views[0].id: ResponseMap(lambda: cells, region)}
        if self.feed.is_watched:
            self.feed.offer(Picture(image.stamp, image.received, image.decode, views, responses))
        moment = time.time_ns()
        self._recorder.put(self._images.topic, self._images.type_name, moment, lambda: image.data)
        self._recorder.put(f"{self._tracker}/tracks", TRACKS, moment, lambda: bytes(serialize_message(tracks)))

    def _views(self, tracks: TrackedTargetArray) -> tuple[TargetView, ...]:
        return tuple(self._view(track) for track in tracks.targets)

    def _view(self, track: TrackedTarget) -> TargetView:
        state = STATES.get(track.state, TrackState.LOST)
        remarks = self._facts.remarks(track.id)
        return TargetView(
            id=track.id,
            label=track.label,
            box=Box(track.x, track.y, track.width, track.height),
            score=track.score,
            state=state,
            age=track.age,
            reason="" if state is TrackState.TRACKING else track.reason or remarks,
            learning=remarks if state is TrackState.TRACKING else "",
        )

    def _take_region(self, message: PolygonStamped) -> None:
        xs, ys = [point.x for point in message.polygon.points], [point.y for point in message.polygon.points]
        if xs:
            self._region = to_nanoseconds(message.header.stamp), Box.from_corners(min(xs), min(ys), max(xs), max(ys))

    def _take_response(self, message: Image) -> None:
        stamp = to_nanoseconds(message.header.stamp)
        if self._region is None or self._region[0] != stamp or message.encoding != "32FC1":
            return
        cells = np.frombuffer(message.data, dtype=np.float32).reshape(message.height, message.width)
        self._response = self._response_target or 0, stamp, cells, self._region[1]

    def _take_event(self, data: bytes) -> None:
        self._recorder.put(f"{self._tracker}/events", EVENT, time.time_ns(), lambda: data)
        event = deserialize_message(data, TargetEvent)
        if event.kind == TargetEvent.KIND_REFUSED:  # perhaps of another tool; this page's own are answered anyway
            self.notify(event.words, "warning")

    def _record_request(self, kind: str, target_id: int, label: str, box: Box | None, stamp: int) -> None:
        text = request_text(kind, target_id, label, box, stamp)
        self._recorder.put(REQUESTS_TOPIC, TEXT, time.time_ns(), lambda: text_bytes(text))

    def _read_settings(self) -> None:
        while not self._closed.wait(_SETTINGS_PERIOD if self._settings else 0.5):
            if not (self._clients and self._client.is_there):
                continue
            try:
                self._settings = self._remote.settings()
            except (TrackerError, RuntimeError):  # the node has just gone, or this one is going
                continue


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
