"""What the server needs of a source of pictures; file mode and ROS mode both are one."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from siam_tracker_core.console.feed import Feed
from siam_tracker_core.console.history import ScoreHistory
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import Box
from siam_tracker_core.zoo import read_zoo

SettingValue = bool | int | float | str
_NOTICES = 50


class RequestRefused(SiamTrackerError):
    """A request that cannot be met; the sentence is the source's own and is shown to the operator as it is."""


@dataclass(frozen=True)
class Setting:
    """One value that the operator sees, and may change where ``locked`` is empty.

    Attributes:
        name: by which it is changed.
        value: now; its type is the setting's type.
        description: for people.
        low, high: bounds of a number; None for none.
        choices: the only texts that are possible; empty for any.
        locked: why it cannot be changed while the console runs; empty if it can.
    """

    name: str
    value: SettingValue
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    locked: str = ""

    @property
    def kind(self) -> Literal["flag", "integer", "number", "text"]:
        """The type for the page: a switch, a whole number, a number, or a text."""
        if isinstance(self.value, bool):
            return "flag"
        if isinstance(self.value, int):
            return "integer"
        return "number" if isinstance(self.value, float) else "text"


@dataclass(frozen=True)
class Description:
    """What a session is; sent to a client when it comes, and again when it changes.

    Attributes:
        name: of the source, for people.
        kind: ``video`` ends and can be paused, ``camera`` cannot, ``ros`` is somebody else's camera.
        settings: all that can be seen.
        trackers: names of the zoo that can be chosen.
        details: more about the source, as name and value.
    """

    name: str
    kind: Literal["video", "camera", "ros"]
    settings: tuple[Setting, ...] = ()
    trackers: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Status:
    """The figures of the moment.

    Attributes:
        tracker, device, runtime: what runs, where, and by which library; empty where nobody knows.
        frame_rate: frames tracked a second.
        latency_ms: median and 95th percentile from a frame's receipt to its tracks; None before the first.
        dropped: frames that were skipped for newer ones.
        trouble: what is wrong and what would help, in a sentence; empty if nothing is.
        details: facts that belong to the trouble, each a sentence.
        busy: what the session is doing that takes a while, e.g. loading a tracker; empty if nothing.
        paused: whether playback is held.
        ended: whether a video is at its end.
        position: frames played, and how many there are (0: nobody knows).
        recording: folder of the bag that is being written; empty for none.
        recorded: images in that bag so far.
    """

    tracker: str = ""
    device: str = ""
    runtime: str = ""
    frame_rate: float = 0.0
    latency_ms: tuple[float, float] | None = None
    dropped: int = 0
    trouble: str = ""
    details: tuple[str, ...] = ()
    busy: str = ""
    paused: bool = False
    ended: bool = False
    position: tuple[int, int] = (0, 0)
    recording: str = ""
    recorded: int = 0


@dataclass(frozen=True)
class Notice:
    """Something that happened, for everyone who watches.

    Attributes:
        text: one sentence.
        level: how much it matters.
        time: when, in seconds of ``time.time``.
    """

    text: str
    level: Literal["info", "warning", "error"] = "info"
    time: float = field(default_factory=time.time)


class ConsoleSession(ABC):
    """Pictures in, requests out. Requests block and come from threads of the server, several at once.

    Attributes:
        feed: the pictures.
        history: the scores of the last minute.
    """

    def __init__(self) -> None:
        self.feed = Feed()
        self.history = ScoreHistory()
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._listeners: list[Callable[[Notice], None]] = []
        self._changing = threading.Lock()
        self._busy = ""

    @cached_property
    def trackers(self) -> tuple[str, ...]:
        """Names of the zoo, in order; read once, for what a session is is asked for twice a second."""
        return tuple(sorted(read_zoo()))

    @contextmanager
    def _loading(self, name: str) -> Iterator[None]:
        """While another tracker is loaded, which ``Status.busy`` tells.

        Raises:
            RequestRefused: if there is no such tracker, or one is being loaded already.
        """
        if name not in self.trackers:
            raise RequestRefused(f"there is no tracker {name!r} in the zoo")
        if not self._changing.acquire(blocking=False):
            raise RequestRefused("another tracker is being loaded; wait until it is there")
        try:
            self._busy = f"loading {name}"
            yield
        finally:
            self._busy = ""
            self._changing.release()

    @abstractmethod
    def start(self) -> None:
        """Begin to offer pictures."""

    @abstractmethod
    def close(self) -> None:
        """End all threads and finish a recording."""

    @abstractmethod
    def describe(self) -> Description:
        """What this session is now."""

    @abstractmethod
    def status(self) -> Status:
        """The figures now; called twice a second while someone watches, so it must be quick."""

    @abstractmethod
    def set_target(self, stamp: int, box: Box, target_id: int, label: str) -> int:
        """Follow what is inside a box drawn on the picture of a stamp; gives the target's id.

        Args:
            stamp: in nanoseconds; 0 for the newest picture.
            box: in pixels.
            target_id: 0 for a new target, else the target to set anew.
            label: free text.

        Raises:
            RequestRefused: if the box cannot be followed.
        """

    @abstractmethod
    def rename_target(self, target_id: int, label: str) -> None:
        """Give a target another label.

        Raises:
            RequestRefused: if there is no such target.
        """

    @abstractmethod
    def remove_target(self, target_id: int | None) -> int:
        """Stop following one target, or all for None; gives how many were removed.

        Raises:
            RequestRefused: if there is no such target.
        """

    @abstractmethod
    def change_setting(self, name: str, value: SettingValue) -> None:
        """Change one setting.

        Raises:
            RequestRefused: if there is none of this name, it is locked, or the value is impossible.
        """

    @abstractmethod
    def change_tracker(self, name: str) -> None:
        """Load another tracker; targets start anew from their last boxes. On failure the former one goes on.

        Raises:
            RequestRefused: if it cannot be loaded.
        """

    @abstractmethod
    def record(self, on: bool) -> str:
        """Start or stop writing a bag; gives its folder.

        Raises:
            RequestRefused: if it cannot be written.
        """

    def play(self, action: Literal["play", "pause", "step", "restart"]) -> None:
        """Control playback, where the source can be held.

        Raises:
            RequestRefused: if it cannot.
        """
        raise RequestRefused("a live camera cannot be held; pause only the view, with the space key")

    def watched(self, clients: int) -> None:  # noqa: B027 - most sessions offer pictures either way
        """Called when the number of clients that see pictures changes; nothing by default."""

    def wants_response(self, target_id: int | None) -> None:  # noqa: B027 - likewise
        """Called with the target whose response map someone looks at (0: the first), None for nobody."""

    def notify(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Tell everyone who watches."""
        notice = Notice(text, level)
        self._notices.append(notice)
        for listener in list(self._listeners):
            listener(notice)

    def listen(self, listener: Callable[[Notice], None]) -> None:
        """Call ``listener`` with every notice from now on, from whatever thread it comes."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[Notice], None]) -> None:
        """End that."""
        self._listeners.remove(listener)
