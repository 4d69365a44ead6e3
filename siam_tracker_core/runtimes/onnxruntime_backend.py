"""Exported graphs in ONNX Runtime, on the CPU or by its CUDA provider."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from siam_tracker_core.errors import ExportError, RuntimeMissingError
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.graph_backend import GraphBackend
from siam_tracker_core.runtimes.graphs import first_line
from siam_tracker_core.runtimes.libraries import ONNXRUNTIME
from siam_tracker_core.runtimes.manifest import Manifest

_NUMPY = {torch.uint8: np.uint8, torch.float32: np.float32, torch.float16: np.float16}


class ONNXRuntimeBackend(GraphBackend):
    """Runs graphs with ONNX Runtime.

    On the CPU one pool of threads that sleep while they wait; on CUDA crops and answers stay in the GPU's memory.

    Args:
        folder, device, threads, manifest, precision: as for ``GraphBackend``.
    """

    runtime = "onnxruntime"
    formats = ("onnx",)

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        threads: int | None = None,
        manifest: Manifest | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__(folder, device, threads, manifest, precision)
        self._library = ONNXRUNTIME.load()
        self._providers = self._chosen_providers()

    def _chosen_providers(self) -> list[Any]:
        if self.device.type == "cpu":
            return ["CPUExecutionProvider"]
        if "CUDAExecutionProvider" not in self._library.get_available_providers():
            raise RuntimeMissingError(
                f"this ONNX Runtime has no CUDA provider, and the tracker is to run on {self.device}: install "
                "onnxruntime-gpu in place of onnxruntime"
            )
        stream = torch.cuda.current_stream(self.device).cuda_stream
        options = {"device_id": self.device.index or 0, "user_compute_stream": str(stream)}
        return [("CUDAExecutionProvider", options)]

    def _options(self) -> Any:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self.threads or 1  # on CUDA the CPU has next to nothing to do
        options.inter_op_num_threads = 1
        options.execution_mode = self._library.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # what goes wrong comes as an exception, too
        for pool in ("intra_op", "inter_op"):
            options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
        return options

    def _open(self, path: Path) -> _CPUSession | _CUDASession:
        try:
            session = self._library.InferenceSession(str(path), self._options(), providers=self._providers)
        except Exception as error:  # its own exceptions share no base with a name
            raise ExportError(
                f"ONNX Runtime cannot load {path}: {first_line(error)}; export the tracker again"
            ) from None
        return _CPUSession(session) if self.device.type == "cpu" else _CUDASession(session, self.device)


class _CPUSession:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._names = [item.name for item in session.get_inputs()]

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        feed = {name: part.numpy() for name, part in zip(self._names, inputs, strict=True)}
        return tuple(torch.from_numpy(answer) for answer in self._session.run(None, feed))


class _CUDASession:
    """A session whose inputs and outputs are tensors on the GPU; nothing goes through the host."""

    def __init__(self, session: Any, device: torch.device) -> None:
        self._session, self._device = session, device
        self._names = [item.name for item in session.get_inputs()]
        self._outputs = [(item.name, item.shape) for item in session.get_outputs()]

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        binding = self._session.io_binding()
        for name, part in zip(self._names, inputs, strict=True):
            self._bind(binding.bind_input, name, part)
        answers = tuple(self._answer(shape, len(inputs[0])) for _, shape in self._outputs)
        for (name, _), answer in zip(self._outputs, answers, strict=True):
            self._bind(binding.bind_output, name, answer)
        self._session.run_with_iobinding(binding)
        return answers

    def _answer(self, shape: Sequence[int | str], batch: int) -> torch.Tensor:
        sides = [side if isinstance(side, int) else batch for side in shape]
        return torch.empty(sides, device=self._device, dtype=torch.float32)

    def _bind(self, bind: Any, name: str, part: torch.Tensor) -> None:
        bind(
            name=name,
            device_type="cuda",
            device_id=self._device.index or 0,
            element_type=_NUMPY[part.dtype],
            shape=tuple(part.shape),
            buffer_ptr=part.data_ptr(),
        )
