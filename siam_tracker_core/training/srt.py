"""Training of SRT: boxes of one frame against the target of another, with the contrastive loss (SRT section 2.2)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import cv2
import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch import nn

from siam_tracker_core.config import departures
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count, NotNegative, Positive, Share
from siam_tracker_core.networks.srt import SRTLayers, SRTNetwork
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.srt import SRTConfig, SRTModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.occlusion import Occlusion, occlude, read_bank
from siam_tracker_core.training.augmentation.views import Jitter, Photometry, Views, draw_flips, recolour
from siam_tracker_core.training.engine.module import Batch, Picture, TrainingModule
from siam_tracker_core.training.engine.pictures import to_pictures
from siam_tracker_core.training.engine.recipe import Recipe, Unfreezing
from siam_tracker_core.training.losses.contrastive import contrastive_loss


@dataclass(frozen=True)
class SRTTraining(Recipe):
    """Settings of the training; the rate is the paper's, 5e-4 halved in each of ten epochs.

    Which convolutions train is ``unfreezing``: by default those of stage 5 (``first: 3`` units at the back, and no more
    for 1000 epochs), none with ``first: 0``, all with ``every: 0``.

    Attributes:
        layers: what the network is made of.
        margin: epsilon of equation 4, a squared distance of unit vectors, which are 0..2 apart here. The paper does
            not tell it.
        search_size: side of the search image in pixels, a multiple of 4. Boxes that reach beyond what it shows without
            the receptive field's margin do not count.
        view: jitter of both images, each by itself; ``shift`` in pixels of the stored crop.
        flip_probability: probability of mirroring both.
        photometry: how colours change.
        occlusion: how often something is in front of the target, where there are objects to paste.
        tracking: settings of the tracker: the resolution and context that are trained at; they validate, and stay with
            the weights.
    """

    epochs: Count = 10
    batch_size: Count = 8
    lr: Positive = 5e-4
    final_lr: NotNegative = 5e-4 / 2**9
    unfreezing: Unfreezing = field(default_factory=lambda: Unfreezing(every=1000, first=3))
    layers: SRTLayers = field(default_factory=SRTLayers)
    margin: Annotated[float, Gt(0), Le(4)] = 1.0
    search_size: Annotated[int, Ge(92)] = 272
    view: Jitter = field(default_factory=lambda: Jitter(shift=4.0, scale=0.1, stretch=0.03))
    flip_probability: Share = 0.5
    photometry: Photometry = field(default_factory=Photometry)
    occlusion: Occlusion = field(default_factory=Occlusion)
    tracking: SRTConfig = field(default_factory=SRTConfig)

    __renamed__: ClassVar[dict[str, str]] = {"flip": "flip_probability"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.search_size % 4:
            raise ConfigError(f"search_size is {self.search_size}; the network's stride is 4, so give a multiple of it")


class Lesson(NamedTuple):
    """A batch as the network sees it.

    Attributes:
        exemplars, searches: float RGB images (N, 3, size, size) in 0..255, of two sizes.
        targets: (N, 1, 4) regions of the targets in the exemplars, ``x, y, width, height`` in pixels.
        boxes: (N, K, 4) regions of the search images.
        positive: bool (N, K).
        counted: bool (N, K), which regions lie inside of what the search image shows.
    """

    exemplars: torch.Tensor
    searches: torch.Tensor
    targets: torch.Tensor
    boxes: torch.Tensor
    positive: torch.Tensor
    counted: torch.Tensor


class SRTModule(TrainingModule):
    """Trains an ``SRTNetwork`` on box pairs.

    A batch is of the kind ``box_pairs``, see ``samplers.BoxPairs``, with the targets in the middles of the crops.

    Args:
        network: to train.
        recipe: settings.
        bank: objects to paste, see ``occlusion.read_bank``; None pastes nothing.
    """

    kind = "srt"
    recipe_class = SRTTraining
    recipe: SRTTraining
    network: SRTNetwork
    bank: torch.Tensor | None

    def __init__(self, network: SRTNetwork, recipe: SRTTraining, bank: torch.Tensor | None = None) -> None:
        super().__init__(network, recipe)
        self.side = recipe.tracking.target_side(network.margin)
        if recipe.tracking.exemplar_size < self.side + 2 * network.margin:
            raise ConfigError(
                f"tracking.exemplar_size is {recipe.tracking.exemplar_size}, too small for a target of {self.side:.0f} "
                f"pixels and {network.margin:g} around it"
            )
        self.register_buffer("bank", bank, persistent=False)

    @classmethod
    def build(cls, recipe: SRTTraining, objects: Path | None = None) -> SRTModule:
        if recipe.view.rotation or recipe.view.shear:
            raise ConfigError("SRT learns from upright boxes; leave training.view.rotation and .shear at 0")
        network = SRTNetwork(recipe.layers)
        for unit in network.backbone.units():
            assert isinstance(unit, nn.Conv2d)
            assert unit.bias is not None
            nn.init.kaiming_normal_(unit.weight, nonlinearity="relu")
            nn.init.zeros_(unit.bias)
        return cls(network, recipe, read_bank(objects) if objects else None)

    def lesson(self, batch: Batch, generator: torch.Generator) -> Lesson:
        """Random views of a batch's crops at the tracker's resolution, in other colours, and partly covered."""
        recipe = self.recipe
        if "boxes" not in batch:
            raise ConfigError("SRT learns from pairs of boxes, and these samples have none; give data.kind: box_pairs")
        flip = draw_flips(len(batch["search"]), recipe.flip_probability, batch["search"].device, generator)
        middle = batch["exemplar"].shape[1] / 2
        sizes = batch["exemplar_size"][:, None]
        own = torch.cat((middle - sizes / 2, sizes), dim=-1)
        parts = (
            ("exemplar", own, recipe.tracking.exemplar_size, recipe.occlusion.exemplar_probability),
            ("search", batch["boxes"], recipe.search_size, recipe.occlusion.search_probability),
        )
        images, regions = [], []
        for name, boxes, size, share in parts:
            views = self._views(batch[f"{name}_size"], flip, generator)
            crops = views.resample(batch[name], size)
            if self.bank is not None:
                target = views.boxes(batch[f"{name}_size"])
                crops = occlude(crops, target, self.bank, share, recipe.occlusion, generator)
            crops = recolour(crops.flip(1), recipe.photometry, generator)
            images.append(crops.contiguous(memory_format=torch.channels_last))
            regions.append(self._regions(boxes, views, middle, size))
        counted = self._shown(regions[1], recipe.search_size)
        return Lesson(images[0], images[1], regions[0], regions[1], batch["positive"], counted)

    def _views(self, sizes: torch.Tensor, flip: torch.Tensor, generator: torch.Generator) -> Views:
        """Views in which targets of sizes (N, 2) are as large as in tracking, but for the jitter."""
        views = Views.draw(self.recipe.view, flip, generator)
        region = sizes + self.recipe.tracking.context_amount * sizes.sum(dim=1, keepdim=True)
        return replace(views, scale=views.scale * region.amax(dim=1, keepdim=True) / self.side)

    def _regions(self, boxes: torch.Tensor, views: Views, middle: float, size: int) -> torch.Tensor:
        """What is matched of boxes (N, K, 4) of the crops, in pixels of the views."""
        extents, scale = boxes[..., 2:], views.scale[:, None]
        centres = boxes[..., :2] + extents / 2 - middle
        mirrored = torch.stack((centres[..., 0] * (1 - 2 * views.flip[:, None].float()), centres[..., 1]), dim=-1)
        centres = (mirrored - views.shift[:, None]) / scale + size / 2
        extents = (extents + self.recipe.tracking.context_amount * extents.sum(dim=-1, keepdim=True)) / scale
        return torch.cat((centres - extents / 2, extents), dim=-1)

    def _shown(self, regions: torch.Tensor, size: int) -> torch.Tensor:
        """bool (N, K): which regions lie inside the margin of the receptive field."""
        low, high = regions[..., :2], regions[..., :2] + regions[..., 2:]
        margin = self.network.margin
        return (low >= margin).all(dim=-1) & (high <= size - margin).all(dim=-1)

    def similarities(self, lesson: Lesson) -> torch.Tensor:
        """Inner products (N, K) of each target with the boxes of its search image."""
        network = self.network
        own, maps = network.maps(lesson.exemplars), network.maps(lesson.searches)
        # Sums over thousands of products are not for half precision.
        with torch.autocast(lesson.searches.device.type, enabled=False):
            return network.match(network.parts(own, lesson.targets), maps, lesson.boxes)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        with torch.autocast(batch["search"].device.type, enabled=False):
            lesson = self.lesson(batch, generator)
        similar = self.similarities(lesson)
        # Of unit vectors: D^2 = 2 - 2 x.y
        loss = contrastive_loss(2 - 2 * similar, lesson.positive, self.recipe.margin, lesson.counted)
        found = similar.detach()
        groups = {"alike": lesson.positive & lesson.counted, "unlike": ~lesson.positive & lesson.counted}
        means = {name: (found * group).sum() / group.sum().clamp_min(1) for name, group in groups.items()}
        best = found.masked_fill(~lesson.counted, -1).argmax(dim=1, keepdim=True)
        return {"loss": loss, **means, "right": lesson.positive.gather(1, best).float().mean()}

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A pair a row: the exemplar with its box, the search image with the most similar boxes and the least ones."""
        lesson = self.lesson(batch, self.generator(0))
        similar = self.similarities(lesson).masked_fill(~lesson.counted, float("nan")).float().cpu().numpy()
        rows = []
        for exemplar, search, target, boxes, scores in zip(
            to_pictures(lesson.exemplars),
            to_pictures(lesson.searches),
            lesson.targets.cpu().numpy(),
            lesson.boxes.cpu().numpy(),
            similar,
            strict=True,
        ):
            order = np.argsort(-scores)[: int(np.isfinite(scores).sum())]
            near = _outlines(search, boxes[order[:5]], (255, 160, 0))
            far = _outlines(search, boxes[order[-5:]], (90, 160, 255))
            rows.append([_outlines(exemplar, target, (255, 255, 255)), near, far])
        return rows

    def tracker(self, network: nn.Module) -> Tracker:
        assert isinstance(network, SRTNetwork)
        # Never LOST, so that the figure is about the network and not about thresholds.
        config = replace(self.recipe.tracking, lost=LostConfig(enabled=False))
        return Tracker(SRTModel(network, config, self.device, self.kind))

    def description(self) -> dict[str, Any]:
        return {"tracker": self.kind, "network": asdict(self.recipe.layers), "config": departures(self.recipe.tracking)}


def _outlines(picture: Picture, boxes: np.ndarray, colour: tuple[int, int, int]) -> Picture:
    """The picture with boxes (K, 4) drawn in."""
    result = np.ascontiguousarray(picture).copy()
    for x, y, width, height in np.rint(boxes).astype(int).tolist():
        cv2.rectangle(result, (x, y), (x + width, y + height), colour, 1)
    return result
