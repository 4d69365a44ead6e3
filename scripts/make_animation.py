"""Make the picture at the top of the README: a tracker follows a target, as an animated GIF below two megabytes.

``python scripts/make_animation.py`` uses the made sequence of ``make demo``. ``--source`` and ``--init`` take any
footage that ``siam-tracker track`` reads. Everything that is drawn is what the tracker answered.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from siam_tracker_core import Box, load_tracker
from siam_tracker_core.commands.track import parse_box
from siam_tracker_core.datasets.made import PERIOD, made_sequence
from siam_tracker_core.drawing import draw_track
from siam_tracker_core.sources import open_source
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

LIMIT = 2_000_000  # bytes; a README that loads slowly is not read
COLOURS = 64
FASTEST = 20  # milliseconds; browsers slow down what is faster


def tracked(images: Iterable[NDArray[np.uint8]], box: Box, tracker_name: str) -> Iterator[NDArray[np.uint8]]:
    """Each image, uint8 (H, W, 3) BGR, with the track drawn in."""
    tracker = load_tracker(tracker_name)
    for number, image in enumerate(images):
        drawn = image.copy()
        if number:
            result = tracker.update(image)
            draw_track(drawn, result.box, result.state, result.score)
        else:
            tracker.init(image, box)
        yield drawn


def write_gif(images: Iterable[NDArray[np.uint8]], out: Path, width: int, every: int, rate: float) -> int:
    """Write every ``every``-th image; returns the bytes that were written."""
    pictures = []
    for image in islice(images, 0, None, every):
        height = round(image.shape[0] * width / image.shape[1])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        pictures.append(Image.fromarray(small[:, :, ::-1]).quantize(COLOURS, dither=Image.Dither.NONE))
    period = max(FASTEST, round(1000 * every / rate))
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=period, loop=0, optimize=True)
    return out.stat().st_size


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="footage; the made sequence of make demo by default")
    parser.add_argument("--init", type=parse_box, help="the target's box in the first image: x,y,width,height")
    parser.add_argument("--tracker", default=DEFAULT_TRACKER)
    parser.add_argument("--frames", type=int, default=PERIOD)
    parser.add_argument("--every", type=int, default=4, help="show one image of so many")
    parser.add_argument("--width", type=int, default=264, help="of the animation, in pixels")
    parser.add_argument("--out", type=Path, default=Path("docs/images/tracking.gif"))
    options = parser.parse_args()
    if (options.source is None) != (options.init is None):
        parser.error("--source and --init belong together: give both, or none for the made sequence")
    if options.source:
        source = open_source(options.source)
        images, box, rate = (frame.image for frame in source.frames), options.init, source.rate
    else:
        made = made_sequence("demo", options.frames)
        images, box, rate = iter(made.frames), Box(*made.boxes[0]), made.rate
    size = write_gif(
        tracked(islice(images, options.frames), box, options.tracker), options.out, options.width, options.every, rate
    )
    if size > LIMIT:
        raise SystemExit(
            f"{options.out} has {size} bytes, more than {LIMIT}; give a smaller --width or a larger --every"
        )
    print(f"wrote {options.out}, {size} bytes")


if __name__ == "__main__":
    main()
