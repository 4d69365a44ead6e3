"""Exported graphs in TensorRT: engines for one kind of GPU, built once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.errors import ExportError, RuntimeMissingError
from siam_tracker_core.files.writing import write_bytes
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.graph_backend import GraphBackend
from siam_tracker_core.runtimes.libraries import TENSORRT
from siam_tracker_core.runtimes.manifest import Manifest
from siam_tracker_core.weights import sha256

# What a build may use of the GPU's memory; the graphs here need a tenth of it.
WORKSPACE_BYTES = 1 << 29
# Crops that an engine for any number of them is built for, and how many it is fastest with.
LARGEST_BATCH, USUAL_BATCH = 64, 4


class TensorRTBackend(GraphBackend):
    """Runs graphs with TensorRT, on tensors in the GPU's memory and on PyTorch's stream.

    Args:
        folder, device, threads, manifest, precision: as for ``GraphBackend``; threads play no part.
        cache: folder for engines that are built of ONNX graphs here. An engine is kept by the hash of its graph, the
            GPU's name, its compute capability and TensorRT's version, as it runs on nothing else. None builds anew.
    """

    runtime = "tensorrt"
    formats = ("onnx", "tensorrt")

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        threads: int | None = None,
        manifest: Manifest | None = None,
        precision: str | None = None,
        cache: Path | None = None,
    ) -> None:
        super().__init__(folder, device, threads, manifest, precision)
        if device.type != "cuda":
            raise RuntimeMissingError(f"TensorRT runs on an NVIDIA GPU, not on {device}; use openvino or torch there")
        self._library = TENSORRT.load()
        self._cache = cache
        if self.manifest.format == "tensorrt":
            check_machine(self.manifest.machine, gpu_facts(device, self._library), folder)

    def _open(self, path: Path) -> _Engine:
        if self.manifest.format == "tensorrt":
            return _Engine(self._library, path.read_bytes(), self.device, path)
        kept = self._cache / engine_name(path, self.precision, self.device, self._library) if self._cache else None
        if kept is not None and kept.is_file():
            return _Engine(self._library, kept.read_bytes(), self.device, kept)
        plan = build_engine(path, self.precision, self._library)
        if kept is not None:
            write_bytes(kept, plan)
        return _Engine(self._library, plan, self.device, path)


class _Engine:
    """An engine with the context that it runs in."""

    def __init__(self, library: Any, plan: bytes, device: torch.device, origin: Path) -> None:
        self._library, self._device = library, device
        runtime = library.Runtime(library.Logger(library.Logger.ERROR))
        self._engine = runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ExportError(
                f"TensorRT cannot read the engine {origin}: it is truncated or of another TensorRT; export it again"
            )
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        is_input = {name: self._engine.get_tensor_mode(name) == library.TensorIOMode.INPUT for name in names}
        self._inputs = [name for name in names if is_input[name]]
        self._outputs = [name for name in names if not is_input[name]]

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        # Templates of half precision come back in the type that the engine takes.
        for name, part in zip(self._inputs, inputs, strict=True):
            self._context.set_input_shape(name, tuple(part.shape))
            self._context.set_tensor_address(name, part.data_ptr())
        answers = tuple(self._answer(name) for name in self._outputs)
        for name, answer in zip(self._outputs, answers, strict=True):
            self._context.set_tensor_address(name, answer.data_ptr())
        stream = torch.cuda.current_stream(self._device).cuda_stream
        if not self._context.execute_async_v3(stream):
            raise RuntimeError("TensorRT could not run the engine; its log says why")
        return answers

    def _answer(self, name: str) -> torch.Tensor:
        shape = tuple(self._context.get_tensor_shape(name))
        return torch.empty(shape, device=self._device, dtype=torch.float32)


def build_engine(graph: Path, precision: str, library: Any = None) -> bytes:
    """Compile an ONNX graph for the GPU of this machine; takes from seconds to minutes.

    Args:
        graph: ONNX file.
        precision: ``half`` lets TensorRT choose float16 where it is faster; ``int8`` takes the graph's own
            quantisation.
        library: TensorRT, where it is imported already.

    Raises:
        RuntimeMissingError: if TensorRT is not installed.
        ExportError: if TensorRT cannot read or build the graph.
    """
    trt = library or TENSORRT.load()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        reasons = "; ".join(str(parser.get_error(number)) for number in range(parser.num_errors))
        raise ExportError(f"TensorRT cannot read {graph}: {reasons}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    for flag in {"half": ("FP16",), "int8": ("INT8", "FP16")}.get(precision, ()):
        # Newer versions take the types of the graph and have no such flags.
        if hasattr(trt.BuilderFlag, flag):
            config.set_flag(getattr(trt.BuilderFlag, flag))
    if any(-1 in tuple(network.get_input(number).shape) for number in range(network.num_inputs)):
        config.add_optimization_profile(_profile(builder, network))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(f"TensorRT cannot build an engine of {graph}; its log says why")
    return bytes(plan)


def _profile(builder: Any, network: Any) -> Any:
    """Batches from 1 to ``LARGEST_BATCH`` for graphs whose batch is open."""
    profile = builder.create_optimization_profile()
    for number in range(network.num_inputs):
        tensor = network.get_input(number)
        shapes = [
            tuple(batch if side == -1 else side for side in tensor.shape) for batch in (1, USUAL_BATCH, LARGEST_BATCH)
        ]
        profile.set_shape(tensor.name, *shapes)
    return profile


def gpu_facts(device: torch.device, library: Any) -> dict[str, str]:
    """What an engine is bound to: the GPU's name, its compute capability and TensorRT's version."""
    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "tensorrt": str(library.__version__),
    }


def engine_name(graph: Path, precision: str, device: torch.device, library: Any) -> str:
    """File name of an engine, different for every graph, GPU and version."""
    facts = [sha256(graph), precision, *gpu_facts(device, library).values()]
    return f"{graph.stem}-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:16]}.engine"


def check_machine(engine: dict[str, str], here: dict[str, str], folder: Path) -> None:
    """Refuse an engine that was built for another GPU or TensorRT.

    Raises:
        RuntimeMissingError: names what differs.
    """
    words = {"gpu": "GPU", "compute_capability": "compute capability", "tensorrt": "TensorRT"}
    differing = [
        f"{words[key]} {engine.get(key, 'unknown')} and not {value}"
        for key, value in here.items()
        if engine.get(key) != value
    ]
    if differing:
        raise RuntimeMissingError(
            f"the engines in {folder} are for {', '.join(differing)}; export the tracker again on this machine"
        )
