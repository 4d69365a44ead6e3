"""What all runtimes of exported graphs share: which graph a crop goes through, and in what batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.cores import threads_to_use
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.graphs import search_name
from siam_tracker_core.runtimes.manifest import Manifest, read_manifest
from siam_tracker_core.runtimes.torch_backend import for_each_crop, joined

Array = NDArray[np.uint8] | NDArray[np.float32]


class Session(Protocol):
    """A graph that is ready to run."""

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        """The graph's answer.

        Args:
            inputs: uint8 crops (N, S, S, 3) and float32 templates (N, ...), contiguous, on the graph's device.

        Returns:
            Its outputs, float32; they stay as they are when the graph runs again.
        """
        ...


class GraphBackend(ABC):
    """Runs the graphs of an exported tracker; see ``Backend``.

    Args:
        folder: of the exported tracker.
        device: to run on.
        threads: for the network, see ``cores.threads_to_use``.
        manifest: of the folder, where it was read before.
        precision: ``half`` for graphs in single precision that the runtime is to compute in half; by default theirs.

    Attributes:
        manifest: of the exported tracker.
        threads: of the runtime's own pool, whatever PyTorch is told; None where it has none.

    Raises:
        RuntimeMissingError: if the runtime is not installed, or the machine cannot run the graphs.
        ExportError: if they are not whole.
    """

    runtime: str
    formats: tuple[str, ...]
    threads: int | None

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        threads: int | None = None,
        manifest: Manifest | None = None,
        precision: str | None = None,
    ) -> None:
        self.folder, self.device = folder, device
        self.threads = threads_to_use(threads) if device.type == "cpu" else None
        self.manifest = manifest or read_manifest(folder)
        self.stride, self.precision = self.manifest.stride, precision or self.manifest.precision
        self._sessions: dict[str, Session] = {}

    @abstractmethod
    def _open(self, path: Path) -> Session:
        """Make a graph ready to run.

        Raises:
            ExportError: if the file cannot be read as a graph.
        """

    def template(self, crops: torch.Tensor) -> Tensors:
        return self._run("template", crops, ())

    def search(self, template: Tensors, crops: torch.Tensor) -> Tensors:
        return self._run(search_name(crops.shape[-1]), crops, for_each_crop(template, len(crops)))

    def session(self, name: str) -> Session:
        """A graph, opened when it is first asked for.

        Raises:
            ExportError: if there is no such graph, or it cannot be read.
        """
        if name not in self._sessions:
            self._sessions[name] = self._open(self.manifest.path(self.folder, name))
        return self._sessions[name]

    def _run(self, name: str, crops: torch.Tensor, template: Tensors) -> Tensors:
        session, batch = self.session(name), self.manifest.batch or len(crops)
        inputs = (as_pixels(crops), *(part.contiguous() for part in template))
        if len(crops) == batch:
            return session(inputs)
        parts = [
            session([_filled(part[start : start + batch], batch) for part in inputs])
            for start in range(0, len(crops), batch)
        ]
        return tuple(part[: len(crops)] for part in joined(parts))


def as_pixels(crops: torch.Tensor) -> torch.Tensor:
    """Crops (N, 3, S, S) as uint8 (N, S, S, 3); those that ``Frame.crops`` gives are not copied."""
    pixels = crops if crops.dtype == torch.uint8 else crops.round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous()


def _filled(rows: torch.Tensor, batch: int) -> torch.Tensor:
    """Rows with the last one repeated until there are as many as a graph takes."""
    short = batch - len(rows)
    return rows if not short else torch.cat([rows, rows[-1:].expand(short, *rows.shape[1:])])
