"""``siam-tracker track``: follow a target through a video, images, a camera or a stream."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core.commands.answers import answering
from siam_tracker_core.drawing import draw_track
from siam_tracker_core.errors import BoxError, ConfigError, DatasetError, ImageError
from siam_tracker_core.files import check_outputs, check_writable, whole_file
from siam_tracker_core.footage import NumberedFrame, VideoOutput
from siam_tracker_core.geometry import Box
from siam_tracker_core.pixels import Contrast, Orientation
from siam_tracker_core.pixels.contrast import ContrastMode
from siam_tracker_core.pixels.reader import flatness
from siam_tracker_core.sources import FrameSource, open_source
from siam_tracker_core.trackers.results import TrackResult, TrackState
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.zoo import load_tracker
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

COLUMNS = ("frame", "x", "y", "width", "height", "score", "state")
_WITHOUT_WINDOWS = "give it with --init x,y,width,height, or draw it in a browser with siam-tracker serve"


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


def draw_with_mouse(image: NDArray[np.uint8], otherwise: str) -> Box:
    """Let the user draw the box on the first frame.

    Args:
        image: uint8 (H, W, 3) BGR.
        otherwise: what a user without windows can do.

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
            "there is no window to draw the target in: no display, or an OpenCV without windows, such as the one that "
            f"pip brings; {otherwise}"
        ) from None
    if box[2] == 0 or box[3] == 0:
        raise BoxError(f"no box was drawn; draw one around the target, or {otherwise}")
    return Box(*(float(value) for value in box))


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
    tolerant: bool = False,
    orientation: Orientation = "exif",
    contrast: ContrastMode = "percentiles",
    contrast_low: float = Contrast.low,
    contrast_high: float = Contrast.high,
    json: bool = False,
) -> None:
    """Follow a target through a video and write its track as CSV.

    Args:
        source: a video file; a folder of images; a pattern such as img/%04d.png; a camera's number or /dev/video0; an
            address such as rtsp://HOST/PATH; or - for a video on standard input. A folder or file of that name comes
            first.
        tracker: a name from ``siam-tracker zoo``, a path to a .safetensors file, or a folder that ``siam-tracker
            export`` made.
        init: the target's box in the first frame: x,y,width,height in pixels. Without it the box is drawn with the
            mouse, where there is a display and OpenCV has windows; the one that pip brings has none.
        out: the track: frame, x, y, width, height, score, state.
        overlay: a video (.mp4, .avi) with the track drawn in.
        device: auto, cpu or cuda:N.
        runtime: what the network runs in: auto (the fastest that is installed), torch, onnxruntime, openvino or
            tensorrt.
        threads: for the network on a CPU; all cores that may be used by default.
        settings: YAML file with settings of the tracker that differ from its own.
        start: frame to start at.
        frames: how many frames to follow the target for; all by default.
        tolerant: end well although frames of the source are missing or damaged.
        orientation: exif turns pictures as they say, stored leaves them as they lie.
        contrast: how images of more than 8 bits become 8: percentiles of each picture, range, or full.
        contrast_low: with range, the value that becomes black.
        contrast_high: with range, the value that becomes white.
        json: print a summary for a script: tracker, frames, uncertain, lost, out and overlay.
    """
    if start < 0:
        raise ConfigError(f"start is {start}; give 0 or more, the number of a frame")
    if frames is not None and frames < 1:
        raise ConfigError(f"frames is {frames}; give 1 or more, or leave it out to take all")
    target = parse_box(init) if init else None
    for path in (out, overlay):
        if path is not None:
            check_writable(path)
    footage = open_source(source, orientation, Contrast(contrast, contrast_low, contrast_high))
    check_outputs({"--out": out, "--overlay": overlay}, [source, *footage.files, settings, tracker])
    images, first = _from(footage, start)
    target = target or draw_with_mouse(first.image, _WITHOUT_WINDOWS)
    model = load_tracker(tracker, device, config=settings, runtime=runtime, threads=threads)
    model.init(first.image, target)
    if sentence := flatness(first.image):
        print(f"siam-tracker track: {sentence}", file=sys.stderr)
    count = None if footage.count is None else footage.count - start
    count = frames if count is None else min(count, frames or count)
    with ExitStack() as stack:
        progress = stack.enter_context(
            tqdm(total=count, desc=f"{tracker} on {footage.name}", unit="frame", disable=None)
        )
        video = stack.enter_context(VideoOutput(overlay, footage.rate)) if overlay else None
        run = _Run(stack.enter_context(whole_file(out)), video, progress)
        failure = run.follow(model, target, first, islice(images, None if frames is None else frames - 1))
    with answering(json) as answer:
        print(
            f"{run.done} frames, uncertain in {run.uncertain}, lost in {run.lost}: {out}"
            + (f", {overlay}" if overlay else "")
        )
        answer |= {"tracker": tracker, "frames": run.done, "uncertain": run.uncertain, "lost": run.lost}
        answer |= {"out": out, "overlay": overlay}
    if failure:
        raise DatasetError(f"{failure}; {out} holds the track up to there")
    if sentence := footage.complaint():
        if not tolerant:
            raise DatasetError(f"{sentence}; {out} holds the track in the others (--tolerant takes that for success)")
        print(f"siam-tracker track: {sentence}", file=sys.stderr)


def _from(footage: FrameSource, start: int) -> tuple[Iterator[NumberedFrame], NumberedFrame]:
    """The frames after the one to start at, and that one.

    Raises:
        DatasetError: if there is no such frame.
    """
    first = next((frame for frame in footage.frames if frame.number >= start), None)
    if first is None or first.number != start:
        raise DatasetError(f"{footage.name} has no frame {start} that can be read; {footage.complaint() or 'it ends'}")
    return footage.frames, first


@dataclass
class _Run:
    """Follows one target and writes as it goes.

    Attributes:
        file: takes the CSV.
        video: takes the frames with the track drawn in; may be None.
        progress: moves with the frames.
        done, uncertain, lost: frames so far.
    """

    file: IO[str]
    video: VideoOutput | None
    progress: tqdm
    done: int = 0
    uncertain: int = 0
    lost: int = 0

    def follow(self, model: Tracker, box: Box, first: NumberedFrame, rest: Iterator[NumberedFrame]) -> str:
        """Go through the frames to the end, or to Ctrl-C, which is the way to end a camera.

        Returns:
            Why a frame could not be tracked in, such as another size; empty if all went well.
        """
        writer = csv.writer(self.file)
        writer.writerow(COLUMNS)
        self._take(writer, first, TrackResult(box, 1.0, TrackState.TRACKING))
        size = first.image.shape
        try:
            for frame in rest:
                try:
                    result = model.update(frame.image)
                except ImageError:
                    return (
                        f"frame {frame.number} has {frame.image.shape[1]}x{frame.image.shape[0]} pixels, the first "
                        f"one {size[1]}x{size[0]}: the source changes to a picture of another shape there"
                    )
                self._take(writer, frame, result)
        except KeyboardInterrupt:
            pass
        return ""

    def _take(self, writer: Any, frame: NumberedFrame, result: TrackResult) -> None:
        box = (round(value, 3) for value in result.box.to_array())
        writer.writerow([frame.number, *box, round(result.score, 4), result.state.value])
        if self.video is not None:
            canvas = frame.image.copy()
            draw_track(canvas, result.box, result.state, result.score)
            self.video.add(canvas)
        self.done += 1
        self.uncertain += result.state is TrackState.UNCERTAIN
        self.lost += result.state is TrackState.LOST
        self.progress.update()
