"""The default runtime: the network as PyTorch module, on a CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from siam_tracker_core.networks.inference import inference_dtype, ready
from siam_tracker_core.networks.siamese import SiameseNetwork, WithFeatures
from siam_tracker_core.runtimes.backend import Tensors

# Crops that a CPU takes through a network at once. The features of more of them leave its caches.
CPU_BATCH = 4


class TorchBackend:
    """Runs a network with PyTorch.

    Args:
        network: with its weights. It is taken over, put on ``device`` and made ready for inference.
        device: where to run.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.
        cpu_batch: crops that go through the network at once on a CPU.
        features: units of the backbone after which the search branch gives features as well, behind its answers, 0
            for all of them; see ``WithFeatures``. None gives no features.

    Attributes:
        network: made ready.
        dtype: in which it computes.
    """

    runtime = "torch"
    threads: int | None = None

    def __init__(
        self,
        network: SiameseNetwork,
        device: torch.device,
        precision: str = "auto",
        cpu_batch: int = CPU_BATCH,
        features: int | None = None,
    ) -> None:
        self.device, self.dtype = device, inference_dtype(device, precision)
        self.precision = "single" if self.dtype is torch.float32 else "half"
        made = ready(network, device, self.dtype)
        self.network: SiameseNetwork = made if features is None else WithFeatures(made, features)
        self.stride = network.backbone.stride
        self._batch = cpu_batch if device.type == "cpu" else 0

    def template(self, crops: torch.Tensor) -> Tensors:
        parts = [self.network.template(images) for images in self._split(self.images(crops), self._batch)]
        return joined(parts)

    def search(self, template: Tensors, crops: torch.Tensor) -> Tensors:
        each = len(crops) // len(template[0])
        targets = max(1, self._batch // each)
        images = self._split(self.images(crops), targets * each)
        templates = zip(*(self._split(part, targets) for part in template), strict=True)
        return joined([self.network.search(own, some) for own, some in zip(templates, images, strict=True)])

    def images(self, crops: torch.Tensor) -> torch.Tensor:
        """BGR crops (N, 3, S, S) as the images that the network takes."""
        return as_images(crops, self.dtype)

    def _split(self, tensor: torch.Tensor, rows: int) -> tuple[torch.Tensor, ...]:
        return tensor.split(rows) if self._batch and len(tensor) > rows else (tensor,)


def as_images(crops: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """BGR crops (N, 3, S, S) as RGB images, channels last in memory."""
    return crops.to(dtype).flip(1).contiguous(memory_format=torch.channels_last)


def for_each_crop(template: Tensors, crops: int) -> Tensors:
    """A template's rows as many times as there are crops in a row for each; themselves where that is one."""
    each = crops // len(template[0])
    return template if each == 1 else tuple(part.repeat_interleave(each, dim=0) for part in template)


def joined(parts: Sequence[Tensors]) -> Tensors:
    """The rows of several answers, or templates, in one; of a single one it is that itself."""
    return parts[0] if len(parts) == 1 else tuple(torch.cat(rows) for rows in zip(*parts, strict=True))
