"""A network of patches on random weights, and a picture that it looks at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_classifier import CPU

from siam_tracker_core.networks.mdnet import MDNet
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork
from siam_tracker_core.training.mdnet import initialise


@pytest.fixture(scope="module")
def network() -> PatchNetwork:
    torch.manual_seed(0)
    made = MDNet(domains=0)
    initialise(made.backbone)
    return PatchNetwork(made, CPU, precision="single")


@pytest.fixture
def seen(network):
    """How many patches went through the convolutions, call by call."""
    counts: list[int] = []
    hook = network.network.backbone.register_forward_hook(lambda _, args, __: counts.append(len(args[0])))
    yield counts
    hook.remove()


@pytest.fixture(scope="module")
def picture():
    """Noise with a bright square in it."""
    image = np.random.default_rng(0).integers(0, 90, (120, 160, 3)).astype(np.uint8)
    image[40:70, 60:100] = 230
    return image
