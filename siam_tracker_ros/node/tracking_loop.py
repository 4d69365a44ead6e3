"""The thread that tracks: always on the newest image, never behind.

One thread owns the trackers, so nothing about them needs a lock. What others ask of it waits in one queue of commands
that it looks at between images. A target that was set on an image of a moment ago goes through the images since in
small steps between the newest ones, so that the other targets are not left waiting.

A lock guards the queue, the kept images and which targets there are. It is never held while a tracker, a publisher or
anybody's callback runs.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core import Tracker
from siam_tracker_core.image_header import MAX_PIXELS
from siam_tracker_core.threads import ThreadChooser
from siam_tracker_ros.image_conversion import ImageReader
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.command_queue import CommandQueue, check_request
from siam_tracker_ros.node.commands import Command, Refused, RemoveCommand, ReturnCommand, SetCommand
from siam_tracker_ros.node.followed import FollowedTargets, Since
from siam_tracker_ros.node.health import Health
from siam_tracker_ros.node.pictures import PictureWatch
from siam_tracker_ros.node.ring import FrameRing, ReceivedImage
from siam_tracker_ros.node.state_file import SavedState
from siam_tracker_ros.node.statistics import Statistics
from siam_tracker_ros.node.targets import Target
from siam_tracker_ros.node.trouble import Trouble

_INACTIVE = "the tracker is not active; activate the node first"
_DEACTIVATED = "the node was deactivated before the request could be met; activate it and ask again"


class TrackingLoop:
    """Follows targets through the images it is offered.

    Args:
        tracker: a loaded tracker, whose network all targets share.
        publish: called from the loop's thread with the answer to each image that was worked on.
        illustrate: called with the same after that, for what may take longer.
        report: called with a kind and a sentence when something is wrong with an image.
        threads: chooses on how many threads an update runs.
        first_id: of the first target that is given none.
    """

    def __init__(
        self,
        tracker: Tracker,
        publish: Callable[[Answer], None],
        illustrate: Callable[[Answer], None],
        report: Callable[[str, str], None],
        threads: ThreadChooser,
        first_id: int = 1,
    ) -> None:
        self._publish = publish
        self._illustrate = illustrate
        self._report = report
        self._changed = threading.Condition()
        self._health = Health()
        self._commands = CommandQueue(self._changed)
        self._followed = FollowedTargets(tracker, self._changed, threads, self._health, first_id)
        self._ring = FrameRing(1, 0, "")
        self._max_pixels = MAX_PIXELS
        self._numbers = itertools.count(1)
        self._newest: ReceivedImage | None = None
        self._current: ReceivedImage | None = None
        self._stopping = False
        self._abandoned = False
        self._thread: threading.Thread | None = None
        self.statistics = Statistics()
        self.reader = ImageReader()
        self._watch = PictureWatch()

    def start(self, ring: FrameRing, statistics: Statistics, max_pixels: int = MAX_PIXELS) -> None:
        """Begin to take images and requests; targets from before a stop are followed on.

        Args:
            ring: empty, to keep images in for late boxes.
            statistics: to count in.
            max_pixels: the most that an image may have.
        """
        self._ring = ring
        self._max_pixels = max_pixels
        self.statistics = statistics
        self._newest = None
        self._followed.forget_pixels()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish the image that is being worked on, refuse what waits, and end the thread.

        Args:
            timeout: seconds to wait for the thread.

        Returns:
            False if the thread has not ended by then; it is left alone, and what it finds out is not published.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        thread.join(timeout)
        if thread.is_alive():
            self.abandon()
        return not thread.is_alive()

    def abandon(self) -> None:
        """Leave the thread to itself: refuse what waits, publish nothing of it any more, let go of the tracker."""
        self._abandoned = True
        self._followed.let_go()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._refuse_all("the tracking thread was replaced before the request could be met; ask again")

    def restore(self, state: SavedState) -> None:
        """Follow saved targets on, from the first image that comes and if that has the size they were followed on."""
        self._followed.restore(state)

    def offer(self, message: Image | CompressedImage) -> None:
        """Hand in the newest image; one that still waits is dropped for it. Returns at once."""
        received = time.monotonic()
        with self._changed:
            self.statistics.image_received(overtook=self._newest is not None, received=received)
            self._newest = ReceivedImage(next(self._numbers), message, received, self._max_pixels, self.reader)
            in_order = self._ring.add(self._newest)
            self._changed.notify_all()
        if not in_order:
            self._report(
                "time jumped back",
                "time jumped back: an image is stamped earlier than the one before it (a bag that starts again?); "
                "tracking goes on, and boxes drawn on images before the jump will be refused",
            )

    def set_target(self, command: SetCommand, limit: int) -> None:
        """Check a request at once, and queue it where nothing speaks against it; its future gets the answer.

        Args:
            command: the request.
            limit: how many targets there may be.

        Raises:
            Refused: if there is no such image, the box cannot be tracked, or there are too many targets.
        """
        with self._changed:
            self._check_running()
            followed = {target.id for target in self._followed.targets}
            check_request(command, self._ring, followed, self._commands.pending, limit)
            self._commands.put(command)  # before another request is checked, so that the limit counts this one

    def remove(self, command: RemoveCommand) -> None:
        """Queue a removal; its future gets the answer.

        Raises:
            Refused: if the loop is not running.
        """
        self._submit(command)

    def bring_back(self, command: ReturnCommand) -> None:
        """Queue a look at detections; its future gets the answer.

        Raises:
            Refused: if the loop is not running.
        """
        self._submit(command)

    @property
    def frame_id(self) -> str:
        """Of the newest image; empty before the first."""
        with self._changed:
            return self._ring.newest_frame_id

    @property
    def targets(self) -> list[Target]:
        """The targets now, for reading only."""
        return self._followed.targets

    @property
    def next_id(self) -> int:
        """The id that the next new target would get."""
        return self._followed.next_id

    def trouble(self, patience: float) -> Trouble | None:
        """What has befallen the thread, if anything.

        Args:
            patience: seconds that one piece of work may take before the thread is said to hang.
        """
        if self._thread is None or self._stopping:
            return None
        return self._health.trouble(self._thread, patience)

    def saved(self) -> SavedState | None:
        """What is needed to follow the targets again; None where there is no target on images of the present size."""
        return self._followed.saved()

    def _check_running(self) -> None:
        if self._stopping or self._thread is None:
            raise Refused(_INACTIVE)

    def _submit(self, command: Command) -> None:
        with self._changed:
            self._check_running()
            self._commands.put(command)

    # The thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._health.rest()
                if not self._has_work():
                    self._changed.wait(self._commands.patience)
                if self._stopping or self._health.out_of_memory:
                    break
                self._current, self._newest = self._newest, None
            try:
                self._work(self._current)
            except Exception as error:  # a dead thread would be a silent node
                if self._abandoned:
                    return
                self._health.failed(error)
                self._report(
                    "defect", f"an image could not be worked on, because of a defect of this package: {error!r}"
                )
        if not self._health.out_of_memory:
            self._refuse_all(_DEACTIVATED)

    def _has_work(self) -> bool:
        waits = self._newest is not None or not self._commands.is_empty
        return self._stopping or waits or self._followed.is_behind

    def _work(self, image: ReceivedImage | None) -> None:
        if image is not None:
            self._followed.restore_on(image, self._report)
        self._commands.work_off(self._meet, hurry=image is not None)
        if image is not None:
            self._process(image)
        self._followed.catch_up()
        if image is None:
            self._followed.forget_pixels()

    def _meet(self, command: Command) -> int | None:
        self._health.beat()
        if isinstance(command, RemoveCommand):
            return self._followed.remove(command)
        if isinstance(command, ReturnCommand):
            return self._followed.bring_back(command, self._find)
        return self._followed.begin(command, *self._find(command.stamp))

    def _find(self, stamp: int) -> Since:
        """The image of a stamp, and those since but the one that all targets are handed next."""
        with self._changed:
            image = self._ring.find(stamp)
            return image, self._ring.since(image, before=self._current or self._newest)

    def _process(self, image: ReceivedImage) -> None:
        self._health.beat()
        pixels, refusal, seconds = self._followed.see(image)
        if refusal:
            self._report("unreadable image", refusal)
        if pixels is not None:
            for kind, sentence in self._watch.sentences(pixels, len(self.targets)):
                self._report(kind, sentence)
        up_to_date = [target for target in self.targets if target.seen == image.number]
        answer = Answer(image, pixels, up_to_date, refusal, seconds)
        if self._abandoned:
            return
        self._publish(answer)
        self.statistics.image_answered(image.received, seconds, refusal, any(each.is_lost for each in up_to_date))
        self._illustrate(answer)
        self._followed.learn(hurry=self._newest is not None)

    def _refuse_all(self, reason: str) -> None:
        """Leave nobody waiting for a loop that has ended."""
        with self._changed:
            self._newest = None
        self._commands.refuse_all(reason)
        self._followed.refuse_all(reason)
