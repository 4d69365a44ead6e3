"""``siam-tracker track``: follow a target through a video, a folder of images or a camera."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core.drawing import draw_track
from siam_tracker_core.errors import BoxError, DatasetError
from siam_tracker_core.geometry import Box
from siam_tracker_core.sources import open_source
from siam_tracker_core.trackers.results import TrackResult, TrackState
from siam_tracker_core.zoo import load_tracker
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

COLUMNS = ("frame", "x", "y", "width", "height", "score", "state")


def parse_box(text: str) -> Box:
    """The box of ``x,y,width,height``.

    Raises:
        BoxError: if the text is not four numbers separated by commas.
    """
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise BoxError(f"--init {text!r} is not a box; give x,y,width,height in pixels, e.g. --init 120,80,64,48")
    return Box(*values)


def draw_with_mouse(image: NDArray[np.uint8]) -> Box:
    """Let the user draw the box on the first frame.

    Raises:
        BoxError: if there is no display, or no box was drawn.
    """
    has_display = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    try:
        if not has_display:
            raise cv2.error
        box = cv2.selectROI("draw the target, then press Enter", image, showCrosshair=False)
        cv2.destroyAllWindows()
    except cv2.error:
        raise BoxError(
            "there is no display to draw the target on (or OpenCV is a headless build); give it with --init x,y,w,h"
        ) from None
    if box[2] == 0 or box[3] == 0:
        raise BoxError("no box was drawn; draw one around the target, or give it with --init x,y,w,h")
    return Box(*(float(value) for value in box))


class Overlay:
    """A video with the tracks drawn in; opened with the first frame.

    Args:
        path: ends in ``.mp4`` or ``.avi``.
        rate: frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self._writer: cv2.VideoWriter | None = None

    def add(self, image: NDArray[np.uint8], result: TrackResult) -> None:
        """Append a frame.

        Raises:
            DatasetError: if the video cannot be written.
        """
        if self._writer is None:
            fourcc = cv2.VideoWriter.fourcc(*("MJPG" if self.path.suffix == ".avi" else "mp4v"))
            self._writer = cv2.VideoWriter(str(self.path), fourcc, self.rate, (image.shape[1], image.shape[0]))
            if not self._writer.isOpened():
                raise DatasetError(f"{self.path} cannot be written as a video; use a path that ends in .mp4 or .avi")
        canvas = image.copy()
        draw_track(canvas, result.box, result.state, result.score)
        self._writer.write(canvas)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


def track(
    source: str,
    tracker: str = DEFAULT_TRACKER,
    init: str = "",
    out: Path = Path("tracks.csv"),
    overlay: Path | None = None,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    settings: Path | None = None,
    start: int = 0,
    frames: int | None = None,
) -> None:
    """Follow a target through a video and write its track as CSV.

    Args:
        source: a video file, a folder of images, or a camera number.
        tracker: a name from ``siam-tracker zoo``, a path to a .safetensors file, or a folder that ``siam-tracker
            export`` made.
        init: the target's box in the first frame: x,y,width,height in pixels. Without it the box is drawn with the
            mouse, where there is a display.
        out: the track: frame, x, y, width, height, score, state.
        overlay: a video (.mp4, .avi) with the track drawn in.
        device: auto, cpu or cuda:N.
        runtime: what the network runs in: auto (the fastest that is installed), torch, onnxruntime, openvino or
            tensorrt.
        threads: for the network on a CPU; all cores that may be used by default.
        settings: YAML file with settings of the tracker that differ from its own.
        start: frame to start at.
        frames: how many frames to follow the target for; all by default.
    """
    footage = open_source(source)
    images = footage.frames
    for _ in range(start):
        next(images, None)
    first = next(images, None)
    if first is None:
        raise DatasetError(f"{footage.name} has no frame {start}")
    target = parse_box(init) if init else draw_with_mouse(first)
    model = load_tracker(tracker, device, config=settings, runtime=runtime, threads=threads)
    model.init(first, target)
    count = None if footage.count is None else footage.count - start
    count = frames if count is None else min(count, frames or count)
    video = Overlay(overlay, footage.rate) if overlay else None
    result = TrackResult(target, 1.0, TrackState.TRACKING)
    lost = done = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    progress = tqdm(total=count, desc=f"{tracker} on {footage.name}", unit="frame")
    try:
        with out.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            image: NDArray[np.uint8] | None = first
            while image is not None:
                result = result if done == 0 else model.update(image)
                box = (round(value, 3) for value in result.box.to_array())
                writer.writerow([start + done, *box, round(result.score, 4), result.state.value])
                if video:
                    video.add(image, result)
                lost += result.state is TrackState.LOST
                done += 1
                progress.update()
                image = next(images, None) if frames is None or done < frames else None
    except KeyboardInterrupt:
        pass  # the way to end a camera; what was written stays
    finally:
        progress.close()
        if video:
            video.close()
    print(f"{done} frames, lost in {lost}: {out}" + (f", {overlay}" if overlay else ""))
