"""The files that an evaluated bag leaves behind."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from tqdm import tqdm

from siam_tracker_core import TrackState
from siam_tracker_core.bags import BagFrame, BagReader
from siam_tracker_core.drawing import COLOURS
from siam_tracker_core.errors import ImageError
from siam_tracker_core.evaluation import SequenceResult
from siam_tracker_core.evaluation.report.film_strip import chosen_frames
from siam_tracker_core.files import whole_file, write_text
from siam_tracker_core.footage import VideoOutput
from siam_tracker_ros.bag_evaluation.replay import image_type
from siam_tracker_ros.image_conversion import BgrImage, ImageReader
from siam_tracker_ros.stamps import as_text

COLUMNS = ("stamp", "frame", "x", "y", "width", "height", "score", "state", "latency_ms", "missed")
_SHOTS = 8
_WHITE = (255, 255, 255)


def decode(frame: BagFrame, reader: ImageReader) -> BgrImage:
    """The pixels of an image of a bag, just as a node with that reader sees them.

    Raises:
        ImageError: if it cannot be read.
    """
    return reader.read(deserialize_message(frame.raw, image_type(frame.type)), frame.index)


def write_tracks(path: Path, stamps: NDArray[np.int64], result: SequenceResult) -> None:
    """Write ``tracks.csv``: a line for each image, with empty fields where there is nothing to say.

    Stamps are in seconds with nine decimals, boxes in zero-based pixels, latencies in milliseconds.
    """
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for index, stamp in enumerate(stamps.tolist()):
            numbers = [*result.predicted[index], result.scores[index]]
            writer.writerow(
                [as_text(stamp), index]
                + [_number(value, 4) for value in numbers]
                + [result.states[index] or "", _number(result.seconds[index] * 1e3, 3), int(result.missed[index])]
            )


def write_scores(path: Path, scores: Mapping[str, Any]) -> None:
    """Write ``scores.json``."""
    write_text(path, json.dumps(scores, indent=2) + "\n")


def write_pictures(
    reader: BagReader, result: SequenceResult, folder: Path, overlay: Path | None, rate: float
) -> SequenceResult:
    """Take the images of a report's film strip, and all of them for an overlay video, out of a bag.

    Args:
        reader: the bag.
        result: what is to be shown.
        folder: where the film strip's images go.
        overlay: the video's file, or None for none; the truth is white, the track green, orange or red by its state.
        rate: of the video, in images per second.

    Returns:
        The result with the names of its image files, of which only those for the film strip exist.
    """
    shown = set(chosen_frames(result, _SHOTS))
    files = tuple(folder / f"{index:06d}.jpg" for index in range(len(result)))
    reader_of_pixels = ImageReader()  # with the node's defaults
    with VideoOutput(overlay, rate) if overlay is not None else nullcontext() as video:
        frames = tqdm(
            reader.frames(),
            total=len(reader),
            desc="drawing",
            unit="image",
            leave=False,
            disable=overlay is None or None,
        )
        for frame in frames:
            if frame.index not in shown and overlay is None:
                continue
            try:
                image = decode(frame, reader_of_pixels)
            except ImageError:
                continue
            if frame.index in shown:
                cv2.imwrite(str(files[frame.index]), image)
            if video is not None:
                video.add(_drawn(image, result, frame.index))
    return replace(result, frames=files)


def _drawn(image: BgrImage, result: SequenceResult, index: int) -> BgrImage:
    picture = np.ascontiguousarray(image).copy()
    state = result.states[index]
    colour = COLOURS[TrackState.LOST if state is None else TrackState(state)]
    _rectangle(picture, result.truth[index], _WHITE, 1)
    _rectangle(picture, result.predicted[index], colour, 2)
    words = "missed" if result.missed[index] else f"{state or 'no target'} {_number(result.scores[index], 2)}"
    cv2.putText(picture, f"{index}  {words}", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, f"{index}  {words}", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    return picture


def _rectangle(picture: BgrImage, box: NDArray[np.float64], colour: tuple[int, int, int], thickness: int) -> None:
    if np.isfinite(box).all():
        corners = np.clip(np.array([*box[:2], *(box[:2] + box[2:])]), -1e4, 1e4).round().astype(int)
        left, top, right, bottom = (int(value) for value in corners)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
