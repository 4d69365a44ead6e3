"""How an image comes to a tracker: checked, uploaded once, and at the scale that a target was shown at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ImageError
from siam_tracker_core.trackers.model import OutputT, StateT, TargetState, TrackerModel
from siam_tracker_core.trackers.rescaling import FrameView

Image = NDArray[np.uint8] | Frame


def upload(model: TrackerModel[StateT, OutputT], image: Image) -> Frame:
    """Check an image and put it on a model's device; a ``Frame`` that is there is passed through.

    Raises:
        ImageError: if the image is not of the form that ``Tracker.init`` takes, or a frame is on another device.
    """
    if not isinstance(image, Frame):
        return Frame.upload(image, model.device)
    if image.device != model.device:
        raise ImageError(f"the frame is on {image.device}, and the tracker runs on {model.device}; upload it there")
    return image


def view_for(state: TargetState, frame: Frame) -> FrameView:
    """A frame in the coordinates of the images that a target was shown on.

    Raises:
        ImageError: for a frame of another shape, which shows another part of the scene.
    """
    view = FrameView.of(frame, state.image_size)
    if view is None:
        raise ImageError(
            "the image is {}x{} but the target was shown on {}x{} images; set the target again on an image of the "
            "new size".format(frame.width, frame.height, *state.image_size)
        )
    return view
