"""The targets that are followed together: how they come, go, move from image to image and catch up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import cv2

from siam_tracker_core import Box, Tracker, TrackerGroup, TrackResult, TrackState
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.threads import ThreadChooser
from siam_tracker_ros.image_conversion import BgrImage
from siam_tracker_ros.node.commands import Refused, RemoveCommand, ReturnCommand, SetCommand
from siam_tracker_ros.node.exemplars import Exemplar
from siam_tracker_ros.node.health import Health
from siam_tracker_ros.node.ring import ReceivedImage
from siam_tracker_ros.node.state_file import SavedState, SavedTarget
from siam_tracker_ros.node.targets import Target, first_result, restored_result

# Two steps of catching up for each new image: fewer would never get there when the tracker is as slow as the camera.
_CATCH_UP_STEPS = 2
# While images wait, one of so many is learned from: a target whose looks change would be lost otherwise.
_LEARN_EVERY = 5

Since = tuple[ReceivedImage, Sequence[ReceivedImage]]
"""An image, and those that came after it."""


class FollowedTargets:
    """The targets of one tracker. The tracking thread alone changes them; any thread may look at them.

    Args:
        tracker: a loaded tracker, whose network all targets share.
        lock: held while a target comes or goes.
        threads: chooses on how many threads an update runs.
        health: told when a piece of work begins, and of errors.
        first_id: of the first target that is given none.
    """

    def __init__(
        self, tracker: Tracker, lock: threading.Condition, threads: ThreadChooser, health: Health, first_id: int
    ) -> None:
        self._group: TrackerGroup | None = TrackerGroup(tracker)  # None: let go
        self._lock = lock
        self._threads = threads
        self._health = health
        self._targets: dict[int, Target] = {}
        self._restoring: SavedState | None = None
        self._decoded: tuple[ReceivedImage, BgrImage] | None = None
        self._passed_over = 0
        self.next_id = first_id

    @property
    def targets(self) -> list[Target]:
        """The targets now, in the order in which they were set, for reading only."""
        with self._lock:
            return list(self._targets.values())

    @property
    def is_behind(self) -> bool:
        """Whether a target has images to go through yet."""
        return any(target.behind for target in self._targets.values())

    @property
    def _trackers(self) -> TrackerGroup:
        if self._group is None:
            raise RuntimeError("the tracking thread was replaced")
        return self._group

    def let_go(self) -> None:
        """Let go of the tracker; whatever is asked of the targets after that raises."""
        self._group = None

    def refuse_all(self, reason: str) -> None:
        """Tell everybody who waits for a target to catch up that it will not."""
        for target in self.targets:
            target.behind.clear()
            target.refuse(reason)

    # Commands.

    def begin(self, command: SetCommand, image: ReceivedImage, since: Sequence[ReceivedImage]) -> int | None:
        """Start a target.

        Args:
            command: the request.
            image: that its box was drawn on.
            since: the images that the target has to go through before it is up to date.

        Returns:
            The target's id if it is up to date, and None if the answer has to wait until it is.
        """
        pixels = self.pixels(image)
        while self.next_id in self._targets:
            self.next_id += 1
        target_id = command.id or self.next_id
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
        with self._lock:
            former = self._targets.pop(target.id, None)
            self._targets[target.id] = target
            self.next_id += target.id == self.next_id  # an id is not given again, so that no track is mistaken
        if former is not None:
            former.refuse(f"the target {target.id} was set anew while it caught up")

    def remove(self, command: RemoveCommand) -> int:
        """Stop following one target or all.

        Returns:
            How many were removed.

        Raises:
            Refused: if there is no such target.
        """
        with self._lock:
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

    def bring_back(self, command: ReturnCommand, find: Callable[[int], Since]) -> int:
        """Bring a lost target back to a detection that its network recognises, or correct a tracked one's size.

        Args:
            command: the request.
            find: gives the image of a stamp, and those since.

        Returns:
            The target's id, whatever has become of it.
        """
        target = self._targets.get(command.id)
        if target is None or target.behind or target.is_lost is not command.lost:
            return command.id  # something else has happened to it since
        if not command.lost:
            box = Box.from_centre(*target.result.box.centre, command.boxes[0].width, command.boxes[0].height)
            self._trackers.relocate(command.id, box)
            return command.id
        image, since = find(command.stamp)
        found, score = self._trackers.recognise(command.id, self.pixels(image), command.boxes)
        if found is not None:
            self._trackers.relocate(command.id, found)
            target.result = TrackResult(found, score, TrackState.TRACKING)
            target.behind = deque(since)
        return command.id

    # Images.

    def see(self, image: ReceivedImage) -> tuple[BgrImage | None, str, float | None]:
        """Take the targets to the newest image; those that are behind will come to it later.

        Returns:
            The image's pixels, why it could not be searched, and the seconds that the tracker took.
        """
        followed = [target for target in self._targets.values() if target.seen < image.number]
        current = [target for target in followed if not target.behind]
        for target in followed:
            if target.behind:
                target.behind.append(image)
        return self._search(image, current, learn=False)

    def learn(self, hurry: bool) -> None:
        """Learn from the newest image, after its answer is out.

        Args:
            hurry: whether another image waits; most are passed over then.
        """
        if hurry and self._passed_over < _LEARN_EVERY - 1:
            self._passed_over += 1
            self._trackers.pass_over("another image was waiting")
            return
        self._passed_over = 0
        self._trackers.learn()

    def catch_up(self) -> None:
        """Take the targets that are furthest behind a few images further, all that are at one image together."""
        for _ in range(_CATCH_UP_STEPS):
            behind = [target for target in self._targets.values() if target.behind]
            if not behind:
                return
            self._health.beat()
            image = min((target.behind[0] for target in behind), key=lambda each: each.number)
            together = [target for target in behind if target.behind[0] is image]
            for target in together:
                target.behind.popleft()
            self._search(image, together, learn=True)
            for target in together:
                if not target.behind:
                    target.arrive()

    def _search(
        self, image: ReceivedImage, targets: Sequence[Target], learn: bool
    ) -> tuple[BgrImage | None, str, float | None]:
        """Take targets one image further; gives the same as ``see``. Learning is left to ``learn`` or part of it."""
        pixels: BgrImage | None = None
        try:
            pixels = self.pixels(image)
            if not targets:
                return pixels, "", None
            start = time.perf_counter()
            with self._threads.update(len(targets)):
                results = self._trackers.update(pixels, {target.id for target in targets}, learn)
            seconds = time.perf_counter() - start
        except (SiamTrackerError, RuntimeError, MemoryError, cv2.error) as error:
            self._health.failed(error)
            refusal = str(error)
            for target in targets:
                target.missed(image, refusal)
            return pixels, refusal, None
        for target in targets:
            target.saw(image, results[target.id])
        return pixels, "", seconds

    def pixels(self, image: ReceivedImage) -> BgrImage:
        """An image's pixels; of the last one that was asked for they are kept, so that it is decoded once."""
        if self._decoded is None or self._decoded[0] is not image:
            self._decoded = (image, image.decode())
        return self._decoded[1]

    def forget_pixels(self) -> None:
        """Free the memory of the last image that was decoded."""
        self._decoded = None

    # Targets of before.

    def restore(self, state: SavedState) -> None:
        """Follow saved targets on, from the first image that comes and if that has the size they were followed on."""
        with self._lock:
            self._restoring = state
            self.next_id = max([self.next_id, *(target.id + 1 for target in state.targets)])

    def restore_on(self, image: ReceivedImage, report: Callable[[str, str], None]) -> None:
        """Follow saved targets on from this image, where there are any; one that cannot be is reported and left out."""
        if self._restoring is None:
            return
        state, self._restoring = self._restoring, None
        try:
            size = image.size
        except SiamTrackerError:
            self._restoring = state  # the next image may be one
            return
        if size != state.image_size:
            was = "{}x{}".format(*state.image_size)
            report("restoring", f"the targets are not restored: they were followed on {was} images")
            return
        for saved in state.targets:
            self._health.beat()
            canvas, box = saved.exemplar.placed(saved.box, size)
            try:
                self._trackers.init(saved.id, canvas, box)
            except SiamTrackerError as error:
                report("restoring", f"the target {saved.id} is not restored: {error}")
                continue
            result = restored_result(saved.box)
            self._insert(Target(saved.id, saved.label, result, image.number - 1, saved.exemplar, size))

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
