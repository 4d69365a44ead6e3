"""What is warmed up: whatever the network is shown later, with a target lost or none, it has seen in that form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_siamrpn import random_tracker
from made_srt import SMALL, made_tracker

from siam_tracker_core import load_tracker
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.tracker import start
from siam_tracker_core.trackers.update import update_targets

# Nothing is lost unless a test says so.
NEVER = LostConfig(lost=0.0)
TRACKERS = {
    "siamfc": lambda: load_tracker("siamfc", device="cpu", config={"lost": {"lost": 0.0}}),
    "siamrpn": lambda: random_tracker(lost=NEVER),
    "siamrpn, enlarged": lambda: random_tracker(lost=NEVER, lost_search="enlarge"),
    "srt": lambda: made_tracker(replace(SMALL, lost=NEVER)),
}


@pytest.mark.slow
@pytest.mark.usefixtures("narrow_vgg")
@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("targets", [1, 2])
def test_no_frame_shows_the_network_what_it_was_not_warmed_up_for(name: str, targets: int) -> None:
    tracker = TRACKERS[name]()
    model = tracker.model
    network = model.network if name == "srt" else model.backend.network
    seen: set[torch.Size] = set()
    network.backbone.register_forward_pre_hook(lambda _, given: seen.add(given[0].shape))
    tracker.warm_up(targets)
    warmed = set(seen)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    states = [start(model, image, (120, 90, 60, 50)) for _ in range(targets)]
    for lost in (False, True):
        seen.clear()
        if lost:
            states[0] = model.lose(replace(states[0], lost_search=None))
        assert states[0].is_lost is lost
        states = [state for state, _ in update_targets(model, states, tracker.upload(image))]
        assert seen <= warmed, f"{lost=}"
