"""File mode: a video, a folder of images, a bag or a camera, tracked in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Literal, TypeVar

from siam_tracker_core import Tracker
from siam_tracker_core.console.figures import Figures
from siam_tracker_core.console.picture import BgrImage, Picture
from siam_tracker_core.console.player import Player
from siam_tracker_core.console.recording import FrameRecorder
from siam_tracker_core.console.reel import Reel, ReelFrame
from siam_tracker_core.console.session import (
    ConsoleSession,
    Description,
    RequestRefused,
    Setting,
    SettingValue,
    Status,
)
from siam_tracker_core.console.settings import checked
from siam_tracker_core.console.targets import TargetBook
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import Box
from siam_tracker_core.runtimes.export import library_versions
from siam_tracker_core.runtimes.libraries import ONNXRUNTIME, OPENVINO, TENSORRT
from siam_tracker_core.zoo import load_tracker

_PATIENCE = 60.0  # seconds that a request waits for the tracking thread
_FAREWELL = 5.0  # seconds that the tracking thread has to end
_TITLES = {"torch": "PyTorch"} | {library.module: library.title for library in (ONNXRUNTIME, OPENVINO, TENSORRT)}
_START = 1_700_000_000_000_000_000  # stamp of a video's first frame in nanoseconds; any moment will do
T = TypeVar("T")


class VideoSession(ConsoleSession):
    """One thread plays and tracks; requests wait for their turn between two frames.

    Args:
        source: a video file, a folder of images, a bag, or a camera number.
        tracker: a name of the zoo, or a path to a .safetensors file.
        device: auto, cpu or cuda:N.
        recordings: folder for bags; made when the first is written.
        max_targets: how many targets may be followed at once.

    Raises:
        SiamTrackerError: if the source cannot be opened or the tracker not be loaded.
    """

    def __init__(
        self,
        source: str,
        tracker: str,
        device: str = "auto",
        recordings: Path = Path("recordings"),
        max_targets: int = 16,
    ) -> None:
        super().__init__()
        self._player = Player(source)
        self._device = device
        self._book = TargetBook(_loaded(tracker, device), max_targets)
        self._reel = Reel()
        self._figures = Figures()
        self._recorder = FrameRecorder(recordings, self.notify)
        self._jobs: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._trouble = ""
        self._shown: ReelFrame | None = None
        self._stamp = _START
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping = True
        self._player.close()
        if self._thread.is_alive():
            self._thread.join(timeout=_FAREWELL)
        self._recorder.stop()

    @property
    def is_working(self) -> bool:
        """Whether the tracking thread still runs; a network in the middle of its work outlasts ``close``."""
        return self._thread.is_alive()

    def describe(self) -> Description:
        player = self._player
        kind: Literal["camera", "video"] = "camera" if player.is_live else "video"
        return Description(
            name=player.name,
            kind=kind,
            settings=self._settings(),
            trackers=self.trackers,
            details=(("Source", player.name), ("Rate of the source", f"{player.rate:.4g} frames/s")),
        )

    def status(self) -> Status:
        player, tracker = self._player, self._book.tracker
        return Status(
            tracker=tracker.name,
            device=str(tracker.device),
            runtime=runtime_of(tracker),
            frame_rate=self._figures.rate,
            latency_ms=self._figures.latency_ms,
            dropped=player.dropped,
            trouble=self._trouble,
            busy=self._busy,
            paused=player.paused,
            ended=player.ended,
            position=(player.position, player.count),
            recording=self._recorder.folder,
            recorded=self._recorder.count,
        )

    def set_target(self, stamp: int, box: Box, target_id: int, label: str) -> int:
        def start() -> int:
            frames = self._reel.since(stamp)
            number = self._book.start(frames, box, target_id, label)
            self._recorder.request("set_target", number, label, box, frames[0].stamp)
            self._show_again()
            return number

        number = self._in_turn(start)
        if not self._player.has_begun:  # the first target is what a video waits for
            self._player.control("play")
        return number

    def rename_target(self, target_id: int, label: str) -> None:
        def rename() -> None:
            self._book.rename(target_id, label)
            self._show_again()

        self._in_turn(rename)

    def remove_target(self, target_id: int | None) -> int:
        def remove() -> int:
            count = self._book.remove(target_id)
            self._recorder.request("remove_target", target_id or 0, "", None, self._stamp)
            self._show_again()
            return count

        return self._in_turn(remove)

    def change_setting(self, name: str, value: SettingValue) -> None:
        value = checked(self._settings(), name, value)
        if name == "max_targets":
            self._book.limit = int(value)
        elif name == "speed":
            self._player.speed = float(value)
        else:
            self._player.repeat = bool(value)

    def change_tracker(self, name: str) -> None:
        with self._loading(name):
            tracker = _loaded(name, self._device)
            for complaint in self._in_turn(lambda: self._take_over(tracker)):
                self.notify(complaint, "warning")
            self.notify(f"{tracker.name} goes on with the targets from their last boxes")

    def record(self, on: bool) -> str:
        return self._recorder.start() if on else self._recorder.stop()

    def play(self, action: Literal["play", "pause", "step", "restart"]) -> None:
        self._player.control(action)

    def _settings(self) -> tuple[Setting, ...]:
        limit = Setting("max_targets", self._book.limit, "How many targets may be followed at once.", 1, 1024)
        if self._player.is_live:
            return (limit,)
        return (
            limit,
            Setting("speed", self._player.speed, "Speed of playback, as a multiple of the video's own.", 0.1, 8.0),
            Setting("repeat", self._player.repeat, "Start the video again at its end."),
        )

    def _run(self) -> None:
        while not self._stopping:
            with self._lock:
                jobs, self._jobs = self._jobs, []
            for job in jobs:
                job()
            try:
                pixels = self._player.take()
                if pixels is not None:
                    self._track(pixels)
                    self._trouble = ""
            except SiamTrackerError as error:
                self._say(str(error))
            except Exception as error:  # a dead thread would be a page that stands still without a word
                self._say(f"a frame could not be worked on, because of a defect of this package: {error!r}")
        self._refuse_waiting()

    def _track(self, pixels: BgrImage) -> None:
        began = time.time()
        live = self._player.is_live
        self._stamp = time.time_ns() if live else self._stamp + round(1e9 / self._player.rate)
        frame = ReelFrame(self._stamp, pixels)
        self._reel.add(frame)
        try:
            self._book.update(pixels)
        finally:
            if self._book.views:
                self._figures.add(time.time() - began)
            self._show(frame, began)
            self._recorder.frame(frame.stamp, pixels, self._book.views)

    def _show(self, frame: ReelFrame, received: float) -> None:
        self._shown = frame
        views = self._book.views
        self.history.add(views)
        self.feed.offer(Picture(frame.stamp, received, lambda: frame.pixels, views, self._book.responses))

    def _show_again(self) -> None:
        if self._shown is not None:
            self._show(self._shown, time.time())

    def _take_over(self, tracker: Tracker) -> list[str]:
        complaints = self._book.change(tracker, None if self._shown is None else self._shown.pixels)
        self._figures.clear()
        self._show_again()
        return complaints

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self.notify(trouble, "error")
        self._trouble = trouble

    def _in_turn(self, work: Callable[[], T]) -> T:
        """Run in the tracking thread, between two frames.

        Raises:
            RequestRefused: if its turn does not come for a minute; it is not done later either. What has begun is done.
        """
        answer: Future[T] = Future()

        def job() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(work())
            except Exception as error:
                answer.set_exception(error)

        with self._lock:
            if self._stopping:
                raise RequestRefused("the console is being shut down")
            self._jobs.append(job)
        self._player.poke()
        wait([answer], timeout=_PATIENCE)
        if answer.cancel():
            raise RequestRefused(f"the tracker did not get to the request within {_PATIENCE:.0f} seconds")
        return answer.result()

    def _refuse_waiting(self) -> None:
        """Leave nobody waiting for a thread that has ended."""
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()


def runtime_of(tracker: Tracker) -> str:
    """The library that a tracker's network runs in, with its version."""
    number = library_versions().get(tracker.runtime, "").partition("+")[0]
    return f"{_TITLES[tracker.runtime]} {number}".strip()


def _loaded(name: str, device: str) -> Tracker:
    tracker = load_tracker(name, device)
    tracker.warm_up(targets=1)
    return tracker
