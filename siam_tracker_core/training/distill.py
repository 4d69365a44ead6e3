"""Pre-training a backbone without labels: match a teacher's features cell by cell.

The teacher sees every context crop once (``teacher.py``); its features are kept, standardised by channel, reduced to
their principal components where they are wider than the student's, and scaled to unit length in every cell. The student
sees random windows of the crops, placed so that its cells and the teacher's are centred on the same pixels, under
changed colours, and learns the teacher's vector turned into its own width by a fixed matrix with orthonormal columns.
Inner products are kept by that matrix, so a student that has learned its lesson correlates an exemplar with a search
image as the teacher would, before any training for tracking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.limits import Count, Decay, NotNegative, Positive
from siam_tracker_core.networks import Backbone
from siam_tracker_core.networks.scaling import scale_output
from siam_tracker_core.training.augmentation.views import Photometry, recolour
from siam_tracker_core.training.data.crop_store import CropStore, build_store
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.engine.epoch_slices import EpochSlices
from siam_tracker_core.training.engine.module import Batch, Picture, TrainingModule
from siam_tracker_core.training.engine.pictures import heat, to_pictures
from siam_tracker_core.training.engine.recipe import BackboneOptions, Recipe, WarmUp, described
from siam_tracker_core.training.teacher import Grid, grid_of, teach

STUDENT_SIZE = 255

# Windows over which the length of the student's vectors is measured.
MEASURED = 32


@dataclass(frozen=True)
class DistillConfig(Recipe):
    """Settings of the distillation; those of ``Recipe`` with AdamW, a cosine decay to nothing and no averaging.

    Attributes:
        cell_norm: length of the target vectors. 16 makes the correlation of two equal 6x6 exemplars
            36 * 256 = 9216, which is 9.2 after SiamFC's gain of 1e-3.
        photometry: how the student's colours change.
    """

    epochs: Count = 20
    steps_per_epoch: Count = 200
    optimiser: Literal["sgd", "adamw"] = "adamw"
    lr: Positive = 2e-3
    final_lr: NotNegative = 0.0
    lr_schedule: Literal["logarithmic", "cosine"] = "cosine"
    warmup: WarmUp = field(default_factory=lambda: WarmUp(steps=100))
    weight_decay: NotNegative = 1e-4
    ema_decay: Decay = 0.0
    cell_norm: Positive = 16.0
    photometry: Photometry = field(default_factory=Photometry)


class Lessons(Dataset[dict[str, Any]]):
    """An endless list of windows of crops with the teacher's features of the same cells.

    The n-th lesson is a function of the seed and n alone, so a resumed run sees what an uninterrupted one would.

    Args:
        store: the crops.
        features: of ``teach``.
        teacher: where its cells lie in a crop.
        student: where its cells lie in a window of ``STUDENT_SIZE``. Where the centres cannot coincide (those of a
            network with 2x2 poolings lie between pixels), they are half a pixel apart.
        seed: of the draw.

    Raises:
        ConfigError: if the student's stride is no multiple of the teacher's, or the crops are too small for a window.
    """

    def __init__(
        self, store: CropStore, features: NDArray[np.float16], teacher: Grid, student: Grid, seed: int
    ) -> None:
        if student.stride % teacher.stride:
            raise ConfigError(
                f"the teacher's stride is {teacher.stride}, the student's {student.stride}; it must be a multiple of it"
            )
        least = STUDENT_SIZE + 2 * teacher.stride
        if store.crop_size < least:
            raise ConfigError(f"crops of {store.crop_size} pixels are too small to distil from; make them {least}")
        self.store, self.features, self.seed = store, features, seed
        self.teacher, self.student = teacher, student
        self._pass: tuple[int, NDArray[np.intp]] | None = None  # samples come in turn, so a pass is drawn once
        # A coarser student learns every second, third ... of the teacher's cells.
        self.step = student.stride // teacher.stride
        self.span = (student.cells - 1) * self.step + 1

    def _order(self, turn: int) -> NDArray[np.intp]:
        """The crops of one pass over the store."""
        if self._pass is None or self._pass[0] != turn:
            rng = np.random.default_rng((self.seed, 1 << 20, turn))
            self._pass = turn, rng.permutation(len(self.store))
        return self._pass[1]

    def __getitem__(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, number))
        # A pass over all crops in a new order, again and again.
        turn, place = divmod(number, len(self.store))
        crop = self._order(turn)[place]
        flip = bool(rng.random() < 0.5)
        cell_y, top = self._place(rng, flip=False)
        cell_x, left = self._place(rng, flip=flip)
        pixels = self.store.pixels[crop]
        lesson = self.features[crop]
        if flip:
            pixels, lesson = pixels[:, ::-1], lesson[:, :, ::-1]
        window = pixels[top : top + STUDENT_SIZE, left : left + STUDENT_SIZE]
        rows, columns = (slice(cell, cell + self.span, self.step) for cell in (cell_y, cell_x))
        answer = lesson[:, rows, columns]
        return {
            "pixels": torch.from_numpy(np.ascontiguousarray(window)),
            "features": torch.from_numpy(np.ascontiguousarray(answer)),
        }

    def _place(self, rng: np.random.Generator, flip: bool) -> tuple[int, int]:
        """The first teacher cell and the first pixel of a window whose cells share their centres with the teacher's."""
        teacher, student = self.teacher, self.student
        last = teacher.first + teacher.stride * (teacher.cells - 1)
        first = self.store.crop_size - 1 - last if flip else teacher.first
        lowest = max(0, math.ceil((student.first - first) / teacher.stride))
        highest = math.floor((self.store.crop_size - STUDENT_SIZE + student.first - first) / teacher.stride)
        cell = int(rng.integers(lowest, min(highest, teacher.cells - self.span) + 1))
        return cell, math.floor(first + teacher.stride * cell - student.first)


class LessonData(EpochSlices):
    """Lessons for a student: the first process decodes the crops and asks the teacher, and all of them read.

    Args:
        shards: prepared data sets.
        folder: where the crops and the teacher's features are kept between runs.
        teacher: asked where its answers are not there yet.
        identity: of the teacher, see ``teach``.
        student: who learns.
        recipe: settings.
        workers: processes that read.
        device: of the teacher.

    Raises:
        DatasetError: if there is no prepared data set, or one cannot be opened.
    """

    def __init__(
        self,
        shards: list[str],
        folder: Path,
        teacher: Backbone,
        identity: str,
        student: Backbone,
        recipe: DistillConfig,
        workers: int,
        device: torch.device,
    ) -> None:
        super().__init__(None, recipe.batch_size, recipe.batches_per_epoch, workers)
        if not shards:
            raise DatasetError("there is nothing to learn from: give at least one folder of `siam-tracker prepare`")
        for location in shards:
            open_prepared(location)  # says at once if it is none
        self.shards, self.folder, self.teacher, self.identity = shards, folder, teacher, identity
        self.student, self.recipe, self.device = student, recipe, device
        self.prepare_data_per_node = False  # the folder is one for all machines
        self.width = min(teacher.out_channels, student.out_channels)

    def prepare_data(self) -> None:
        teach(build_store(self.folder, self.shards), self.teacher, self.device, self.width, self.identity)

    def setup(self, stage: str) -> None:
        self.store = CropStore(self.folder)
        features = teach(self.store, self.teacher, self.device, self.width, self.identity)
        cells = grid_of(self.teacher, self.store.crop_size), grid_of(self.student, STUDENT_SIZE)
        self.samples = Lessons(self.store, features, *cells, self.recipe.seed)

    @property
    def lessons(self) -> Lessons:
        """The lessons, set up if they are not."""
        if not isinstance(self.samples, Lessons):
            self.setup("fit")
        assert isinstance(self.samples, Lessons)
        return self.samples

    def description(self) -> dict[str, Any]:
        """What is learned from, for the provenance of weights."""
        sources = sorted({crop.source for crop in self.store.index})
        return {"teacher": self.identity, "crops": len(self.store), "sources": sources}


class Distillation(TrainingModule):
    """Trains a student on ``Lessons``.

    Args:
        network: the student, a backbone.
        recipe: settings.
        teacher_channels: width of the targets, at most that of the student.
        name, options: of the backbone, for the weights file.
    """

    kind = "backbone"
    recipe: DistillConfig
    basis: torch.Tensor

    def __init__(
        self,
        network: Backbone,
        recipe: DistillConfig,
        teacher_channels: int,
        name: str,
        options: BackboneOptions | None = None,
    ) -> None:
        super().__init__(network, recipe)
        self.name, self.options = name, options or {}
        # The same for every run, so that one distillation can go on from another.
        generator = torch.Generator().manual_seed(0)
        square = torch.randn(network.out_channels, teacher_channels, generator=generator)
        self.register_buffer("basis", torch.linalg.qr(square).Q)

    @property
    def backbone(self) -> nn.Module:
        return self.network

    def description(self) -> dict[str, Any]:
        return {"network": described(self.name, self.options)}

    def _look(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """RGB images of the windows in other colours."""
        images = batch["pixels"].permute(0, 3, 1, 2).flip(1).float()
        with torch.autocast(images.device.type, enabled=False):
            images = recolour(images, self.recipe.photometry, generator)
        return images.contiguous(memory_format=torch.channels_last)

    def _targets(self, batch: Batch) -> torch.Tensor:
        target = functional.normalize(batch["features"].float(), dim=1) * self.recipe.cell_norm
        return torch.einsum("oc,nchw->nohw", self.basis, target)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        answer, target = self.network(self._look(batch, generator)).float(), self._targets(batch)
        alike = functional.cosine_similarity(answer, target).mean()
        return {"loss": difference(answer, target), "cosine": alike.detach()}

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A window a row, with what distinguishes the teacher's cells most, in the teacher's features and ours."""
        images = self._look(batch, self.generator(0))
        target, answer = self._targets(batch), self.network(images).float()
        cells = target.transpose(0, 1).flatten(1)
        axis = torch.linalg.eigh(torch.cov(cells)).eigenvectors[:, -1]
        maps = [torch.einsum("c,nchw->nhw", axis, features).cpu().numpy() for features in (target, answer)]
        return [
            [picture, *(heat(response, *picture.shape[:2]) for response in both)]
            for picture, *both in zip(to_pictures(images), *maps, strict=True)
        ]


def bring_to_length(network: Backbone, lessons: Lessons, length: float) -> None:
    """Scale a student so that the geometric mean length of its vectors is that of its targets.

    Args:
        network: the student; left in evaluation mode.
        lessons: the first of them are measured.
        length: ``cell_norm``.
    """
    device = next(network.parameters()).device
    network.eval()
    logarithms = []
    for number in range(MEASURED):
        pixels = lessons[number]["pixels"].to(device).permute(2, 0, 1)[None].flip(1).float()
        with torch.inference_mode():
            logarithms.append(network(pixels).norm(dim=1).clamp_min(1e-6).log().mean())
    scale_output(network, length / float(torch.stack(logarithms).mean().exp()))


def difference(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean squared difference from targets of one length, whatever the common length of the answers.

    With *a* and *t* the lengths and *c* the cosine, (a - t)^2 + 2at(1 - c) is what squares make of a cell. Both terms
    are taken relative to *a*, and the first to the geometric mean *m* of all *a* in place of *t*:
    t^2 (ln^2(a / m) + 2(1 - c)). A fresh residual network's vectors are twelve times too long; by plain squares it
    learned to shorten them for hundreds of steps, and next to no directions. The common length is put right at the end.

    Args:
        answer, target: (N, C, h, w).
    """
    logarithms = answer.norm(dim=1).clamp_min(1e-6).log()
    uneven = (logarithms - logarithms.mean()).square()
    turned = 1 - functional.cosine_similarity(answer, target)
    return (target.norm(dim=1).square() * (uneven + 2 * turned)).mean() / target.shape[1]
