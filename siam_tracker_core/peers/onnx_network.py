"""A published network in ONNX form, run by ONNX Runtime or OpenVINO, with its grids checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError, RuntimeMissingError, WeightsError
from siam_tracker_core.runtimes.graphs import first_line
from siam_tracker_core.runtimes.openvino_backend import openvino_core

Shape = tuple[int | None, ...]
Tensor = NDArray[np.float32]
Run = Callable[[Mapping[str, Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Signature:
    """What goes into a network and what comes out of it.

    Attributes:
        inputs, outputs: shapes by name; None along an axis that may have any extent.
        free: axes of inputs and outputs to be made free where the file fixes them, as (name, axis).
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    free: Sequence[tuple[str, int]] = ()


class OnnxNetwork:
    """A network that runs on the CPU in one thread, which leaves the other cores to whoever runs several at once.

    Args:
        path: the ONNX file.
        signature: what the network must take and give.
        fixed: shapes of the inputs by name, where they are the same in every call. OpenVINO, where it is there, runs
            a network of fixed shapes; ONNX Runtime runs all others.

    Raises:
        ConfigError: if ``onnx`` is not installed, or what runs the network.
        WeightsError: if the file is missing, truncated, not ONNX, or of another network.
    """

    def __init__(self, path: Path, signature: Signature, fixed: Mapping[str, tuple[int, ...]] | None = None) -> None:
        model = read_onnx(path, signature)
        content, outputs = model.SerializeToString(), list(signature.outputs)
        by_openvino = None if fixed is None else _by_openvino(path, content, outputs, fixed)
        self._run = by_openvino or _by_onnxruntime(path, content, outputs)

    def __call__(self, **inputs: Tensor) -> list[Tensor]:
        """The outputs in the signature's order."""
        return self._run({name: np.asarray(values, dtype=np.float32) for name, values in inputs.items()})


def read_onnx(path: Path, signature: Signature) -> Any:
    """The model of an ONNX file that takes and gives what it must.

    Raises:
        ConfigError: if ``onnx`` is not installed.
        WeightsError: if the file is missing, truncated, not ONNX, or of another network.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise _missing(path, error) from None
    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception:  # protobuf's DecodeError; its module is no part of its interface
        raise WeightsError(f"{path} is not an ONNX file, or it is truncated; copy it again") from None
    _check(path, model, signature)
    _set_free(model, signature)
    return model


def _by_onnxruntime(path: Path, content: bytes, outputs: list[str]) -> Run:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise _missing(path, error) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes, which differ between versions
        raise WeightsError(f"ONNX Runtime cannot load {path}: {first_line(error)}") from None
    return lambda inputs: session.run(outputs, dict(inputs))  # type: ignore[no-any-return]


def _by_openvino(path: Path, content: bytes, outputs: list[str], shapes: Mapping[str, tuple[int, ...]]) -> Run | None:
    """None where OpenVINO is not installed."""
    try:
        core = openvino_core()
    except RuntimeMissingError:
        return None
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    try:
        model = core.read_model(content)
        model.reshape({name: list(shape) for name, shape in shapes.items()})
        request = core.compile_model(model, "CPU", options).create_infer_request()
    except Exception as error:  # OpenVINO's own classes, which differ between versions
        raise WeightsError(f"OpenVINO cannot load {path}: {first_line(error)}") from None

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        found = request.infer(dict(inputs))
        return [np.array(found[name]) for name in outputs]

    return run


def _missing(path: Path, error: ModuleNotFoundError) -> ConfigError:
    return ConfigError(
        f"{path.name} runs on the package {error.name}, which is not installed: pip install onnx onnxruntime"
    )


def _check(path: Path, model: object, signature: Signature) -> None:
    """See that a model takes and gives what is expected.

    Raises:
        WeightsError: if not.
    """
    graph = model.graph  # type: ignore[attr-defined]
    constants = {tensor.name for tensor in graph.initializer}
    found = {
        "input": {value.name: _shape(value) for value in graph.input if value.name not in constants},
        "output": {value.name: _shape(value) for value in graph.output},
    }
    for kind, expected in (("input", signature.inputs), ("output", signature.outputs)):
        if found[kind].keys() != expected.keys():
            raise WeightsError(
                f"{path} is of another network: its {kind}s are {_names(found[kind])}, expected {_names(expected)}"
            )
        for name, shape in expected.items():
            own = found[kind][name]
            pairs = zip(own, shape, strict=False)
            if len(own) != len(shape) or any(None not in (a, b) and a != b for a, b in pairs):
                raise WeightsError(
                    f"{path} is of another network: its {kind} {name} is {_text(own)}, expected {_text(shape)}"
                )


def _set_free(model: object, signature: Signature) -> None:
    """Make axes free that the file fixes; shapes inside are found anew."""
    graph = model.graph  # type: ignore[attr-defined]
    if not signature.free:
        return
    values = {value.name: value for value in [*graph.input, *graph.output]}
    for name, axis in signature.free:
        values[name].type.tensor_type.shape.dim[axis].dim_param = f"{name}_{axis}"
    del graph.value_info[:]


def _shape(value: object) -> Shape:
    dimensions = value.type.tensor_type.shape.dim  # type: ignore[attr-defined]
    return tuple(each.dim_value if each.HasField("dim_value") else None for each in dimensions)


def _names(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(shapes) or "none"


def _text(shape: Shape) -> str:
    return "x".join("?" if extent is None else str(extent) for extent in shape)
