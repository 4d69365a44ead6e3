"""What the tests of the cascade share: networks that see brightness and colours, and actors on a stage."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from siam_tracker_core import Box
from siam_tracker_core.config import merged, read_config
from siam_tracker_core.networks import MDNet, SiamFCNetwork
from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.trackers.cascade import CascadeConfig, CascadeModel
from siam_tracker_core.trackers.mdnet import MDNetModel
from siam_tracker_core.trackers.siamfc import SiamFCModel
from siam_tracker_core.trackers.tracker import Tracker

CPU = torch.device("cpu")
SIDE, SIZE = 40, (320, 240)


CLASSIFIER = {
    "init_positives": 20,
    "init_negatives": 100,
    "init_lr": 2e-3,
    "init_rounds": 30,
    "update_positives": 20,
    "update_negatives": 30,
    "update_lr": 3e-3,
    "update_rounds": 4,
    "batch_positives": 16,
    "batch_negatives": 32,
    "hard_pool": 64,
}


# A wide search, so that actors beside each other are seen together, and one size, for the colours of a coarse grid say
# nothing about sizes.
QUICK = {
    "search_size": 383,
    "siamfc": {"response_up": 4, "window_influence": 0.1},
    "patch_scales": 1,
    "update_every": 1,
    "lost": {"enabled": False},
    "mdnet": {"classifier": CLASSIFIER},
}


class Brightness(Backbone):
    """A matching network that is blind to colours: the mean brightness of blocks, above or below the usual."""

    stride, receptive_field, out_channels = 8, 8, 1

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(110.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        grey = (images * weights).sum(1, keepdim=True)
        return nn.functional.avg_pool2d(grey, 8) - self.level


class Colours(Backbone):
    """A classification network that sees colours in a coarse grid, of the size of VGG-M's features."""

    stride, receptive_field, out_channels = 32, 32, 512

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 512, 1)
        generator = torch.Generator().manual_seed(0)
        nn.init.normal_(self.mix.weight, 0, 0.02, generator=generator)
        nn.init.zeros_(self.mix.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.mix(nn.functional.adaptive_avg_pool2d(images - 128, 3)).relu()


def made_networks():
    """Matching whose response to the target's own frame is about 6 - 3, and an untrained classifier."""
    torch.manual_seed(0)
    matching = SiamFCNetwork(Brightness(), 6 / 34_000)
    matching.correlation.bias.data.fill_(-3)
    classification = MDNet(domains=0)
    classification.backbone = Colours()
    return matching, classification


def made(tracker="cascade", **changes):
    """A tracker with the made networks."""
    config = read_config(CascadeConfig, merged(QUICK, changes), "here")
    matching, classification = made_networks()
    if tracker == "siamfc":
        return Tracker(SiamFCModel.from_network(matching, config.matching, CPU))
    if tracker == "mdnet":
        return Tracker(MDNetModel(classification, config.mdnet, CPU))
    return Tracker(CascadeModel.from_networks(matching, classification, config, CPU))


@dataclass(frozen=True)
class Actor:
    """A painted square: the factors on blue, green and red, and for each frame left, top, contrast and saturation.

    All actors have one pattern of brightness, which its contrast weakens; with contrast 0 it is not there.
    """

    colour: tuple[float, float, float]
    way: list[tuple[float, float, float, float]]

    def box(self, moment):
        return Box(*self.way[moment][:2], SIDE, SIDE)


def smooth(rng, width, height, cells):
    small = rng.uniform(-0.5, 0.5, (max(2, cells * height // width), cells)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def staged(*actors):
    """Images of actors before a grey ground."""
    rng = np.random.default_rng(0)
    ground = (110 + 20 * smooth(rng, *SIZE, 30))[..., None].repeat(3, axis=2)
    pattern = 100 * smooth(rng, SIDE, SIDE, 5)[..., None]
    images = []
    for moment in range(len(actors[0].way)):
        canvas = ground.copy()
        for actor in actors:
            x, y, contrast, saturation = actor.way[moment]
            colour = np.array(actor.colour) / np.dot(actor.colour, (0.114, 0.587, 0.299))
            if contrast:
                painted = (110 + contrast * pattern) * (1 + saturation * (colour - 1))
                canvas[y : y + SIDE, x : x + SIDE] = painted
        images.append(np.clip(np.rint(canvas), 0, 255).astype(np.uint8))
    return images


def follow(tracker, images, actor):
    """Results of all frames but the first, in which the actor is shown."""
    tracker.init(images[0], actor.box(0))
    return [tracker.update(image) for image in images[1:]]


RED, BLUE, GREEN = (0.6, 0.8, 1.5), (1.9, 0.9, 0.6), (0.6, 1.3, 0.6)
