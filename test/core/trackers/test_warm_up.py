"""What is warmed up: whatever the network is shown later, with a target lost or none, it has seen in that form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_siamrpn import random_tracker
from made_srt import SMALL, made_tracker

from siam_tracker_core import load_tracker
from siam_tracker_core.trackers.base import Tracker
from siam_tracker_core.trackers.confidence import LostConfig

# Nothing is lost unless a test says so.
NEVER = LostConfig(lost=0.0)
TRACKERS = {
    "siamfc": lambda: load_tracker("siamfc", device="cpu", config={"lost": {"lost": 0.0}}),
    "siamrpn": lambda: random_tracker(lost=NEVER),
    "siamrpn, enlarged": lambda: random_tracker(lost=NEVER, lost_search="enlarge"),
    "srt": lambda: made_tracker(replace(SMALL, lost=NEVER)),
}


@pytest.mark.usefixtures("narrow_vgg")
@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("targets", [1, 2])
def test_no_frame_shows_the_network_what_it_was_not_warmed_up_for(name: str, targets: int) -> None:
    first = TRACKERS[name]()
    seen: set[torch.Size] = set()
    first.model.network.backbone.register_forward_pre_hook(lambda _, given: seen.add(given[0].shape))
    first.warm_up(targets)
    warmed = set(seen)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    trackers = [first, *(first.another() for _ in range(targets - 1))]
    for tracker in trackers:
        tracker.init(image, (120, 90, 60, 50))
    for lost in (False, True):
        seen.clear()
        if lost:
            first._give_up()
        assert first.is_lost is lost
        Tracker.update_together(trackers, first.upload(image))
        assert seen <= warmed, f"{lost=}"
