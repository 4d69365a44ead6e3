"""The thread that tracks: always on the newest image, never behind.

One thread owns the trackers, so nothing about them needs a lock. What others ask of it waits in a queue that it looks
at between images. A target that was set on an image of a moment ago goes through the images since in small steps
between the newest ones, so that the other targets are not left waiting.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import cv2
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core import Box, Tracker, TrackerGroup
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_ros.image_conversion import BgrImage
from siam_tracker_ros.node.ring import FrameRing, ReceivedImage, StampInFuture, StampRefused
from siam_tracker_ros.node.statistics import Statistics
from siam_tracker_ros.node.targets import Target, first_result

# Two steps of catching up for each new image: fewer would never get there when the tracker is as slow as the camera.
_CATCH_UP_STEPS = 2


class Refused(ValueError):
    """A request that cannot be met; the sentence says why and what would be right."""


@dataclass(frozen=True)
class Answer:
    """What is to be published about one image.

    Attributes:
        image: the image.
        pixels: uint8 (H, W, 3) BGR; None where it could not be read.
        targets: those that are up to date with this image, in the order in which they were set.
        refusal: why the image could not be read or searched, else empty.
    """

    image: ReceivedImage
    pixels: BgrImage | None
    targets: list[Target]
    refusal: str = ""


@dataclass(eq=False)
class _Request:
    """A target to be set, waiting for its image until a deadline of ``time.monotonic``."""

    stamp: int
    box: Box
    id: int
    label: str
    limit: int
    deadline: float
    answer: Future[int]


class TrackingLoop:
    """Follows targets through the images it is offered.

    Args:
        tracker: a loaded tracker, whose network all targets share.
        publish: called from the loop's thread with the answer to each image that was worked on.
        illustrate: called with the same after that, for what may take longer.
        report: called with a sentence when something is wrong with an image.
    """

    def __init__(
        self,
        tracker: Tracker,
        publish: Callable[[Answer], None],
        illustrate: Callable[[Answer], None],
        report: Callable[[str], None],
    ) -> None:
        self._group = TrackerGroup(tracker)
        self._publish = publish
        self._illustrate = illustrate
        self._report = report
        self._targets: dict[int, Target] = {}
        self._next_id = 1
        self._changed = threading.Condition()
        self._ring = FrameRing(1, "")
        self._numbers = itertools.count(1)
        self._newest: ReceivedImage | None = None
        self._jobs: deque[Callable[[], None]] = deque()
        self._requests: list[_Request] = []
        self._current: ReceivedImage | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.statistics = Statistics()

    def start(self, history_frames: int, source: str) -> None:
        """Begin to take images and requests; targets from before a stop are followed on.

        Args:
            history_frames: how many images are kept for late boxes.
            source: the topic that images will come from, for people.
        """
        self._ring = FrameRing(history_frames, source)
        self.statistics = Statistics()
        self._newest = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the image that is being worked on, refuse what waits, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def offer(self, message: Image | CompressedImage) -> None:
        """Hand in the newest image; one that still waits is dropped for it. Returns at once."""
        received = time.monotonic()
        with self._changed:
            self.statistics.image_received(overtook=self._newest is not None)
            self._newest = ReceivedImage(next(self._numbers), message, received)
            in_order = self._ring.add(self._newest)
            self._changed.notify_all()
        if not in_order:
            self._report(
                "time jumped back: an image is stamped earlier than the one before it (a bag that starts again?); "
                "tracking goes on, and boxes drawn on images before the jump will be refused"
            )

    def set_target(self, stamp: int, box: Box, target_id: int, label: str, patience: float, limit: int) -> int:
        """Follow what is inside a box; returns when the target has caught up with the newest image.

        Args:
            stamp: of the image that the box was drawn on, in nanoseconds; 0 for the newest.
            box: in pixels of that image.
            target_id: 0 for a new target.
            label: free text.
            patience: seconds to wait for the image where it has not come yet.
            limit: how many targets there may be.

        Returns:
            The target's id.

        Raises:
            Refused: if there is no such image, the box cannot be tracked, or there are too many targets.
        """
        answer: Future[int] = Future()
        request = _Request(stamp, box, target_id, label, limit, time.monotonic() + patience, answer)
        self._submit(lambda: self._requests.append(request), answer)
        return answer.result()

    def remove(self, target_id: int | None) -> int:
        """Stop following one target, or all for None.

        Returns:
            How many were removed.

        Raises:
            Refused: if there is no target with this id.
        """
        answer: Future[int] = Future()

        def enter() -> None:
            ids = list(self._targets) if target_id is None else [target_id]
            if target_id is not None and target_id not in self._targets:
                known = ", ".join(str(known) for known in self._targets) or "none"
                answer.set_exception(Refused(f"there is no target {target_id}; the targets are: {known}"))
                return
            for each in ids:
                self._forget(each)
            answer.set_result(len(ids))

        self._submit(enter, answer)
        return answer.result()

    @property
    def targets(self) -> list[Target]:
        """The targets now, for reading only."""
        return list(self._targets.values())

    def _submit(self, job: Callable[[], None], answer: Future[int]) -> None:
        with self._changed:
            if self._stopping or self._thread is None:
                answer.set_exception(Refused("the tracker is not active; activate the node first"))
                return
            self._jobs.append(lambda: _guarded(job, answer))
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._has_work():
                    self._changed.wait(self._patience())
                if self._stopping:
                    break
                self._current, self._newest = self._newest, None
                jobs, self._jobs = self._jobs, deque()
            for job in jobs:
                job()
            self._meet_requests()
            try:
                if self._current is not None:
                    self._process(self._current)
                self._catch_up()
            except Exception as error:  # a dead thread would be a silent node
                self._report(f"an image could not be worked on, because of a defect of this package: {error!r}")
        self._refuse_all()

    def _has_work(self) -> bool:
        behind = any(target.behind for target in self._targets.values())
        return self._stopping or self._newest is not None or bool(self._jobs) or behind

    def _patience(self) -> float | None:
        """Seconds until the first waiting request must be answered."""
        if not self._requests:
            return None
        return max(0.0, min(request.deadline for request in self._requests) - time.monotonic())

    def _meet_requests(self) -> None:
        waiting, self._requests = self._requests, []
        for request in waiting:
            try:
                self._begin(request)
            except StampInFuture as error:
                if time.monotonic() < request.deadline:
                    self._requests.append(request)
                else:
                    request.answer.set_exception(Refused(str(error)))
            except (Refused, StampRefused, SiamTrackerError) as error:
                request.answer.set_exception(Refused(str(error)))
            except Exception as error:  # out of memory, or a defect: the caller must not wait for ever
                request.answer.set_exception(Refused(f"the target could not be set: {error!r}"))

    def _begin(self, request: _Request) -> None:
        if request.id not in self._targets and len(self._targets) >= request.limit:
            raise Refused(
                f"{len(self._targets)} targets are followed already and the parameter max_targets is {request.limit}; "
                "remove a target first, or raise max_targets"
            )
        with self._changed:
            image = self._ring.find(request.stamp)
            coming = self._current or self._newest  # will be handed to the target like any new image
            since = self._ring.since(image, before=coming)
        pixels = image.decode()
        while self._next_id in self._targets:
            self._next_id += 1
        target_id = request.id or self._next_id
        self._group.init(target_id, pixels, request.box)
        self._forget(target_id, keep_tracker=True)
        target = Target(target_id, request.label, first_result(request.box), image.number, deque(since))
        self._targets[target_id] = target
        self._next_id += target_id == self._next_id  # an id is not given again, so that no track is mistaken
        if since:
            target.answer = request.answer
        else:
            request.answer.set_result(target_id)

    def _forget(self, target_id: int, keep_tracker: bool = False) -> None:
        target = self._targets.pop(target_id, None)
        if target is not None and target.answer is not None:
            target.answer.set_exception(Refused(f"the target {target_id} was removed or set anew while it caught up"))
        if not keep_tracker:
            self._group.remove(target_id)

    def _process(self, image: ReceivedImage) -> None:
        followed = [target for target in self._targets.values() if target.seen < image.number]
        current = [target for target in followed if not target.behind]
        for target in followed:
            if target.behind:
                target.behind.append(image)
        pixels, refusal, seconds = self._search(image, current)
        if refusal:
            self._report(refusal)
        up_to_date = [target for target in self._targets.values() if target.seen == image.number]
        answer = Answer(image, pixels, up_to_date, refusal)
        self._publish(answer)
        self.statistics.image_answered(image.received, seconds, refusal)
        self._illustrate(answer)

    def _search(self, image: ReceivedImage, targets: list[Target]) -> tuple[BgrImage | None, str, float | None]:
        """Take targets one image further.

        Returns:
            The image's pixels, why it could not be searched, and the seconds that the tracker took.
        """
        pixels: BgrImage | None = None
        try:
            pixels = image.decode()
            if not targets:
                return pixels, "", None
            start = time.perf_counter()
            results = self._group.update(pixels, only={target.id for target in targets})
            seconds = time.perf_counter() - start
        except (SiamTrackerError, RuntimeError, cv2.error) as error:
            refusal = str(error)
            for target in targets:
                target.missed(image, refusal)
            return pixels, refusal, None
        for target in targets:
            target.saw(image, results[target.id])
        return pixels, "", seconds

    def _catch_up(self) -> None:
        for _ in range(_CATCH_UP_STEPS):
            for target in [target for target in self._targets.values() if target.behind]:
                self._search(target.behind.popleft(), [target])
                if not target.behind and target.answer is not None:
                    target.answer.set_result(target.id)
                    target.answer = None

    def _refuse_all(self) -> None:
        """Leave nobody waiting for a loop that has ended."""
        gone = Refused("the node was deactivated before the request could be met; activate it and ask again")
        with self._changed:
            jobs, self._jobs = self._jobs, deque()
            self._newest = None
        for job in jobs:
            job()
        for request in self._requests:
            request.answer.set_exception(gone)
        self._requests = []
        for target in self._targets.values():
            target.behind.clear()
            if target.answer is not None:
                target.answer.set_exception(gone)
                target.answer = None


def _guarded(job: Callable[[], None], answer: Future[int]) -> None:
    try:
        job()
    except Exception as error:
        answer.set_exception(Refused(f"the request could not be met: {error!r}"))
