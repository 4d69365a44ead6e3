"""Exported graphs in PyTorch without this package's network code: TorchScript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.errors import ExportError
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.graph_backend import GraphBackend
from siam_tracker_core.runtimes.graphs import GraphSpec, first_line, quiet_tracing


class TorchScriptBackend(GraphBackend):
    """Runs TorchScript graphs with PyTorch, on the CPU or on CUDA; its threads are PyTorch's own."""

    runtime = "torch"
    formats = ("torchscript",)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.threads = None

    def _open(self, path: Path) -> _Script:
        try:
            return _Script(torch.jit.load(str(path), map_location=self.device).eval())
        except RuntimeError as error:
            raise ExportError(f"PyTorch cannot load {path}: {first_line(error)}; export the tracker again") from None


class _Script:
    def __init__(self, function: Callable[..., Tensors]) -> None:
        self._function = function

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        return self._function(*inputs)


def write_torchscript(graph: GraphSpec, path: Path) -> None:
    """Write a graph as a TorchScript file.

    Raises:
        ExportError: if the network cannot be traced.
    """
    try:
        with torch.no_grad(), quiet_tracing():
            traced = torch.jit.trace(graph.module, graph.inputs, check_trace=False)
            torch.jit.freeze(traced).save(str(path))
    except RuntimeError as error:
        raise ExportError(f"the {graph.name} graph cannot be traced: {first_line(error)}") from None
