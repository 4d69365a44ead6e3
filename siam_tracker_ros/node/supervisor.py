"""Looks after the tracking thread: loads its tracker, starts and stops it, and replaces it when it is in trouble."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_ros.image_conversion import ImageReader
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.loading import Load, Loaded, load, release
from siam_tracker_ros.node.parameters import Settings
from siam_tracker_ros.node.ring import FrameRing
from siam_tracker_ros.node.saving import TargetSaver
from siam_tracker_ros.node.state_file import SavedState
from siam_tracker_ros.node.statistics import Statistics
from siam_tracker_ros.node.tracking_loop import TrackingLoop
from siam_tracker_ros.node.trouble import Kind, Trouble, remedy


@dataclasses.dataclass(frozen=True)
class _Broken:
    """What is left of a tracking loop that has to be replaced."""

    trouble: Trouble
    device: str
    state: SavedState | None
    next_id: int
    statistics: Statistics
    began: float


class Supervisor:
    """Owns the tracking loop of one node.

    Args:
        loader: loads the tracker.
        settings: gives the present values of the node's parameters.
        publish, illustrate: as for ``TrackingLoop``.
        logger: the node's.
        complain: takes a kind and a sentence.
    """

    def __init__(
        self,
        loader: Load,
        settings: Callable[[], Settings],
        publish: Callable[[Answer], None],
        illustrate: Callable[[Answer], None],
        logger: Any,
        complain: Callable[[str, str], None],
    ) -> None:
        self._loader = loader
        self._settings = settings
        self._publish, self._illustrate = publish, illustrate
        self._logger = logger
        self._complain = complain
        self._lock = threading.RLock()  # held by transitions and by the watch, never by a request or an image
        self._saver: TargetSaver | None = None
        self._broken: _Broken | None = None
        self._topic = ""
        self._active = False
        self.loop: TrackingLoop | None = None
        self.loaded: Loaded | None = None
        self.failure = ""
        self.replaced = 0

    def load(self) -> Loaded:
        """Load the tracker and get it ready.

        Raises:
            SiamTrackerError: as ``load_tracker`` does.
        """
        with self._lock:
            self.failure = ""
            self._make(self._settings().device)
            assert self.loaded is not None
            return self.loaded

    def start(self, topic: str) -> Statistics:
        """Begin to take images and requests; targets from before a stop are followed on, or those of a state file.

        Args:
            topic: that the images come from, for people.

        Returns:
            What counts from now on.

        Raises:
            SiamTrackerError: if the tracker had to be loaded anew, and that failed.
        """
        with self._lock:
            settings = self._settings()
            self._topic = topic
            statistics = Statistics(settings.deadline)
            if self._broken is not None:
                self._mend(self._broken)
            assert self.loop is not None
            self.loop.reader = ImageReader(settings.pixels)
            self._saver = TargetSaver(settings, self._logger, self._complain) if settings.state_file else None
            before = None if self._saver is None or self.loop.targets else self._saver.load()
            if before is not None:
                self.loop.restore(before)
            self._run(self.loop, statistics)
            self._active = True
            return statistics

    def stop(self, patience: float) -> None:
        """Take no more images and requests; the targets are kept.

        Args:
            patience: seconds that the image which is being worked on may still take.
        """
        self._active = False
        loop = self.loop
        if loop is not None and not loop.stop(patience):
            trouble = Trouble(Kind.HANGS, f"it has not ended within {patience:g} seconds")
            self._broken = self._given_up(loop, trouble)
        saver, self._saver = self._saver, None
        if saver is not None:
            saver.forget()

    def release(self) -> None:
        """Forget the targets and free the tracker's memory."""
        with self._lock:
            self.loop = self.loaded = self._broken = None
            release()

    def offer(self, message: Image | CompressedImage) -> None:
        """Hand the newest image on."""
        loop = self.loop
        if loop is not None:
            loop.offer(message)

    def watch(self) -> None:
        """Look whether all is well, replace the loop where it is not, and save the targets where that is wanted."""
        loop = self.loop
        if not self._active:
            return
        if self._broken is None:
            if loop is None:
                return
            trouble = loop.trouble(self._settings().hang_timeout)
            if trouble is None:
                self._save(loop)
                return
            self._broken = self._given_up(loop, trouble)
        with self._lock:
            if self._broken is not None and self._active:
                self._replace(self._broken)

    def _save(self, loop: TrackingLoop) -> None:
        saver = self._saver
        if saver is not None:
            saver.save(loop.saved())

    def _make(self, device: str, first_id: int = 1) -> None:
        self.loaded = load(self._settings(), self._loader, device, self._logger.warning)
        self.loop = TrackingLoop(
            self.loaded.tracker, self._publish, self._illustrate, self._complain, self.loaded.threads, first_id
        )

    def _run(self, loop: TrackingLoop, statistics: Statistics) -> None:
        settings = self._settings()
        ring = FrameRing(settings.history_frames, settings.history_mb, self._topic)
        loop.start(ring, statistics, settings.max_megapixels * 1_000_000)

    def _given_up(self, loop: TrackingLoop, trouble: Trouble) -> _Broken:
        assert self.loaded is not None
        device = str(self.loaded.tracker.device)
        self.failure = f"{trouble}; the tracker is loaded anew"
        self._logger.error(self.failure)
        broken = _Broken(trouble, device, loop.saved(), loop.next_id, loop.statistics, time.monotonic())
        loop.abandon()
        self.loop = self.loaded = None  # or what is left of it would be settled in memory with the new one
        release()
        return broken

    def _replace(self, broken: _Broken) -> None:
        try:
            self._mend(broken)
        except Exception as error:  # it is tried again with the next look
            self.failure = f"{broken.trouble}; the tracker could not be loaded anew: {error}"
            self._complain("reloading", self.failure)
            return
        assert self.loop is not None
        self._run(self.loop, broken.statistics)

    def _mend(self, broken: _Broken) -> None:
        """Put a new tracker and a new loop in the place of a broken one, with the same targets as far as they fit."""
        state = broken.state
        plan = remedy(broken.trouble, broken.device, 0 if state is None else len(state.targets))
        self._make(plan.device, broken.next_id)
        assert self.loop is not None
        if state is not None:
            for target in state.targets[plan.targets :]:
                self._logger.error(f"target {target.id} is given up; it was seen last in {target.box}")
            self.loop.restore(dataclasses.replace(state, targets=state.targets[: plan.targets]))
        self._broken = None
        self.failure = ""
        self.replaced += 1
        seconds = time.monotonic() - broken.began
        self._logger.warning(
            f"the tracking thread is replaced after {seconds:.1f} seconds, on {plan.device} with {plan.targets} targets"
        )
