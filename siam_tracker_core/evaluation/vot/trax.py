"""A tracker of this package behind TraX, the protocol by which vot-toolkit and others run trackers.

The Python package is vot-trax; its messages go over the standard output, or over the socket that the environment's
``TRAX_SOCKET`` names. One target a session; regions come as rectangles or polygons and go as rectangles. The answer's
property ``confidence`` is the tracker's score.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets import read_image
from siam_tracker_core.datasets.vot import axis_aligned_boxes
from siam_tracker_core.errors import BoxError, ConfigError, ImageError, SiamTrackerError
from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.evaluation.vot.driver import read_answer
from siam_tracker_core.geometry import Box
from siam_tracker_core.pixels.files import decoded

CHANNEL = "color"


def serve(tracker: FrameTracker, name: str) -> None:
    """Answer a TraX client until it ends the session.

    Args:
        tracker: anything with ``init`` and ``update``; an update without a box answers with the last one.
        name: what the client is told.

    Raises:
        ConfigError: if vot-trax is not installed, or no client is there any more.
        SiamTrackerError: if the client sends what cannot be tracked; it is told why.
    """
    trax = _library()
    try:
        server = trax.Server([trax.Region.RECTANGLE, trax.Region.POLYGON], _formats(trax), [CHANNEL], name)
        try:
            _session(trax, server, tracker)
        except Exception as error:
            server.quit(str(error) if isinstance(error, SiamTrackerError) else f"{type(error).__name__}: {error}")
            raise
        server.quit()
    except trax.TraxException as error:
        raise ConfigError(
            f"the TraX client is not there, or went away ({error}); vot-toolkit starts siam-tracker trax itself"
        ) from None


def check_library() -> None:
    """Say at once, and before weights are loaded, that vot-trax is missing.

    Raises:
        ConfigError: if it is not installed or cannot be loaded.
    """
    _library()


def target_box(region: Any) -> Box:
    """The box of a TraX region: as it is, or, for a polygon, ``axis_aligned_boxes`` of it.

    Raises:
        BoxError: for another kind of region.
    """
    if region.type == "rectangle":
        return Box.from_array(region.bounds())
    if region.type == "polygon":
        return Box.from_array(axis_aligned_boxes([region.get(corner) for corner in range(region.size())]))
    raise BoxError(f"a target must be given as a rectangle or a polygon, not as a {region.type} region")


def decode_image(image: Any) -> NDArray[np.uint8]:
    """A TraX image as uint8 (H, W, 3) BGR, from a file, from memory (RGB or grey), or from encoded bytes.

    Raises:
        DatasetError: if the file is missing or cannot be decoded.
        ImageError: if the bytes cannot be decoded.
    """
    kind = image.type()
    if kind == "path":
        return read_image(Path(image.path()))
    if kind == "memory":
        pixels = image.array()
        if pixels.dtype != np.uint8:
            raise ImageError("the image has 16 bits a pixel; expected 8")
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_GRAY2BGR
        return cv2.cvtColor(pixels, code)  # type: ignore[return-value]
    if kind == "buffer":
        pixels = decoded(np.frombuffer(image.buffer(), dtype=np.uint8))
        if pixels is None:
            raise ImageError("the image's bytes cannot be decoded; expected JPEG or PNG")
        return pixels
    raise ImageError(f"an image must come as a file, in memory or encoded, not as {kind}")


def _session(trax: Any, server: Any, tracker: FrameTracker) -> None:
    last: NDArray[np.float64] | None = None
    while True:
        request = server.wait()
        if request.type == trax.TraxStatus.QUIT:
            return
        image = decode_image(request.image[CHANNEL])
        properties: dict[str, str] = {}
        if request.type == trax.TraxStatus.INITIALIZE:
            if len(request.objects) != 1:
                raise BoxError(f"{len(request.objects)} targets were given; this tracker follows one")
            box = target_box(request.objects[0][0])
            tracker.init(image, box)
            last = box.to_array()
        else:
            if last is None:
                raise BoxError("a frame came before any target was given")
            answer = tracker.update(image)
            region = read_answer(answer)
            if region is not None:
                last = region if region.ndim == 1 else axis_aligned_boxes(region)
            score = getattr(answer, "score", None)
            properties = {} if score is None else {"confidence": f"{score:.6f}"}
        server.status([(trax.Rectangle.create(*(float(value) for value in last)), properties)])


def _formats(trax: Any) -> list[str]:
    return [trax.Image.PATH, trax.Image.MEMORY, trax.Image.BUFFER]


def _library() -> Any:
    try:
        return importlib.import_module("trax")
    except (ImportError, OSError) as error:
        raise ConfigError(f"TraX needs the package vot-trax ({error}): pip install vot-trax") from None
