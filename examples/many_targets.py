"""Follow several targets through a video with one network, and write their boxes.

    python examples/many_targets.py video.mp4 120,80,64,48 300,200,40,90

The crops of all targets go through the network together, so the second target costs less than the first.
"""

from __future__ import annotations

import sys

from siam_tracker_core import Box, TrackerGroup, load_tracker
from siam_tracker_core.sources import open_source
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


def main(source: str, *boxes: str) -> None:
    """Print frame, target, box, score and state."""
    group = TrackerGroup(load_tracker(DEFAULT_TRACKER))
    for number, image in open_source(source).frames:
        if number == 0:
            for target, text in enumerate(boxes):
                group.init(target, image, Box(*map(float, text.split(","))))
            continue
        for target, result in group.update(image).items():
            x, y, width, height = result.box
            print(f"{number},{target},{x:.1f},{y:.1f},{width:.1f},{height:.1f},{result.score:.2f},{result.state.value}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print("usage: python examples/many_targets.py VIDEO X,Y,WIDTH,HEIGHT [X,Y,WIDTH,HEIGHT ...]", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
