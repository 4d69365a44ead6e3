"""Pre-training a backbone without labels: match a teacher's features cell by cell.

The teacher sees every context crop once; its features are kept, standardised by channel and scaled to unit length in
every cell. The student sees random windows of the crops, placed so that its cells and the teacher's are centred on the
same pixels, under changed colours, and learns the teacher's vector turned into its own width by a fixed matrix with
orthonormal columns. Inner products are kept by that matrix, so a student that has learned its lesson correlates an
exemplar with a search image as the teacher would, before any training for tracking.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.utils.data import Dataset
from tqdm import tqdm

from siam_tracker_core.networks import Backbone, channels_last
from siam_tracker_core.training.augment import Photometry, recolour
from siam_tracker_core.training.store import CROP_SIZE, CropStore

STUDENT_SIZE = 255


@dataclass(frozen=True)
class DistillConfig:
    """Settings of the distillation.

    Attributes:
        epochs: how many.
        steps_per_epoch: optimiser steps in each; a checkpoint follows.
        batch: windows a step.
        rate: peak learning rate of AdamW, reached after ``warm_up`` steps and then decayed by a cosine.
        weight_decay: of AdamW.
        warm_up: steps.
        cell_norm: length of the target vectors. 16 makes the correlation of two equal 6x6 exemplars
            36 * 256 = 9216, which is 9.2 after SiamFC's gain of 1e-3.
        seed: of order, windows and colours.
        photometry: how the student's colours change.
    """

    epochs: int = 20
    steps_per_epoch: int = 200
    batch: int = 16
    rate: float = 2e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    cell_norm: float = 16.0
    seed: int = 0
    photometry: Photometry = field(default_factory=Photometry)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.epochs * self.steps_per_epoch


def teach(store: CropStore, teacher: Backbone, device: torch.device, batch: int = 32) -> NDArray[np.float16]:
    """The teacher's features of all crops of a store, computed once and kept beside it.

    Returns:
        float16 (n, channels, cells, cells), memory-mapped, standardised by channel over the store.
    """
    path = store.folder / "teacher.npy"
    done = store.folder / "teacher.json"
    if done.is_file():
        return np.load(path, mmap_mode="r")
    cells = -(-CROP_SIZE // teacher.stride)
    shape = (len(store), teacher.out_channels, cells, cells)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    teacher = channels_last(teacher).to(device).eval()
    total, square = torch.zeros(2, teacher.out_channels, device=device)
    count = 0
    with torch.inference_mode():
        for start in tqdm(range(0, len(store), batch), desc="asking the teacher", unit="batch"):
            crops = torch.from_numpy(np.array(store.pixels[start : start + batch])).to(device)
            images = crops.permute(0, 3, 1, 2).flip(1).float().contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                answer = teacher(images)
            answer = answer.float()
            features[start : start + batch] = answer.cpu().numpy()
            total = total + answer.mean(dim=(0, 2, 3)) * len(answer)
            square = square + answer.square().mean(dim=(0, 2, 3)) * len(answer)
            count += len(answer)
    mean = (total / count).cpu().numpy()
    std = np.sqrt(np.maximum((square / count).cpu().numpy() - mean**2, 1e-12))
    for start in range(0, len(store), 256):
        chunk = features[start : start + 256].astype(np.float32)
        features[start : start + 256] = (chunk - mean[:, None, None]) / std[:, None, None]
    features.flush()
    done.write_text(json.dumps({"channels": teacher.out_channels, "mean": mean.tolist(), "std": std.tolist()}))
    return np.load(path, mmap_mode="r")


class Lessons(Dataset[dict[str, Any]]):
    """Windows of crops with the teacher's features of the same cells.

    The n-th lesson is a function of the seed and n alone, so a resumed run sees what an uninterrupted one would.

    Args:
        store: the crops.
        features: of ``teach``.
        stride, receptive_field: of the student, whose cells are not padded.
        length: number of lessons.
        seed: of the draw.
    """

    def __init__(
        self,
        store: CropStore,
        features: NDArray[np.float16],
        stride: int,
        receptive_field: int,
        length: int,
        seed: int,
    ) -> None:
        self.store, self.features, self.length, self.seed = store, features, length, seed
        self.stride = stride
        self.first_centre = (receptive_field - 1) // 2
        self.cells = (STUDENT_SIZE - receptive_field) // stride + 1

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, number))
        # A pass over all crops in a new order, again and again.
        turn, place = divmod(number, len(self.store))
        crop = np.random.default_rng((self.seed, 1 << 20, turn)).permutation(len(self.store))[place]
        flip = bool(rng.random() < 0.5)
        cell_y, top = self._place(rng, flip=False)
        cell_x, left = self._place(rng, flip=flip)
        pixels = self.store.pixels[crop]
        lesson = self.features[crop]
        if flip:
            pixels, lesson = pixels[:, ::-1], lesson[:, :, ::-1]
        window = pixels[top : top + STUDENT_SIZE, left : left + STUDENT_SIZE]
        answer = lesson[:, cell_y : cell_y + self.cells, cell_x : cell_x + self.cells]
        return {
            "pixels": torch.from_numpy(np.ascontiguousarray(window)),
            "features": torch.from_numpy(np.ascontiguousarray(answer)),
        }

    def _place(self, rng: np.random.Generator, flip: bool) -> tuple[int, int]:
        """The first teacher cell and the first pixel of a window whose cells share their centres with the teacher's."""
        # Mirrored, the teacher's cell j is centred on CROP_SIZE - 1 - stride * (cells - 1 - j).
        cells = CROP_SIZE // self.stride
        first = CROP_SIZE - 1 - self.stride * (cells - 1) if flip else 0
        lowest = -(-(self.first_centre - first) // self.stride)
        highest = (CROP_SIZE - STUDENT_SIZE + self.first_centre - first) // self.stride
        cell = int(rng.integers(lowest, min(highest, cells - self.cells) + 1))
        return cell, first + self.stride * cell - self.first_centre


class Distillation(lightning.LightningModule):
    """Trains a student on ``Lessons``.

    Args:
        student: an unpadded backbone.
        teacher_channels: width of the teacher's features.
        config: settings.
    """

    basis: torch.Tensor

    def __init__(self, student: Backbone, teacher_channels: int, config: DistillConfig) -> None:
        super().__init__()
        self.student, self.config = student, config
        # The same for every run, so that one distillation can go on from another.
        generator = torch.Generator().manual_seed(0)
        square = torch.randn(student.out_channels, teacher_channels, generator=generator)
        self.register_buffer("basis", torch.linalg.qr(square).Q)

    def training_step(self, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.global_step)
        images = batch["pixels"].permute(0, 3, 1, 2).flip(1).float()
        with torch.autocast(images.device.type, enabled=False):
            images = recolour(images, self.config.photometry, generator)
        images = images.contiguous(memory_format=torch.channels_last)
        target = functional.normalize(batch["features"].float(), dim=1) * self.config.cell_norm
        target = torch.einsum("oc,nchw->nohw", self.basis, target)
        answer = self.student(images).float()
        loss = (answer - target).square().mean()
        with torch.no_grad():
            alike = functional.cosine_similarity(answer, target, dim=1).mean()
        self.log("loss", loss, prog_bar=True)
        self.log("cosine", alike, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        config = self.config
        optimiser = torch.optim.AdamW(self.student.parameters(), config.rate, weight_decay=config.weight_decay)

        def factor(step: int) -> float:
            rising = min(1.0, (step + 1) / config.warm_up)
            return rising * 0.5 * (1 + float(np.cos(np.pi * min(1.0, step / config.steps))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
