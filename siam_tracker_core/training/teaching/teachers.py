"""Published trackers as teachers: their answers to a training pair, as score and box at any point of the search view.

Each teacher sees the pair as it was trained to: its own crops are cut from the same views, in their own colours and
with nothing pasted before them, while the student sees them changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.nn import functional

from siam_tracker_core.peers import fear, nanotrack, torch_network
from siam_tracker_core.peers.onnx_network import OnnxNetwork, Signature
from siam_tracker_core.peers.torch_network import TorchNetwork
from siam_tracker_core.training.augmentation.views import Views
from siam_tracker_core.training.engine.module import Batch
from siam_tracker_core.training.engine.pair_module import Clear


class Answers(NamedTuple):
    """What a teacher says of N pairs on a grid of cells.

    Attributes:
        scores: float32 (N, rows, columns), probability of "target".
        boxes: float32 (N, rows, columns, 4): centre from the search view's middle, width, height, in its pixels.
    """

    scores: torch.Tensor
    boxes: torch.Tensor

    def best(self) -> torch.Tensor:
        """The boxes (N, 4) of the highest scores."""
        place = self.scores.flatten(1).argmax(dim=1)
        return self.boxes.flatten(1, 2)[torch.arange(len(place), device=place.device), place]


class Teacher(Protocol):
    """Answers pairs.

    Attributes:
        name: for the provenance of what learned from it.
    """

    name: str

    def answer(self, batch: Batch, clear: Clear, points: torch.Tensor) -> Answers:
        """What it says at points (rows, columns, 2) of the search views, in pixels from their middles."""


def interpolated(answers: Answers, points: torch.Tensor, first: torch.Tensor, step: torch.Tensor) -> Answers:
    """Answers at other points, bilinear between cells; outside the grid the score is 0.

    Args:
        answers: on the teacher's own grid; boxes in pixels of the view.
        points: (rows, columns, 2), x and y in pixels of the view.
        first: (N, 2), x and y of the grid's first cell.
        step: (N, 2), distance of its cells along x and y.
    """
    size = answers.scores.new_tensor([answers.scores.shape[2] - 1, answers.scores.shape[1] - 1])
    place = (points - first[:, None, None]) / step[:, None, None] / size * 2 - 1
    scores = functional.grid_sample(answers.scores[:, None], place, align_corners=True)[:, 0]
    boxes = functional.grid_sample(
        answers.boxes.permute(0, 3, 1, 2), place, align_corners=True, padding_mode="border"
    ).permute(0, 2, 3, 1)
    return Answers(scores, boxes)


def boxes_of(distances: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Boxes (N, rows, columns, 4) by centre and size, from distances left, top, right, bottom (N, 4, rows, columns)."""
    left, top, right, bottom = distances.unbind(dim=1)
    centre_x, centre_y = points[..., 0] + (right - left) / 2, points[..., 1] + (bottom - top) / 2
    return torch.stack((centre_x, centre_y, left + right, top + bottom), dim=-1)


def _grid(size: int, middle: float, step: float) -> torch.Tensor:
    steps = (torch.arange(size, dtype=torch.float32) - middle) * step
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack((columns, rows), dim=-1)


class OnnxTeacher:
    """A teacher's network, which answers tensors where they lie.

    On a GPU it runs as a PyTorch module where onnx2torch is installed, all samples at once. Otherwise each sample
    goes through it on the CPU.

    Args:
        path: the ONNX file.
        signature: what it must take and give.
        shapes: of the inputs by name, of one sample.
    """

    def __init__(self, path: Path, signature: Signature, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._onnx = OnnxNetwork(path, signature, shapes)
        self._file = (path, signature)

    @cached_property
    def _torch(self) -> TorchNetwork | None:
        return TorchNetwork(*self._file) if torch_network.is_available() else None

    def __call__(self, **inputs: torch.Tensor) -> list[torch.Tensor]:
        """The outputs (N, ...) in the signature's order, of inputs (N, ...)."""
        device = next(iter(inputs.values())).device
        if device.type != "cpu" and self._torch is not None:
            return self._torch(**inputs)
        arrays = {name: np.ascontiguousarray(values.cpu().numpy()) for name, values in inputs.items()}
        count = len(next(iter(arrays.values())))
        answers = [
            self._onnx(**{name: values[place : place + 1] for name, values in arrays.items()}) for place in range(count)
        ]
        return [torch.from_numpy(np.concatenate(each)).to(device) for each in zip(*answers, strict=True)]


class NanoTrackV3:
    """NanoTrack v3 (HonglinChu/SiamTrackers): BGR crops with SiamFC's context, 15x15 cells at stride 16.

    Args:
        folder: holds ``nanotrack_backbone.onnx`` and ``nanotrack_head.onnx``.

    Raises:
        ConfigError, WeightsError: as ``OnnxNetwork``.
    """

    name = "NanoTrack v3"

    def __init__(self, folder: Path) -> None:
        backbone, head = (folder / file for file in nanotrack.FILES)
        self.template = OnnxTeacher(backbone, nanotrack.BACKBONE, {"input": (1, 3, 127, 127)})
        self.features = OnnxTeacher(backbone, nanotrack.BACKBONE, {"input": (1, 3, 255, 255)})
        shapes = {"input1": (1, 96, 8, 8), "input2": (1, 96, 16, 16)}
        self.head = OnnxTeacher(head, nanotrack.HEAD, shapes)

    def answer(self, batch: Batch, clear: Clear, points: torch.Tensor) -> Answers:
        (template,) = self.template(input=clear.exemplars)
        (features,) = self.features(input=clear.searches)
        logits, distances = self.head(input1=template, input2=features)
        boxes = boxes_of(distances, _grid(15, 7, 16).to(points.device))
        count = len(boxes)
        first, step = (torch.full((count, 2), value, device=points.device) for value in (-112.0, 16.0))
        return interpolated(Answers(logits.softmax(dim=1)[:, 1], boxes), points, first, step)


class FearXS:
    """FEAR-XS (PinataFarms/FEARTracker): RGB crops of 1.4 and 5 times the box along each axis, 16x16 cells.

    Args:
        folder: holds ``fear_xs_features.onnx`` and ``fear_xs_track.onnx``.

    Raises:
        ConfigError, WeightsError: as ``OnnxNetwork``.
    """

    name = "FEAR-XS"
    template_size, search_size = 128, 256
    template_extent, search_extent = 1.4, 5.0

    def __init__(self, folder: Path) -> None:
        features, track = (folder / file for file in fear.FILES)
        self.template = OnnxTeacher(features, fear.FEATURES, {"image": (1, 3, 128, 128)})
        shapes = {"image": (1, 3, 256, 256), "template_features": (1, 256, 8, 8)}
        self.track = OnnxTeacher(track, fear.TRACK, shapes)

    def answer(self, batch: Batch, clear: Clear, points: torch.Tensor) -> Answers:
        sides = batch["exemplar_size"].clamp_min(4.0)
        exemplar = Views(
            torch.zeros_like(sides), sides * self.template_extent / self.template_size, clear.exemplar_views.flip
        )
        # Pixels of the student's view for each pixel of the teacher's: the box that came before is the exemplar's.
        pixels = sides * self.search_extent / self.search_size
        views = clear.search_views
        search = Views(views.shift, views.scale * pixels, views.flip, views.turn)
        exemplars = exemplar.resample(batch["exemplar"], self.template_size).flip(1)
        searches = search.resample(batch["search"], self.search_size).flip(1)
        (features,) = self.template(image=exemplars)
        distances, logits = self.track(image=searches, template_features=features)
        boxes = boxes_of(distances, _grid(16, 8, 16).to(points.device))
        boxes = boxes * torch.cat((pixels, pixels), dim=1)[:, None, None]
        return interpolated(Answers(logits[:, 0].sigmoid(), boxes), points, -128.0 * pixels, 16.0 * pixels)


TEACHERS: dict[str, type[NanoTrackV3] | type[FearXS]] = {"nanotrack_v3": NanoTrackV3, "fear_xs": FearXS}
