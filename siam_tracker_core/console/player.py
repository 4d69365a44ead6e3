"""Frames of footage when they are due: held, stepped and played again at will."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

from siam_tracker_core.console.footage import images_of, is_camera, open_footage
from siam_tracker_core.console.picture import BgrImage
from siam_tracker_core.console.session import RequestRefused
from siam_tracker_core.errors import DatasetError, SiamTrackerError

Action = Literal["play", "pause", "step", "restart"]


class Player:
    """Plays a source; ``take`` is for one thread, the rest may be called from any.

    A video begins held at its first frame, so that a target can be drawn before anything moves. A camera is read by a
    thread of its own, and only its newest frame is handed out.

    Args:
        source: as ``open_footage`` takes it.
        speed: of playback, as a multiple of the footage's own.
        repeat: whether a video starts again at its end.

    Raises:
        SiamTrackerError: if the source cannot be opened.
    """

    def __init__(self, source: str, speed: float = 1.0, repeat: bool = False) -> None:
        self._source = source
        self.is_live = is_camera(source)
        self.speed = speed
        self.repeat = repeat
        self._changed = threading.Condition()
        self._footage = open_footage(source)
        self._frames: Iterator[BgrImage] = images_of(self._footage)
        self._steps = 1
        self._due = 0.0
        self._poked = self._restart = self._closed = False
        self._fresh: BgrImage | None = None
        self._over = ""  # why no more frames come from a camera, until it is told
        self.paused = not self.is_live
        self.has_begun = self.is_live
        self.ended = False
        self.position = 0
        self.dropped = 0
        if self.is_live:
            threading.Thread(target=self._grab, name="camera", daemon=True).start()

    @property
    def name(self) -> str:
        """Of the source, for people."""
        return self._footage.name

    @property
    def rate(self) -> float:
        """Frames a second of the footage itself."""
        return self._footage.rate

    @property
    def count(self) -> int:
        """How many frames there are; 0 where nobody knows."""
        return self._footage.count or 0

    def control(self, action: Action) -> None:
        """Hold, continue, go one frame further, or go back to the first frame.

        Raises:
            RequestRefused: for a camera.
        """
        if self.is_live:
            raise RequestRefused("a live camera cannot be held; pause only the view, with the space key")
        with self._changed:
            if action == "pause":
                self.paused = True
            elif action == "step":
                self.paused, self._steps = True, self._steps + (not self.ended)
            else:
                self._restart = action == "restart" or self.ended
                self._steps = int(action == "restart" and self.paused)
                self.paused = self.paused and action == "restart"
                self._due = time.monotonic()
                self.has_begun = self.has_begun or action == "play"
            self._changed.notify_all()

    def poke(self) -> None:
        """Make ``take`` return soon, with or without a frame."""
        with self._changed:
            self._poked = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
        self.poke()

    def take(self) -> BgrImage | None:
        """The next frame once it is due; None when it was poked, or at the end.

        Raises:
            SiamTrackerError: if the footage cannot be read any further; it is at its end then.
        """
        with self._changed:
            while not (self._poked or self._closed or self._over or self._is_due()):
                self._changed.wait(self._delay())
            self._poked = False
            if self._over and self._fresh is None and not self._closed:
                over, self._over = self._over, ""
                raise DatasetError(over)
            if self._closed or not self._is_due():
                return None
            if self.is_live:
                fresh, self._fresh = self._fresh, None
                self.position += 1
                return fresh
            self._steps = max(0, self._steps - 1)
            self._due = max(self._due, time.monotonic() - 0.1) + 1 / (self.rate * self.speed)
            restart, self._restart = self._restart, False
        return self._read(restart)

    def _is_due(self) -> bool:
        if self.is_live:
            return self._fresh is not None
        if self._steps or self._restart:
            return True
        return not self.paused and not self.ended and time.monotonic() >= self._due

    def _delay(self) -> float | None:
        waits = self.is_live or self.paused or self.ended
        return None if waits else max(0.0, self._due - time.monotonic())

    def _read(self, restart: bool) -> BgrImage | None:
        if restart:
            self._reopen()
        try:
            frame = next(self._frames, None)
            if frame is None and self.repeat and self.position:
                self._reopen()
                frame = next(self._frames, None)
        except SiamTrackerError:
            self._end()
            raise
        if frame is None:
            first = self.position == 0
            self._end()
            if first:
                raise DatasetError(f"{self.name} has no frame that can be read")
            return None
        self.position += 1
        return frame

    def _reopen(self) -> None:
        with suppress(AttributeError):
            self._frames.close()  # type: ignore[attr-defined]
        self._footage = open_footage(self._source)
        self._frames = images_of(self._footage)
        self.position, self.ended = 0, False

    def _end(self) -> None:
        with self._changed:
            self.ended = self.paused = True

    def _grab(self) -> None:
        reason = ""
        try:
            for frame in self._frames:
                with self._changed:
                    if self._closed:
                        break
                    self.dropped += self._fresh is not None
                    self._fresh = frame
                    self._changed.notify_all()
        except Exception as error:  # whatever it is, the page has to say that nothing comes any more
            reason = f" ({error})"
        self._end()
        with self._changed:
            what = f"{self.name} gives no more pictures{reason}"
            self._over = f"{what}; see whether it is still there, and start the console again"
            self._changed.notify_all()
