"""What trainings on pairs of an exemplar and a search image share: views, colours, occlusion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple

import torch
from annotated_types import Ge
from torch import nn

from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.limits import NotNegative, Share
from siam_tracker_core.training.augmentation.coarseness import Coarseness, coarsen
from siam_tracker_core.training.augmentation.occlusion import Occlusion, occlude
from siam_tracker_core.training.augmentation.views import Jitter, Photometry, Views, draw_flips, recolour
from siam_tracker_core.training.engine.module import Batch, TrainingModule
from siam_tracker_core.training.engine.recipe import Recipe


@dataclass(frozen=True)
class PairTraining(Recipe):
    """Settings of a training on pairs.

    Attributes:
        exemplar_size: side of the exemplar image in pixels.
        search_size: side of the search image in pixels.
        exemplar_view: jitter of the exemplar: users' boxes are not exact either.
        search_view: jitter of the search image.
        flip_probability: probability of mirroring both crops.
        photometry: how colours change.
        coarseness: how often both images of a pair have less detail, as of a target that is far away.
        occlusion: how often something is in front of the target, where there are objects to paste.
        cross_video_weight: weight of the loss on search images of other videos in the batch (DaSiamRPN, section 3.2).
    """

    exemplar_size: Annotated[int, Ge(95)] = 127
    search_size: Annotated[int, Ge(127)] = 255
    exemplar_view: Jitter = field(default_factory=lambda: Jitter(shift=3.0, scale=0.04))
    search_view: Jitter = field(default_factory=lambda: Jitter(shift=32.0, scale=0.06, stretch=0.05))
    flip_probability: Share = 0.5
    photometry: Photometry = field(default_factory=Photometry)
    coarseness: Coarseness = field(default_factory=Coarseness)
    occlusion: Occlusion = field(default_factory=Occlusion)
    cross_video_weight: NotNegative = 0.0

    __renamed__: ClassVar[dict[str, str]] = {
        "flip": "flip_probability",
        "strangers": "cross_video_weight",
    }


@dataclass(frozen=True)
class Pairs:
    """A batch as the network sees it.

    Attributes:
        exemplars, searches: float RGB images (N, 3, size, size) in 0..255.
        boxes: (N, 4), of the targets in the search images: centre in pixels from the image's middle, width, height.
        negative: bool (N,), where the search image does not show the target; its box has no extent then.
    """

    exemplars: torch.Tensor
    searches: torch.Tensor
    boxes: torch.Tensor
    negative: torch.Tensor

    @property
    def centres(self) -> torch.Tensor:
        """(N, 2), of the targets in the search images, in pixels from their middles."""
        return self.boxes[:, :2]


class Clear(NamedTuple):
    """The views of a batch as a camera would show them.

    Attributes:
        exemplar_views, search_views: which parts of the crops.
        exemplars, searches: float BGR images (N, 3, size, size) in 0..255.
    """

    exemplar_views: Views
    exemplars: torch.Tensor
    search_views: Views
    searches: torch.Tensor


def cross_video_negatives(batch: Batch) -> torch.Tensor:
    """Bool (N,), where the search image of the sample before cannot show a sample's target: that of another video."""
    track: torch.Tensor = batch["track"]
    return (track != track.roll(1)) & ~batch["negative"].roll(1)


class PairModule(TrainingModule):
    """Base of trainings on pairs.

    A batch holds uint8 BGR crops ``exemplar`` and ``search`` (N, S, S, 3) with the targets in their middles,
    ``exemplar_size`` and ``search_size`` (N, 2) of the targets in crop pixels, ``negative`` bool (N,), and ``track``
    int64 (N,), equal for pairs of one video.

    Args:
        network: to train.
        recipe: settings.
        bank: objects to paste, see ``occlusion.read_bank``; None pastes nothing.

    Attributes:
        exemplar_branch: name of the network's method that takes exemplar images.

    Raises:
        ConfigError: for sizes of images that the network cannot take.
    """

    exemplar_branch: ClassVar = "embed"
    recipe: PairTraining
    bank: torch.Tensor | None

    def __init__(self, network: nn.Module, recipe: PairTraining, bank: torch.Tensor | None = None) -> None:
        super().__init__(network, recipe)
        check_crop_sizes(network, self.exemplar_branch, recipe.exemplar_size, {"search_size": recipe.search_size})
        self.register_buffer("bank", bank, persistent=False)

    def augment(self, batch: Batch, generator: torch.Generator) -> Pairs:
        """Random views of a batch's crops, in other colours, and partly covered."""
        return self.look(batch, generator)[0]

    def look(self, batch: Batch, generator: torch.Generator) -> tuple[Pairs, Clear]:
        """What ``augment`` gives, and the same views in their own colours, with nothing before them."""
        recipe = self.recipe
        flip = draw_flips(len(batch["search"]), recipe.flip_probability, batch["search"].device, generator)
        factors = recipe.coarseness.draw(len(flip), generator) if recipe.coarseness.probability else []
        parts = (
            ("exemplar", recipe.exemplar_size, recipe.exemplar_view, recipe.occlusion.exemplar_probability),
            ("search", recipe.search_size, recipe.search_view, recipe.occlusion.search_probability),
        )
        images, clear, boxes = [], [], torch.empty(0)
        for name, size, jitter, occlusion in parts:
            views = Views.draw(jitter, flip, generator)
            crops = views.resample(batch[name], size)
            clear.append((views, crops))
            boxes = views.boxes(batch[f"{name}_size"])
            if self.bank is not None:
                crops = occlude(crops, boxes, self.bank, occlusion, recipe.occlusion, generator)
            if factors:
                crops = coarsen(crops, factors)
            crops = recolour(crops.flip(1), recipe.photometry, generator)
            images.append(crops.contiguous(memory_format=torch.channels_last))
        return Pairs(images[0], images[1], boxes, batch["negative"]), Clear(*clear[0], *clear[1])
