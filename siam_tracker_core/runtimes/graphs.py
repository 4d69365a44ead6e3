"""A network's two branches as graphs that run without PyTorch, with the pre-processing inside.

A graph takes crops as OpenCV leaves them: uint8, (N, S, S, 3), BGR. What turns them into the network's images (order of
channels, number type, normalisation) is the first part of the graph, so nobody who runs it has to know.
"""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from siam_tracker_core.errors import ExportError
from siam_tracker_core.networks.siamese import SiameseNetwork
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.libraries import ONNX
from siam_tracker_core.runtimes.torch_backend import as_images

CROPS = "crops"
# What all of the runtimes here read.
OPSET = 17


class _Graph(nn.Module):
    """A branch of a network as a function of uint8 crops; templates and answers are float32.

    Args:
        network: made ready for inference.
        dtype: in which it computes.
    """

    def __init__(self, network: SiameseNetwork, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def images(self, crops: torch.Tensor) -> torch.Tensor:
        return as_images(crops.permute(0, 3, 1, 2), self.dtype)


def _single(tensors: Tensors) -> Tensors:
    """Tensors as float32, without a step in the graph for those that are."""
    return tuple(part if part.dtype is torch.float32 else part.float() for part in tensors)


class TemplateGraph(_Graph):
    """The template branch."""

    def forward(self, crops: torch.Tensor) -> Tensors:
        return _single(self.network.template(self.images(crops)))


class SearchGraph(_Graph):
    """The search branch."""

    def forward(self, crops: torch.Tensor, *template: torch.Tensor) -> Tensors:
        own = template if self.dtype is torch.float32 else tuple(part.to(self.dtype) for part in template)
        return _single(self.network.search(own, self.images(crops)))


@dataclass(frozen=True)
class GraphSpec:
    """One graph of a network, ready to be written.

    Attributes:
        name: ``template``, or ``search`` and the side of its crops, e.g. ``search_255``.
        module: from inputs to outputs.
        inputs: examples, the crops first.
        outputs: what the module makes of them.
    """

    name: str
    module: nn.Module
    inputs: Tensors
    outputs: Tensors

    @property
    def input_names(self) -> list[str]:
        """``crops``, then ``template_0`` and so on."""
        return [CROPS, *(f"template_{number}" for number in range(len(self.inputs) - 1))]

    @property
    def output_names(self) -> list[str]:
        """``template_0`` and so on of a template branch, ``output_0`` and so on of a search branch."""
        stem = "template" if isinstance(self.module, TemplateGraph) else "output"
        return [f"{stem}_{number}" for number in range(len(self.outputs))]


def search_name(size: int) -> str:
    """The name of the graph for search crops of a size in pixels."""
    return f"search_{size}"


def graphs_of(
    network: SiameseNetwork, exemplar_size: int, search_sizes: tuple[int, ...], batch: int = 1, half: bool = False
) -> list[GraphSpec]:
    """The graphs of a network: its template branch, and its search branch for each size of crops.

    Args:
        network: made ready for inference, in single precision; it stays as it is.
        exemplar_size, search_sizes: sides of the crops in pixels.
        batch: crops that a graph takes at once.
        half: whether the graphs compute in float16.
    """
    dtype = torch.float16 if half else torch.float32
    own = copy.deepcopy(network).to(torch.device("cpu"), dtype)
    with torch.no_grad():
        graphs = [_spec("template", TemplateGraph(own, dtype), (_blank(exemplar_size, batch),))]
        for size in sorted(set(search_sizes)):
            graphs.append(_spec(search_name(size), SearchGraph(own, dtype), (_blank(size, batch), *graphs[0].outputs)))
    return graphs


def _blank(size: int, batch: int) -> torch.Tensor:
    """Crops of noise, in which no layer's output is constant."""
    generator = torch.Generator().manual_seed(size)
    return torch.randint(0, 256, (batch, size, size, 3), generator=generator, dtype=torch.uint8)


def _spec(name: str, module: nn.Module, inputs: Tensors) -> GraphSpec:
    run: Callable[..., Tensors] = module.eval()
    # Contiguous, as the graphs of other runtimes take and give them.
    return GraphSpec(name, module, inputs, tuple(part.contiguous() for part in run(*inputs)))


def write_onnx(graph: GraphSpec, path: Path, dynamic: bool = False) -> None:
    """Write a graph as an ONNX file.

    Args:
        graph: to write.
        path: of the file.
        dynamic: whether the number of crops is left open; the network must allow it.

    Raises:
        RuntimeMissingError: if onnx is not installed.
        ExportError: if the network has layers that ONNX does not know.
    """
    ONNX.load()
    names = [*graph.input_names, *(name for name in graph.output_names if name not in graph.input_names)]
    axes = {name: {0: "batch"} for name in names} if dynamic else None
    try:
        with torch.no_grad(), quiet_tracing(), _silenced():
            torch.onnx.export(
                graph.module,
                graph.inputs,
                str(path),
                input_names=graph.input_names,
                output_names=graph.output_names,
                opset_version=OPSET,
                dynamic_axes=axes,
                dynamo=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        what = "with an open number of crops as ONNX: give a fixed number with --batch" if dynamic else "as ONNX"
        raise ExportError(f"the {graph.name} graph cannot be written {what} ({first_line(error)})") from None


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Without PyTorch's warnings of shapes that become constants: here they are constant, and results are checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _silenced(descriptor: int = 1) -> Iterator[None]:
    """Without what the exporter's C++ part prints where it cannot go on: the whole graph, which tells users nothing."""
    sys.stdout.flush()
    kept = os.dup(descriptor)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it has no other name
            os.dup2(nowhere.fileno(), descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


def first_line(error: Exception) -> str:
    """What an exception of a library says first."""
    lines = [line.partition("  [")[0].strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
