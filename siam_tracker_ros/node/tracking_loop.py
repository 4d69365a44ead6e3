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
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core import Box, Tracker, TrackerGroup, TrackResult, TrackState
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import check_target_box
from siam_tracker_core.image_header import MAX_PIXELS
from siam_tracker_core.memory import is_out_of_memory
from siam_tracker_core.threads import ThreadChooser
from siam_tracker_ros.image_conversion import BgrImage, ImageReader
from siam_tracker_ros.node.commands import (
    Command,
    Refused,
    RemoveCommand,
    ReturnCommand,
    SetCommand,
    give,
    refuse,
)
from siam_tracker_ros.node.exemplars import Exemplar
from siam_tracker_ros.node.pictures import PictureWatch
from siam_tracker_ros.node.ring import FrameRing, ReceivedImage, StampInFuture, StampRefused
from siam_tracker_ros.node.state_file import SavedState, SavedTarget
from siam_tracker_ros.node.statistics import Statistics
from siam_tracker_ros.node.targets import Target, first_result, restored_result
from siam_tracker_ros.node.trouble import Kind, Trouble

# Two steps of catching up for each new image: fewer would never get there when the tracker is as slow as the camera.
_CATCH_UP_STEPS = 2
# Seconds that commands may take before the next image; the rest of a burst waits for the image after it.
_COMMAND_SECONDS = 0.2
_INACTIVE = "the tracker is not active; activate the node first"
_DEACTIVATED = "the node was deactivated before the request could be met; activate it and ask again"


@dataclass(frozen=True)
class Answer:
    """What is to be published about one image.

    Attributes:
        image: the image.
        pixels: uint8 (H, W, 3) BGR; None where it could not be read.
        targets: those that are up to date with this image, in the order in which they were set.
        refusal: why the image could not be read or searched, else empty.
        update_seconds: how long the tracker took; None where there was nothing to track.
    """

    image: ReceivedImage
    pixels: BgrImage | None
    targets: list[Target]
    refusal: str = ""
    update_seconds: float | None = None


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
        self._group: TrackerGroup | None = TrackerGroup(tracker)  # None: left to itself
        self._publish = publish
        self._illustrate = illustrate
        self._report = report
        self.threads = threads
        self._targets: dict[int, Target] = {}
        self._next_id = first_id
        self._changed = threading.Condition()
        self._ring = FrameRing(1, 0, "")
        self._max_pixels = MAX_PIXELS
        self._numbers = itertools.count(1)
        self._newest: ReceivedImage | None = None
        self._current: ReceivedImage | None = None
        self._decoded: tuple[ReceivedImage, BgrImage] | None = None
        self._commands: deque[Command] = deque()
        self._waiting: list[SetCommand] = []  # for images that have not come yet
        self._restoring: SavedState | None = None
        self._stopping = False
        self._abandoned = False
        self._busy_since: float | None = None
        self._out_of_memory = ""
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
        self._newest = self._decoded = None
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
        self._group = None
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._refuse_all("the tracking thread was replaced before the request could be met; ask again")

    def restore(self, state: SavedState) -> None:
        """Follow saved targets on, from the first image that comes and if that has the size they were followed on."""
        with self._changed:
            self._restoring = state
            self._next_id = max([self._next_id, *(target.id + 1 for target in state.targets)])

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
            pending = [each for each in (*self._commands, *self._waiting) if isinstance(each, SetCommand)]
            check_request(command, self._ring, set(self._targets), pending, limit)
            self._submit(command)  # before another request is checked, so that the limit counts this one

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
        with self._changed:
            return list(self._targets.values())

    @property
    def next_id(self) -> int:
        """The id that the next new target would get."""
        return self._next_id

    def trouble(self, patience: float) -> Trouble | None:
        """What has befallen the thread, if anything.

        Args:
            patience: seconds that one piece of work may take before the thread is said to hang.
        """
        if self._thread is None or self._stopping:
            return None
        if self._out_of_memory:
            return Trouble(Kind.OUT_OF_MEMORY, self._out_of_memory)
        if not self._thread.is_alive():
            return Trouble(Kind.DIED, "it has ended without being asked to")
        since = self._busy_since
        if since is not None and time.monotonic() - since > patience:
            return Trouble(Kind.HANGS, f"it has been at one piece of work for {time.monotonic() - since:.1f} seconds")
        return None

    def saved(self) -> SavedState | None:
        """What is needed to follow the targets again; None where there is no target on images of the present size."""
        waiting = self._restoring
        if waiting is not None:
            return waiting
        targets = self.targets
        if not targets:
            return None
        size = targets[-1].image_size
        saved = [
            SavedTarget(each.id, each.label, each.result.box, each.exemplar)
            for each in targets
            if each.exemplar is not None and each.image_size == size
        ]
        return SavedState(time.time(), size, saved)

    def _check_running(self) -> None:
        if self._stopping or self._thread is None:
            raise Refused(_INACTIVE)

    def _submit(self, command: Command) -> None:
        with self._changed:
            self._check_running()
            self._commands.append(command)
            self._changed.notify_all()

    # The thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy_since = None
                if not self._has_work():
                    self._changed.wait(self._patience())
                if self._stopping or self._out_of_memory:
                    break
                self._current, self._newest = self._newest, None
            try:
                self._work(self._current)
            except Exception as error:  # a dead thread would be a silent node
                if self._abandoned:
                    return
                if is_out_of_memory(error):
                    self._out_of_memory = str(error) or "an allocation failed"
                self._report(
                    "defect", f"an image could not be worked on, because of a defect of this package: {error!r}"
                )
        if not self._out_of_memory:
            self._refuse_all(_DEACTIVATED)

    def _work(self, image: ReceivedImage | None) -> None:
        if image is not None and self._restoring is not None:
            self._restore(image)
        self._execute_commands()
        if image is not None:
            self._process(image)
        self._catch_up()
        self._decoded = None if image is None else self._decoded

    @property
    def _trackers(self) -> TrackerGroup:
        if self._group is None:
            raise RuntimeError("the tracking thread was replaced")
        return self._group

    def _beat(self) -> None:
        """A piece of work begins."""
        self._busy_since = time.monotonic()

    def _has_work(self) -> bool:
        behind = any(target.behind for target in self._targets.values())
        return self._stopping or self._newest is not None or bool(self._commands) or behind

    def _patience(self) -> float | None:
        """Seconds until the first waiting request must be answered."""
        if not self._waiting:
            return None
        return max(0.0, min(command.image_deadline for command in self._waiting) - time.monotonic())

    def _execute_commands(self) -> None:
        with self._changed:
            self._commands.extendleft(reversed(self._waiting))  # they were here before the others
            self._waiting = []
            count = len(self._commands)
        stop = time.monotonic() + _COMMAND_SECONDS
        for _ in range(count):
            if time.monotonic() > stop and self._current is not None:
                return
            with self._changed:
                if not self._commands:
                    return
                command = self._commands[0]
            self._beat()
            self._execute(command)

    def _execute(self, command: Command) -> None:
        """Meet the first command of the queue, which stays in it meanwhile so that it is counted."""
        result: int | None = None
        reason, wait = "", False
        try:
            result = self._meet(command)
        except StampInFuture as error:
            wait = isinstance(command, SetCommand) and time.monotonic() < command.image_deadline
            reason = str(error)
        except (Refused, StampRefused, SiamTrackerError) as error:
            reason = str(error)
        except Exception as error:  # out of memory, or a defect: the caller must not wait for ever
            reason = f"the request could not be met: {error!r}"
        with self._changed:
            if self._commands and self._commands[0] is command:
                self._commands.popleft()
            if wait and isinstance(command, SetCommand):
                self._waiting.append(command)
        if reason and not wait:
            refuse(command, reason)
        elif not reason and result is not None:
            give(command.answer, result)

    def _meet(self, command: Command) -> int | None:
        if isinstance(command, RemoveCommand):
            return self._remove(command)
        return self._begin(command) if isinstance(command, SetCommand) else self._return(command)

    def _return(self, command: ReturnCommand) -> int:
        """Bring a lost target back to a detection that its network recognises, or correct a tracked one's size."""
        target = self._targets.get(command.id)
        if target is None or target.behind or target.is_lost is not command.lost:
            return command.id  # something else has happened to it since
        if not command.lost:
            box = Box.from_centre(*target.result.box.centre, command.boxes[0].width, command.boxes[0].height)
            self._trackers.relocate(command.id, box)
            return command.id
        with self._changed:
            image = self._ring.find(command.stamp)
            since = self._ring.since(image, before=self._current or self._newest)
        found, score = self._trackers.recognise(command.id, self._pixels(image), command.boxes)
        if found is not None:
            self._trackers.relocate(command.id, found)
            target.result = TrackResult(found, score, TrackState.TRACKING)
            target.behind = deque(since)
        return command.id

    def _remove(self, command: RemoveCommand) -> int:
        with self._changed:
            ids = list(self._targets) if command.id is None else [command.id]
            known = ", ".join(str(known) for known in self._targets) or "none"
            gone = [self._targets.pop(each, None) for each in ids]
        if command.id is not None and gone == [None]:
            raise Refused(f"there is no target {command.id}; the targets are: {known}")
        for target in gone:
            if target is not None:
                self._trackers.remove(target.id)
                target.refuse(f"the target {target.id} was removed while it caught up")
        return len(gone)

    def _begin(self, command: SetCommand) -> int | None:
        """Start a target; gives its id if it is up to date, and None if the answer has to wait until it is."""
        with self._changed:
            image = self._ring.find(command.stamp)
            coming = self._current or self._newest  # will be handed to the target like any new image
            since = self._ring.since(image, before=coming)
        pixels = self._pixels(image)
        while self._next_id in self._targets:
            self._next_id += 1
        target_id = command.id or self._next_id
        self._trackers.init(target_id, pixels, command.box)
        target = Target(
            target_id,
            command.label,
            first_result(command.box),
            image.number,
            Exemplar.cut(pixels, command.box),
            (pixels.shape[1], pixels.shape[0]),
            deque(since),
        )
        self._insert(target)
        if since:
            target.answer = command.answer
            return None
        return target_id

    def _insert(self, target: Target) -> None:
        with self._changed:
            former = self._targets.pop(target.id, None)
            self._targets[target.id] = target
            self._next_id += target.id == self._next_id  # an id is not given again, so that no track is mistaken
        if former is not None:
            former.refuse(f"the target {target.id} was set anew while it caught up")

    def _restore(self, image: ReceivedImage) -> None:
        """Follow saved targets on from this image; one that cannot be is reported and left out."""
        state, self._restoring = self._restoring, None
        assert state is not None
        try:
            size = image.size
        except SiamTrackerError:
            self._restoring = state  # the next image may be one
            return
        if size != state.image_size:
            was = "{}x{}".format(*state.image_size)
            self._report("restoring", f"the targets are not restored: they were followed on {was} images")
            return
        for saved in state.targets:
            self._beat()
            canvas, box = saved.exemplar.placed(saved.box, size)
            try:
                self._trackers.init(saved.id, canvas, box)
            except SiamTrackerError as error:
                self._report("restoring", f"the target {saved.id} is not restored: {error}")
                continue
            result = restored_result(saved.box)
            self._insert(Target(saved.id, saved.label, result, image.number - 1, saved.exemplar, size))

    def _process(self, image: ReceivedImage) -> None:
        self._beat()
        followed = [target for target in self._targets.values() if target.seen < image.number]
        current = [target for target in followed if not target.behind]
        for target in followed:
            if target.behind:
                target.behind.append(image)
        pixels, refusal, seconds = self._search(image, current)
        if refusal:
            self._report("unreadable image", refusal)
        if pixels is not None:
            for kind, sentence in self._watch.sentences(pixels, len(self._targets)):
                self._report(kind, sentence)
        up_to_date = [target for target in self._targets.values() if target.seen == image.number]
        answer = Answer(image, pixels, up_to_date, refusal, seconds)
        if self._abandoned:
            return
        self._publish(answer)
        self.statistics.image_answered(image.received, seconds, refusal, any(each.is_lost for each in up_to_date))
        self._illustrate(answer)

    def _search(self, image: ReceivedImage, targets: Sequence[Target]) -> tuple[BgrImage | None, str, float | None]:
        """Take targets one image further.

        Returns:
            The image's pixels, why it could not be searched, and the seconds that the tracker took.
        """
        pixels: BgrImage | None = None
        try:
            pixels = self._pixels(image)
            if not targets:
                return pixels, "", None
            start = time.perf_counter()
            with self.threads.update(len(targets)):
                results = self._trackers.update(pixels, only={target.id for target in targets})
            seconds = time.perf_counter() - start
        except (SiamTrackerError, RuntimeError, MemoryError, cv2.error) as error:
            if is_out_of_memory(error):
                self._out_of_memory = str(error) or "an allocation failed"
            refusal = str(error)
            for target in targets:
                target.missed(image, refusal)
            return pixels, refusal, None
        for target in targets:
            target.saw(image, results[target.id])
        return pixels, "", seconds

    def _pixels(self, image: ReceivedImage) -> BgrImage:
        """An image's pixels; of the last one that was asked for they are kept, so that it is decoded once."""
        if self._decoded is None or self._decoded[0] is not image:
            self._decoded = (image, image.decode())
        return self._decoded[1]

    def _catch_up(self) -> None:
        """Take the targets that are furthest behind a few images further, all that are at one image together."""
        for _ in range(_CATCH_UP_STEPS):
            behind = [target for target in self._targets.values() if target.behind]
            if not behind:
                return
            self._beat()
            image = min((target.behind[0] for target in behind), key=lambda each: each.number)
            together = [target for target in behind if target.behind[0] is image]
            for target in together:
                target.behind.popleft()
            self._search(image, together)
            for target in together:
                if not target.behind:
                    target.arrive()

    def _refuse_all(self, reason: str) -> None:
        """Leave nobody waiting for a loop that has ended."""
        with self._changed:
            commands = [*self._commands, *self._waiting]
            self._commands, self._waiting = deque(), []
            self._newest = None
            targets = list(self._targets.values())
        for command in commands:
            refuse(command, reason)
        for target in targets:
            target.behind.clear()
            target.refuse(reason)


def check_request(
    command: SetCommand, ring: FrameRing, followed: set[int], pending: Sequence[SetCommand], limit: int
) -> None:
    """Refuse a request at once where something speaks against it already.

    Args:
        command: the request.
        ring: the images that are kept.
        followed: the ids of the targets that are followed.
        pending: requests that were accepted before this one and are not met yet.
        limit: how many targets there may be.

    Raises:
        Refused: if there is no such image, the box cannot be tracked, or there are too many targets.
    """
    known = followed | {each.id for each in pending if each.id}
    count = len(known) + sum(not each.id for each in pending)
    if command.id not in known and count >= limit:
        raise Refused(
            f"{count} targets are followed already and the parameter max_targets is {limit}; "
            "remove a target first, or raise max_targets"
        )
    try:
        check_target_box(command.box, *ring.find(command.stamp).size)
    except StampInFuture as error:
        if time.monotonic() >= command.image_deadline:
            raise Refused(str(error)) from None
    except (StampRefused, SiamTrackerError) as error:
        raise Refused(str(error)) from None
