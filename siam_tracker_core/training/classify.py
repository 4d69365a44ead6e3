"""Pre-training a backbone on classes of pictures, as the papers do on ImageNet; top-1 accuracy validates it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import torch
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Subset

from siam_tracker_core.datasets import read_image
from siam_tracker_core.datasets.classes import ClassFolder, read_classes
from siam_tracker_core.limits import Count, Decay, NotNegative, Positive
from siam_tracker_core.networks import Backbone
from siam_tracker_core.training.augmentation.views import Photometry, draw_flips, recolour
from siam_tracker_core.training.engine.epoch_slices import EpochSlices
from siam_tracker_core.training.engine.module import Batch, Picture, TrainingModule
from siam_tracker_core.training.engine.pictures import to_pictures
from siam_tracker_core.training.engine.recipe import BackboneOptions, Recipe, described

# How often a part of a picture is drawn before its middle is taken, and the part that is validated.
_TRIES, _VALIDATED = 10, 224 / 256


@dataclass(frozen=True)
class ClassifyConfig(Recipe):
    """Settings of the classification; those of ResNet's authors (He et al., 2016), with a cosine decay.

    Attributes:
        image_size: side of the images in pixels.
        least_area: share of a picture that a training image shows at least.
        label_smoothing: share of the label that all classes have.
        flip_probability: probability of mirroring an image.
        photometry: how colours change.
    """

    epochs: Count = 90
    steps_per_epoch: Count = 5005
    batch_size: Count = 256
    lr: Positive = 0.1
    final_lr: NotNegative = 0.0
    lr_schedule: Literal["logarithmic", "cosine"] = "cosine"
    weight_decay: NotNegative = 1e-4
    ema_decay: Decay = 0.0
    image_size: Annotated[int, Ge(32)] = 224
    least_area: Annotated[float, Gt(0), Le(1)] = 0.08
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    flip_probability: Annotated[float, Ge(0), Le(1)] = 0.5
    photometry: Photometry = field(default_factory=lambda: Photometry(0.4, 0.4, 0.1, 0.0, 0.0))


class Images(Dataset[dict[str, Any]]):
    """An endless list of parts of pictures with their classes; the n-th is a function of the seed and n alone.

    A part has ``least_area`` of the picture or more and sides of 3:4 to 4:3 (Szegedy et al., 2015, section 6), and
    becomes a square image.

    Args:
        folder: the pictures.
        size: side of the images in pixels.
        least_area: share of the picture.
        seed: of the draw.
    """

    def __init__(self, folder: ClassFolder, size: int, least_area: float, seed: int) -> None:
        self.folder, self.size, self.least_area, self.seed = folder, size, least_area, seed

    def __getitem__(self, number: int) -> dict[str, Any]:
        turn, place = divmod(number, len(self.folder))
        # A pass over all pictures in a new order, again and again.
        chosen = int(self._order(turn)[place])
        rng = np.random.default_rng((self.seed, number))
        part = random_part(read_image(self.folder.paths[chosen]), self.least_area, rng)
        return _sample(cv2.resize(part, (self.size, self.size)), self.folder.labels[chosen])

    def _order(self, turn: int) -> NDArray[np.intp]:
        known = getattr(self, "_known", None)
        if known is None or known[0] != turn:
            known = self._known = turn, np.random.default_rng((self.seed, 1 << 20, turn)).permutation(len(self.folder))
        return known[1]  # type: ignore[no-any-return]


class Middles(Dataset[dict[str, Any]]):
    """The middle of every picture, once: 224 of 256 pixels of its shorter side, as is usual for top-1 accuracy."""

    def __init__(self, folder: ClassFolder, size: int) -> None:
        self.folder, self.size = folder, size

    def __len__(self) -> int:
        return len(self.folder)

    def __getitem__(self, number: int) -> dict[str, Any]:
        picture = read_image(self.folder.paths[number])
        side = max(1, round(min(picture.shape[:2]) * _VALIDATED))
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        middle = picture[top : top + side, left : left + side]
        image = cv2.resize(middle, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return _sample(image, self.folder.labels[number])


def _sample(image: NDArray[Any], label: int) -> dict[str, Any]:
    return {"pixels": torch.from_numpy(np.ascontiguousarray(image)), "label": label}


def random_part(picture: NDArray[np.uint8], least_area: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A part of a picture (H, W, 3) of random place, area and proportions; the largest middle square if none fits."""
    height, width = picture.shape[:2]
    for _ in range(_TRIES):
        area = rng.uniform(least_area, 1) * height * width
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = (int(rng.integers(length + 1)) for length in (height - rows, width - columns))
            return picture[top : top + rows, left : left + columns]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


class ClassData(EpochSlices):
    """The pictures of a folder, in slices for training and all of them for validation.

    Args:
        root: see ``datasets.classes``.
        recipe: settings.
        workers: processes that read.

    Raises:
        DatasetError: if the folder is not right.
    """

    def __init__(self, root: Path, recipe: ClassifyConfig, workers: int) -> None:
        self.root, (self.pictures, self.validated) = root, read_classes(root)
        samples = Images(self.pictures, recipe.image_size, recipe.least_area, recipe.seed)
        super().__init__(samples, recipe.batch_size, recipe.batches_per_epoch, workers)
        self.image_size = recipe.image_size

    def val_dataloader(self) -> DataLoader[Any]:
        """This process's share of the pictures for validation."""
        middles = Middles(self.validated, self.image_size)
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        share = Subset(middles, range(rank, len(middles), world))
        return DataLoader(share, self.batch, num_workers=self.workers)

    def description(self) -> dict[str, Any]:
        """What is learned from, for the provenance of weights."""
        return {"folder": self.root.name, "pictures": len(self.pictures), "classes": len(self.pictures.classes)}


class Classifier(nn.Module):
    """A backbone, the mean of its cells, and a linear layer.

    Args:
        backbone: takes RGB images in 0..255.
        classes: how many.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(backbone.out_channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of RGB images (N, 3, H, W) in 0..255."""
        return self.head(functional.relu(self.backbone(images)).mean(dim=(2, 3)))  # type: ignore[no-any-return]


class Classification(TrainingModule):
    """Trains a ``Classifier`` on ``ClassData``; its backbone alone is kept.

    Args:
        network: to train.
        recipe: settings.
        name, options: of the backbone, for the weights file.

    Attributes:
        top1: share of the validated pictures whose class was the first choice, of the last epoch; None before it.
    """

    kind = "classifier"
    recipe: ClassifyConfig

    def __init__(self, network: Classifier, recipe: ClassifyConfig, name: str, options: BackboneOptions) -> None:
        super().__init__(network, recipe)
        self.name, self.options = name, options
        self.top1: float | None = None

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        logits = self.network(self._look(batch, generator)).float()
        loss = functional.cross_entropy(logits, batch["label"], label_smoothing=self.recipe.label_smoothing)
        return {"loss": loss, "right": (logits.detach().argmax(dim=1) == batch["label"]).float().mean()}

    def _look(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        images = _rgb(batch["pixels"])
        with torch.autocast(images.device.type, enabled=False):
            images = recolour(images, self.recipe.photometry, generator)
        flips = draw_flips(len(images), self.recipe.flip_probability, images.device, generator)
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
        return images.contiguous(memory_format=torch.channels_last)

    def validation_step(self, batch: Batch, number: int) -> None:
        right = (self.network(_rgb(batch["pixels"])).argmax(dim=1) == batch["label"]).float().mean()
        self.log("top1", right, prog_bar=True, sync_dist=True, batch_size=len(batch["label"]))

    def on_validation_epoch_end(self) -> None:
        self.top1 = float(self.trainer.callback_metrics["top1"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["siam_tracker"]["top1"] = self.top1

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.top1 = checkpoint["siam_tracker"].get("top1")

    def shipped(self, network: nn.Module) -> dict[str, torch.Tensor]:
        """The backbone, under the names that a training starts from."""
        assert isinstance(network, Classifier)
        return network.backbone.state_dict()

    def description(self) -> dict[str, Any]:
        return {"network": described(self.name, self.options), "validation": {"top1": self.top1}}

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """Images as the network sees them, one row."""
        return [to_pictures(self._look(batch, self.generator(0)))]


def _rgb(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.permute(0, 3, 1, 2).flip(1).float().contiguous(memory_format=torch.channels_last)
