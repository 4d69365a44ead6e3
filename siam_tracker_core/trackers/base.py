"""What every tracker takes and gives, whatever paper it comes from.

An update has three named steps, so that many targets share one forward pass: ``windows`` says which crops of the image
are wanted, the tracker's network answers for the batch of all crops of one size, ``locate`` turns the answer into a
result. Trackers that adapt ``learn`` from the frame after that, again all targets together.
``TrackerGroup`` drives these steps for many targets; ``Tracker.update`` is the same with one.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Box, Window, check_target_box
from siam_tracker_core.trackers.rescaling import FrameView


class TrackState(enum.Enum):
    """How far a result can be trusted."""

    TRACKING = "tracking"
    UNCERTAIN = "uncertain"
    LOST = "lost"


class ResponseMap:
    """The network's response over a region of the image, left on the device until it is read.

    Attributes:
        box: the image region in pixels that the map covers; each cell covers an equal share of it.
    """

    def __init__(self, fetch: Callable[[], NDArray[np.float32]], box: Box) -> None:
        self._fetch = fetch
        self._values: NDArray[np.float32] | None = None
        self.box = box

    @property
    def values(self) -> NDArray[np.float32]:
        """float32 (rows, cols), in the tracker's own response units; larger is more alike."""
        if self._values is None:
            self._values = self._fetch()
        return self._values

    def over(self, box: Box) -> ResponseMap:
        """The same map over the image region that it covers in other coordinates."""
        return ResponseMap(lambda: self.values, box)

    def __reduce__(self) -> tuple[Callable[..., ResponseMap], tuple[NDArray[np.float32], Box]]:
        """As its values, for what fetches them from a device cannot be pickled."""
        return _restored, (self.values, self.box)


def _restored(values: NDArray[np.float32], box: Box) -> ResponseMap:
    return ResponseMap(lambda: values, box)


@dataclass(frozen=True)
class TrackResult:
    """What a tracker says of one frame.

    Attributes:
        box: the target in image pixels; where it was last believed to be while the state is LOST.
        score: confidence in 0..1, comparable between frames of one tracker.
        state: how far the box can be trusted.
        response: the response map, or None where the tracker computed none for this frame.
        reason: why the state is not TRACKING, in words for a person; empty otherwise.
        learning: whether the tracker learns from this frame, and why; empty for trackers that decide nothing about it.
    """

    box: Box
    score: float
    state: TrackState
    response: ResponseMap | None = field(default=None, repr=False)
    reason: str = ""
    learning: str = ""


Image = NDArray[np.uint8] | Frame


class CropBatch(NamedTuple):
    """What trackers that want crops of one size want of a frame.

    Attributes:
        members: the trackers, as places in the list that was asked.
        windows: theirs, one tracker's after the other's.
        size: side of the crops in pixels.
    """

    members: list[int]
    windows: list[Window]
    size: int


def crop_batches(trackers: Sequence[Tracker]) -> list[CropBatch]:
    """Ask each tracker for its windows, and put together those whose crops have one size."""
    batches: dict[int, CropBatch] = {}
    for place, tracker in enumerate(trackers):
        windows = tracker.windows()
        batch = batches.setdefault(tracker.crop_size, CropBatch([], [], tracker.crop_size))
        batch.members.append(place)
        batch.windows.extend(windows)
    return list(batches.values())


class Tracker(ABC):
    """Follows one target.

    Attributes:
        name: the tracker's name for people, e.g. ``"siamfc"``.
        device: where its network runs.
    """

    name: str
    device: torch.device

    def __init__(self) -> None:
        self._image_size: tuple[int, int] | None = None

    def init(self, image: Image, box: Box | Sequence[float]) -> None:
        """Start following the target inside ``box``, forgetting any former one.

        Args:
            image: uint8 (H, W, 3) BGR, or a ``Frame`` that was put on this tracker's device before.
            box: the target in pixels, a ``Box`` or ``x, y, width, height``.

        Raises:
            ImageError: if the image is not of that form.
            BoxError: if no target can be in the box; a target that was followed before is kept.
        """
        frame = self.upload(image)
        target = box if isinstance(box, Box) else Box.from_array(box)
        check_target_box(target, frame.width, frame.height)
        with torch.inference_mode():
            self._start(frame, target)
        self._image_size = (frame.width, frame.height)

    def update(self, image: Image) -> TrackResult:
        """Find the target in the next image.

        Args:
            image: as for ``init``, of the same size as the image there, or the same picture at another scale.

        Raises:
            ImageError: if the image is not of that form or size; the target is kept and later images can go on.
            RuntimeError: if ``init`` was not called.
        """
        frame = self.upload(image)
        view = self.view(frame)
        return view.to_image(self.update_together([self], view.frame)[0])

    def upload(self, image: Image) -> Frame:
        """Check an image and put it on the device; a ``Frame`` is passed through."""
        return image if isinstance(image, Frame) else Frame.upload(image, self.device)

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels of the images that the target is followed on.

        Raises:
            RuntimeError: if there is no target yet.
        """
        if self._image_size is None:
            raise RuntimeError("update() before init(): no target has been given yet")
        return self._image_size

    def view(self, frame: Frame) -> FrameView:
        """A frame in the coordinates of the images that the target was shown on.

        Raises:
            ImageError: for a frame of another shape, which shows another part of the scene.
            RuntimeError: if there is no target yet.
        """
        view = FrameView.of(frame, self.image_size)
        if view is None:
            raise ImageError(
                "the image is {}x{} but the target was shown on {}x{} images; set the target again on an image of the "
                "new size".format(frame.width, frame.height, *self.image_size)
            )
        return view

    @staticmethod
    def update_together(trackers: Sequence[Tracker], frame: Frame) -> list[TrackResult]:
        """Update trackers that share one network on one frame: one forward pass for each size of crops."""
        if not trackers:
            return []
        answers: dict[int, Any] = {}
        with torch.inference_mode():
            for batch in crop_batches(trackers):
                asking = [trackers[place] for place in batch.members]
                crops = frame.crops(batch.windows, batch.size)
                answers.update(zip(batch.members, asking[0].answer(asking, frame, crops), strict=True))
        results = [tracker.locate(answers[place]) for place, tracker in enumerate(trackers)]
        trackers[0].learn(trackers, frame)
        return results

    def lost(self, reason: str) -> TrackResult:
        """A result that repeats the last box, for a frame that could not be searched."""
        return TrackResult(self.box, 0.0, TrackState.LOST, None, reason)

    @abstractmethod
    def another(self) -> Tracker:
        """A tracker without a target that shares this one's network, configuration and device."""

    @abstractmethod
    def warm_up(self, targets: int = 1) -> None:
        """Run the network on blank crops for ``targets`` targets.

        No frame is slow then because it is the first: neither with all of them there, nor with one of them lost.
        """

    @property
    @abstractmethod
    def box(self) -> Box:
        """The last known box of the target, in pixels."""

    @property
    @abstractmethod
    def crop_size(self) -> int:
        """Side in pixels of the crops of the windows that ``windows`` asked for last."""

    @abstractmethod
    def _start(self, frame: Frame, box: Box) -> None:
        """Remember the target in a box that has been checked."""

    @abstractmethod
    def windows(self) -> list[Window]:
        """The regions of the next image to search; their crops are to have ``crop_size`` pixels a side."""

    @abstractmethod
    def answer(self, trackers: Sequence[Any], frame: Frame, crops: torch.Tensor) -> list[Any]:
        """The network's answers, one a tracker.

        Args:
            trackers: trackers of this class that share the network, and whose ``crop_size`` is the same.
            frame: where the crops come from, for those who need more of it.
            crops: (sum of their windows, 3, crop_size, crop_size) on the device, in the order of ``trackers``.
        """

    @abstractmethod
    def locate(self, answer: Any) -> TrackResult:
        """Turn this target's answer into a result and remember it."""

    def learn(self, trackers: Sequence[Any], frame: Frame) -> None:  # noqa: B027 - most trackers have nothing to learn
        """Adapt targets that have just been located to what they look like in this frame; nothing by default.

        Args:
            trackers: trackers of this class that share the network.
            frame: in which they were located.
        """
