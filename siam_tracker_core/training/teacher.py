"""What a teacher says of context crops: computed once, and kept in the student's terms."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.networks import Backbone, channels_last, footprint_of
from siam_tracker_core.training.data.crop_store import CropStore

# Crops over which the teacher's features are standardised.
MEASURED = 512


@dataclass(frozen=True)
class Grid:
    """Where the cells of a network's output lie in its input, along either axis.

    Attributes:
        first: centre of the first cell, in pixels; cell ``j`` is centred on ``first + stride * j``.
        stride: distance of the cells in pixels.
        cells: how many.
    """

    first: float
    stride: int
    cells: int


def grid_of(network: Backbone, size: int) -> Grid:
    """The cells of a backbone on images of ``size`` pixels a side."""
    footprint = footprint_of(network)
    first = float(getattr(network, "first_centre", (footprint.receptive_field - 1) / 2 - footprint.padding))
    training, device = network.training, next(network.parameters()).device
    with torch.inference_mode():
        cells = network.eval()(torch.zeros(1, 3, size, size, device=device)).shape[-1]
    network.train(training)
    return Grid(first, network.stride, cells)


@dataclass(frozen=True)
class Standard:
    """How the teacher's features become the student's targets.

    Attributes:
        mean, std: (C,) over crops and cells.
        axes: (C, width), the principal components; the identity where there is nothing to reduce.
    """

    mean: torch.Tensor
    std: torch.Tensor
    axes: torch.Tensor

    def apply(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, C, h, w) as targets (N, width, h, w)."""
        shape = (1, -1, 1, 1)
        standardised = (features - self.mean.view(shape)) / self.std.view(shape)
        return torch.einsum("cw,ncij->nwij", self.axes, standardised)


def ask(teacher: Backbone, pixels: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """The teacher's float32 features of BGR crops (N, S, S, 3)."""
    images = torch.from_numpy(np.array(pixels)).to(device).permute(0, 3, 1, 2).flip(1).float()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        answer: torch.Tensor = teacher(images.contiguous(memory_format=torch.channels_last))
    return answer.float()


def measure(store: CropStore, teacher: Backbone, device: torch.device, width: int, batch: int) -> Standard:
    """Mean, spread and principal components over crops that are spread evenly over the store."""
    numbers = np.unique(np.linspace(0, len(store) - 1, MEASURED).astype(int))
    channels = teacher.out_channels
    total, square = torch.zeros(channels).double(), torch.zeros(channels, channels).double()
    count = 0
    for chosen in tqdm(
        np.array_split(numbers, -(-len(numbers) // batch)), desc="measuring features", unit="batch", disable=None
    ):
        cells = ask(teacher, store.pixels[chosen], device).transpose(0, 1).flatten(1).cpu().double()
        total, square, count = total + cells.sum(dim=1), square + cells @ cells.T, count + cells.shape[1]
    mean = total / count
    covariance = square / count - torch.outer(mean, mean)
    std = covariance.diagonal().clamp_min(1e-12).sqrt()
    axes = torch.eye(channels).double()
    if channels > width:
        # eigh sorts ascending
        axes = torch.linalg.eigh(covariance / torch.outer(std, std)).eigenvectors[:, -width:].flip(1)
    return Standard(mean.float().to(device), std.float().to(device), axes.float().to(device))


def teach(
    store: CropStore, teacher: Backbone, device: torch.device, width: int, identity: str, batch: int = 32
) -> NDArray[np.float16]:
    """The teacher's features of all crops of a store, computed once and kept beside it.

    Args:
        store: the crops.
        teacher: a padded backbone.
        device: where it runs.
        width: most channels that are kept, those of the student.
        identity: of the teacher and its weights; features of another one are computed anew.
        batch: crops at a time.

    Returns:
        float16 (n, channels, cells, cells), memory-mapped, standardised by channel.

    Raises:
        DatasetError: if they cannot be written.
    """
    path, done = store.folder / "teacher.npy", store.folder / "teacher.json"
    channels = min(width, teacher.out_channels)
    told = {"teacher": identity, "channels": channels, "crops": len(store)}
    if done.is_file() and json.loads(done.read_text()) == told:
        return np.load(path, mmap_mode="r")
    done.unlink(missing_ok=True)
    cells = grid_of(teacher, store.crop_size).cells
    teacher = channels_last(teacher).to(device).eval()
    standard = measure(store, teacher, device, width, batch)
    shape = (len(store), channels, cells, cells)
    try:
        with path.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
            for start in tqdm(range(0, len(store), batch), desc="asking the teacher", unit="batch", disable=None):
                answer = standard.apply(ask(teacher, store.pixels[start : start + batch], device))
                file.write(answer.half().cpu().numpy().astype("<f2").tobytes())
        done.write_text(json.dumps(told))
    except OSError as error:
        path.unlink(missing_ok=True)
        size = int(np.prod(shape, dtype=np.int64)) * 2
        raise DatasetError(f"{path} could not be written ({error.strerror}); {size / 1e9:.1f} GB are needed") from error
    return np.load(path, mmap_mode="r")
