"""Let the got10k toolkit drive a tracker of this package, and score it by that toolkit's own rules.

    pip install got10k
    python examples/got10k_toolkit.py OTB100

It writes into results/ and reports/. `siam-tracker evaluate otb --root OTB100` gives the same figures without it.
"""

from __future__ import annotations

import sys

import numpy as np
from got10k.experiments import ExperimentOTB
from got10k.trackers import Tracker

from siam_tracker_core import load_tracker
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


class SiamTracker(Tracker):
    """A tracker of the zoo, as the toolkit wants one: PIL images, and boxes whose first pixel is number one."""

    def __init__(self, name: str = DEFAULT_TRACKER) -> None:
        super().__init__(name=name, is_deterministic=True)
        self.tracker = load_tracker(name)

    def init(self, image, box):
        x, y, width, height = box
        self.tracker.init(bgr(image), (x - 1, y - 1, width, height))

    def update(self, image):
        x, y, width, height = self.tracker.update(bgr(image)).box
        return np.array([x + 1, y + 1, width, height])


def bgr(image) -> np.ndarray:
    """The pixels of a PIL image: uint8 (H, W, 3), blue first."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def main(root: str, version: str = "2015") -> None:
    """Run the one-pass evaluation on OTB, and report it."""
    experiment = ExperimentOTB(root, version=int(version))
    experiment.run(SiamTracker())
    experiment.report([DEFAULT_TRACKER])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        print("usage: python examples/got10k_toolkit.py FOLDER [VERSION]", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
