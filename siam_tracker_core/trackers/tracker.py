"""Following one target: a model, and its state. It is the same for all papers."""

from __future__ import annotations

from typing import Generic

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, BoxLike, as_box, check_target_box
from siam_tracker_core.trackers.images import Image, upload, view_for
from siam_tracker_core.trackers.model import OutputT, StateT, TrackerModel
from siam_tracker_core.trackers.results import ResponseMap, TrackResult, TrackState
from siam_tracker_core.trackers.update import update_targets

__all__ = ["Image", "ResponseMap", "TrackResult", "TrackState", "Tracker"]


class Tracker(Generic[StateT, OutputT]):
    """Follows one target.

    Args:
        model: what runs; several trackers may share one.
    """

    def __init__(self, model: TrackerModel[StateT, OutputT]) -> None:
        self.model = model
        self._state: StateT | None = None

    @property
    def name(self) -> str:
        """The tracker's name for people, e.g. ``"siamfc"``."""
        return self.model.name

    @property
    def device(self) -> torch.device:
        """Where its network runs."""
        return self.model.device

    @property
    def config(self) -> object:
        """Its settings, a dataclass."""
        return self.model.config

    @property
    def deterministic(self) -> bool:
        """Whether it gives the same boxes each time, whatever the seed.

        It does if it draws no random numbers and runs on a CPU; an accelerator adds a convolution's terms in any order.
        """
        return not self.model.draws and self.device.type == "cpu"

    def repeat(self, repetition: int) -> None:
        """Draw other random numbers from the next ``init`` on; 0 are those of the settings' seed."""
        self.model.repetition = repetition

    @property
    def runtime(self) -> str:
        """What its network runs in: ``torch``, ``onnxruntime``, ``openvino`` or ``tensorrt``."""
        return self.model.runtime

    @property
    def threads(self) -> int | None:
        """Threads that its network runs on, whatever PyTorch is told; None where PyTorch's number counts."""
        return self.model.threads

    @property
    def together(self) -> int:
        """Targets that the network takes at once by graphs of their own, which want a warm-up of their own; else 1."""
        return self.model.together

    @property
    def state(self) -> StateT:
        """What is known of the target.

        Raises:
            RuntimeError: if there is no target yet.
        """
        if self._state is None:
            raise RuntimeError("update() before init(): no target has been given yet")
        return self._state

    @property
    def box(self) -> Box:
        """The last known box of the target, in pixels.

        Raises:
            RuntimeError: if there is no target yet.
        """
        return self.state.box

    def init(self, image: Image, box: BoxLike) -> None:
        """Start following the target inside ``box``, forgetting any former one.

        Args:
            image: uint8 (H, W, 3) BGR, or a ``Frame`` on this tracker's device.
            box: the target in pixels: a ``Box``, or four numbers ``x, y, width, height`` of any kind.

        Raises:
            ImageError: if the image is not of that form.
            BoxError: if no target can be in the box; a target that was followed before is kept.
        """
        self._state = start(self.model, image, box)

    def update(self, image: Image) -> TrackResult:
        """Find the target in the next image.

        Whatever goes wrong in the search makes the result LOST with the reason, and later images can go on.

        Args:
            image: as for ``init``, of the same size as the image there, or the same picture at another scale.

        Raises:
            ImageError: if the image is not of that form or size; the target is kept and later images can go on.
            RuntimeError: if ``init`` was not called.
        """
        frame = self.upload(image)
        view = view_for(self.state, frame)
        self._state, result = update_targets(self.model, [self.state], view.frame)[0]
        return view.to_image(result)

    def upload(self, image: Image) -> Frame:
        """Check an image and put it on the device; a ``Frame`` that is there is passed through.

        Raises:
            ImageError: if the image is not of the form that ``init`` takes.
        """
        return upload(self.model, image)

    def warm_up(self, targets: int = 1) -> None:
        """Run the network on blank crops, so that no frame is slow because it is the first."""
        self.model.warm_up(targets)


def start(model: TrackerModel[StateT, OutputT], image: Image, box: BoxLike) -> StateT:
    """The state of a target; arguments and errors as for ``Tracker.init``."""
    frame = upload(model, image)
    target = as_box(box)
    check_target_box(target, frame.width, frame.height)
    with torch.inference_mode():
        return model.start(frame, target)
