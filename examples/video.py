"""Follow a target through a video and write the video with the track drawn in.

python examples/video.py video.mp4 120,80,64,48 tracked.mp4
"""

from __future__ import annotations

import sys

import cv2

from siam_tracker_core import Box, TrackState, load_tracker
from siam_tracker_core.drawing import draw_track
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


def main(source: str, box: str, out: str) -> None:
    """Write the video with the track drawn in, and say how often the target was seen."""
    video = cv2.VideoCapture(source)
    there, image = video.read()
    if not there:
        raise SystemExit(f"{source} cannot be read as a video")
    size = image.shape[1], image.shape[0]
    drawn = cv2.VideoWriter(out, cv2.VideoWriter.fourcc(*"mp4v"), video.get(cv2.CAP_PROP_FPS), size)
    tracker = load_tracker(DEFAULT_TRACKER)
    tracker.init(image, Box(*map(float, box.split(","))))
    seen = frames = 0
    while there:
        result = tracker.update(image)
        draw_track(image, result.box, result.state, result.score)
        drawn.write(image)
        frames += 1
        seen += result.state is TrackState.TRACKING
        there, image = video.read()
    drawn.release()
    print(f"seen in {seen} of {frames} frames")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: python examples/video.py VIDEO X,Y,WIDTH,HEIGHT OUT.mp4", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
