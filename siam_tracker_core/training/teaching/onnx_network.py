"""An ONNX file that answers one sample after another on a CPU, by OpenVINO or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import WeightsError

Array = NDArray[np.float32]


class OnnxNetwork:
    """A network with inputs of fixed sizes, run in one thread: the training has the other cores.

    Args:
        path: of the ONNX file.
        shapes: of the inputs by name; they replace those that the file gives, where the network allows it.

    Raises:
        WeightsError: if the file is missing, or no such network, or neither library is installed.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        if not path.is_file():
            raise WeightsError(f"the teacher's file {path} does not exist; give the folder that holds it")
        try:
            self._run = _by_openvino(path, shapes) or _by_onnxruntime(path)
        except Exception as error:  # each library has its own exceptions for a file that it cannot read
            raise WeightsError(
                f"{path} is not the teacher's network, or is damaged: {str(error).strip().splitlines()[-1]}"
            ) from None

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """The outputs by name for inputs by name."""
        return self._run(inputs)


Run = Callable[[Mapping[str, Array]], dict[str, Array]]


def _by_openvino(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Run | None:
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(shape) for name, shape in shapes.items()})
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    request = core.compile_model(model, "CPU", options).create_infer_request()

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        answers = request.infer(dict(inputs))
        return {output.get_any_name(): np.array(values) for output, values in answers.items()}

    return run


def _by_onnxruntime(path: Path) -> Run:
    try:
        import onnxruntime
    except ImportError:
        raise WeightsError("a teacher needs openvino or onnxruntime: pip install openvino") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
