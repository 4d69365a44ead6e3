"""Writing what the console sees as a bag, in a thread of its own so that nothing waits for a disk."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from siam_tracker_core import TrackState
from siam_tracker_core.bags.types import COMPRESSED_IMAGE, SECOND, TRACKS, typestore
from siam_tracker_core.console.encoding import encode_jpeg
from siam_tracker_core.console.picture import BgrImage, TargetView
from siam_tracker_core.console.session import RequestRefused
from siam_tracker_core.geometry import Box

IMAGE_TOPIC = "/camera/image_raw/compressed"
TRACKS_TOPIC = "/siam_tracker/tracks"
REQUESTS_TOPIC = "/siam_tracker/requests"
TEXT = "std_msgs/msg/String"
_JPEG_QUALITY = 92
_QUEUE = 64  # messages that may wait for the disk
_FRAME_ID = "camera"


@dataclass(frozen=True)
class _Message:
    topic: str
    type: str
    time: int
    serialise: Callable[[], bytes]


class BagRecorder:
    """Writes messages to one bag after the other.

    Args:
        folder: in which the bags are made, each named after the time.
        notify: told, with a level, when something goes wrong.
    """

    def __init__(self, folder: Path, notify: Callable[[str, Any], None]) -> None:
        self._parent = folder
        self._notify = notify
        self._lock = threading.Lock()
        self._queue: queue.Queue[_Message | None] | None = None
        self._thread: threading.Thread | None = None
        self._lost = 0
        self.folder = ""
        self.count = 0

    @property
    def is_running(self) -> bool:
        """Whether a bag is being written."""
        return self._queue is not None

    def start(self) -> str:
        """Begin a bag; gives its folder.

        Raises:
            RequestRefused: if one is being written already, or none can be.
        """
        with self._lock:
            if self._queue is not None:
                raise RequestRefused(f"a bag is being written already: {self.folder}")
            path = self._parent
            try:
                path = self._free_path()
                self._parent.mkdir(parents=True, exist_ok=True)
                writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
                writer.open()
            except Exception as error:  # rosbags has errors of its own beside the system's
                reason = getattr(error, "strerror", None) or str(error)
                raise RequestRefused(f"no bag can be written to {path} ({reason}); give another folder") from None
            self.folder, self.count, self._lost = str(path), 0, 0
            self._queue = queue.Queue(_QUEUE)
            self._thread = threading.Thread(
                target=self._write, args=(writer, self._queue, self.folder), name="recorder", daemon=True
            )
            self._thread.start()
            return self.folder

    def _free_path(self) -> Path:
        """Where no bag is yet; two may begin within a second."""
        name = f"console_{datetime.now():%Y-%m-%d_%H-%M-%S}"
        names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        return next(path for each in names if not (path := self._parent / each).exists())

    def stop(self) -> str:
        """Finish the bag; gives its folder, or an empty text where none was written."""
        with self._lock:
            waiting, thread, folder = self._queue, self._thread, self.folder
            self._queue = self._thread = None
            self.folder = ""
        if waiting is None or thread is None:
            return ""
        waiting.put(None)
        thread.join()
        if self._lost:
            self._notify(f"the disk was too slow: {self._lost} messages are missing in {folder}", "warning")
        return folder

    def put(self, topic: str, kind: str, moment: int, serialise: Callable[[], bytes]) -> None:
        """Write a message, if a bag is being written; never waits.

        Args:
            topic: its topic.
            kind: its type, such as ``sensor_msgs/msg/Image``.
            moment: of the recording, in nanoseconds.
            serialise: makes its bytes, in the recorder's thread.
        """
        waiting = self._queue
        if waiting is None:
            return
        try:
            waiting.put_nowait(_Message(topic, kind, moment, serialise))
        except queue.Full:
            self._lost += 1

    def _write(self, writer: Writer, waiting: queue.Queue[_Message | None], folder: str) -> None:
        connections: dict[str, Connection] = {}
        failure = ""
        while (message := waiting.get()) is not None:
            if failure:  # stop() is about to say that it is the end, and finds room for that
                continue
            try:
                self._write_one(writer, connections, message)
            except Exception as error:  # a full disk, or data that is no message
                failure = getattr(error, "strerror", None) or str(error) or repr(error)
                self._notify(f"the recording has ended, because {folder} could not be written: {failure}", "error")
                with self._lock:
                    if self._queue is waiting:
                        self._queue = self._thread = None
                        self.folder = ""
                        break
        try:
            writer.close()
        except Exception as error:
            if not failure:
                self._notify(f"the bag could not be finished: {error}", "error")

    def _write_one(self, writer: Writer, connections: dict[str, Connection], message: _Message) -> None:
        if message.topic not in connections:
            connections[message.topic] = writer.add_connection(message.topic, message.type, typestore=typestore())
        writer.write(connections[message.topic], message.time, message.serialise())
        self.count += "Image" in message.type


class FrameRecorder(BagRecorder):
    """Records frames that are no messages yet: as JPEG images, tracks and requests, as ``evaluate_bag`` reads them."""

    def frame(self, stamp: int, pixels: BgrImage, targets: Sequence[TargetView]) -> None:
        """Record a frame with its targets."""
        if self.is_running:
            self.put(IMAGE_TOPIC, COMPRESSED_IMAGE, stamp, lambda: _image(stamp, pixels))
            self.put(TRACKS_TOPIC, TRACKS, stamp, lambda: tracks_bytes(stamp, targets))

    def request(self, kind: str, target_id: int, label: str, box: Box | None, stamp: int) -> None:
        """Record what an operator asked for, as a text in JSON."""
        if self.is_running:
            text = request_text(kind, target_id, label, box, stamp)
            self.put(REQUESTS_TOPIC, TEXT, stamp, lambda: text_bytes(text))


def request_text(kind: str, target_id: int, label: str, box: Box | None, stamp: int) -> str:
    """A request in JSON; the stamp, as text, is that of the picture it was made on."""
    edges = None if box is None else [box.x, box.y, box.width, box.height]
    return json.dumps(
        {"request": kind, "id": target_id, "label": label, "box": edges, "stamp": str(stamp), "time": time.time()}
    )


def text_bytes(text: str) -> bytes:
    """A serialised std_msgs/String."""
    return bytes(typestore().serialize_cdr(typestore().types[TEXT](text), TEXT))


def tracks_bytes(stamp: int, targets: Sequence[TargetView]) -> bytes:
    """A serialised TrackedTargetArray."""
    types: dict[str, Any] = dict(typestore().types)
    header = _header(stamp)
    kind = types["siam_tracker_msgs/msg/TrackedTarget"]
    states = {
        TrackState.TRACKING: kind.STATE_TRACKING,
        TrackState.UNCERTAIN: kind.STATE_UNCERTAIN,
        TrackState.LOST: kind.STATE_LOST,
    }
    messages = [
        kind(
            header=header,
            id=target.id,
            label=target.label,
            x=target.box.x,
            y=target.box.y,
            width=target.box.width,
            height=target.box.height,
            score=target.score,
            state=states[target.state],
            age=target.age,
            reason=target.reason if target.state is TrackState.LOST else "",
            predicted=False,
            deviation=np.zeros(4, dtype=np.float32),
        )
        for target in targets
    ]
    return bytes(typestore().serialize_cdr(types[TRACKS](header, messages), TRACKS))


def _image(stamp: int, pixels: BgrImage) -> bytes:
    data = np.frombuffer(encode_jpeg(pixels, _JPEG_QUALITY), dtype=np.uint8)
    message = typestore().types[COMPRESSED_IMAGE](_header(stamp), "jpeg", data)
    return bytes(typestore().serialize_cdr(message, COMPRESSED_IMAGE))


def _header(stamp: int) -> Any:
    types = typestore().types
    return types["std_msgs/msg/Header"](
        types["builtin_interfaces/msg/Time"](stamp // SECOND, stamp % SECOND), _FRAME_ID
    )
