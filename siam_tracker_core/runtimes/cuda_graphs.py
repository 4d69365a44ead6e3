"""PyTorch on CUDA with recorded graphs: one call starts all kernels of a network.

The networks here are so small that starting their kernels one by one takes longer than running them. A CUDA graph is
recorded for a number of crops and a size of them, on memory that stays where it is. Numbers in between take the next
larger graph, with rows that nobody reads.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import torch

from siam_tracker_core.networks.siamese import SiameseNetwork
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.torch_backend import CPU_BATCH, TorchBackend, as_images, joined

# Numbers of crops that graphs are recorded for, larger ones in parts.
LARGEST = 64
_WARM_UP = 3


def torch_backend(
    network: SiameseNetwork,
    device: torch.device,
    precision: str = "auto",
    cpu_batch: int = CPU_BATCH,
    features: int | None = None,
) -> TorchBackend:
    """PyTorch as it is fastest on a device; arguments as for ``TorchBackend``."""
    kind = CUDAGraphBackend if device.type == "cuda" else TorchBackend
    return kind(network, device, precision, cpu_batch, features)


def graph_batch(count: int) -> int:
    """The number of crops of the smallest graph that takes ``count`` of them: a power of two, at most ``LARGEST``."""
    return min(1 << max(0, count - 1).bit_length(), LARGEST)


@dataclass
class _Recorded:
    """A graph with the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    crops: torch.Tensor
    template: Tensors
    outputs: Tensors


class CUDAGraphBackend(TorchBackend):
    """``TorchBackend`` whose search branch is recorded; see the module's docstring."""

    @cached_property
    def _recorded(self) -> dict[tuple[object, ...], _Recorded]:
        """Graphs by the crops that they take."""
        return {}

    def template(self, crops: torch.Tensor) -> Tensors:
        with _whole_floats():
            return super().template(crops)

    def search(self, template: Tensors, crops: torch.Tensor) -> Tensors:
        each = len(crops) // len(template[0])
        rows = template if each == 1 else tuple(part.repeat_interleave(each, dim=0) for part in template)
        if len(crops) <= LARGEST:
            return self._replay(rows, crops)
        parts = zip(*(part.split(LARGEST) for part in (crops, *rows)), strict=True)
        return joined([self._replay(own, some) for some, *own in parts])

    def _replay(self, template: Tensors | list[torch.Tensor], crops: torch.Tensor) -> Tensors:
        count, key = len(crops), (graph_batch(len(crops)), crops.dtype, crops.shape[1:])
        if key not in self._recorded:
            self._recorded[key] = self._record(graph_batch(count), template, crops)
        recorded = self._recorded[key]
        for kept, given in zip((recorded.crops, *recorded.template), (crops, *template), strict=True):
            kept[:count].copy_(given)
        recorded.graph.replay()
        # The next replay writes over the outputs, and response maps are read later.
        return tuple(part[:count].clone() for part in recorded.outputs)

    def _record(self, batch: int, template: Tensors | list[torch.Tensor], crops: torch.Tensor) -> _Recorded:
        own = crops.new_zeros((batch, *crops.shape[1:])).contiguous(memory_format=torch.channels_last)
        rows = tuple(part[:1].repeat(batch, *(1 for _ in part.shape[1:])) for part in template)
        with _whole_floats():
            graph, outputs = self._captured(rows, own)
        return _Recorded(graph, own, rows, outputs)

    def _captured(self, rows: Tensors, own: torch.Tensor) -> tuple[torch.cuda.CUDAGraph, Tensors]:
        beside = torch.cuda.Stream(self.device)
        beside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):  # libraries choose their kernels and take their memory now
                self.network.search(rows, as_images(own, self.dtype))
        torch.cuda.current_stream(self.device).wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.network.search(rows, as_images(own, self.dtype))
        return graph, tuple(outputs)


def _whole_floats() -> AbstractContextManager[None]:
    """Convolutions of float32 with all of its digits: cuDNN rounds factors to 11 bits unless told not to.

    On an H200 SiamFC's boxes were up to 1.2 pixels from the CPU's by that, or by another scale that it made win.
    """
    return torch.backends.cudnn.flags(  # type: ignore[no-any-return]
        enabled=True, benchmark=torch.backends.cudnn.benchmark, allow_tf32=False
    )
