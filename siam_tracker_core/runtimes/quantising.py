"""Search graphs in int8, by post-training quantisation: of OpenVINO's with NNCF, of ONNX's with ONNX Runtime.

The template branch runs once for a target, so its speed does not matter, and all later answers depend on its values:
it stays in single precision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.errors import RuntimeMissingError
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.checking import CropSizes
from siam_tracker_core.runtimes.graph_backend import as_pixels
from siam_tracker_core.runtimes.graphs import CROPS, search_name
from siam_tracker_core.runtimes.libraries import NNCF, ONNX, ONNXRUNTIME, OPENVINO
from siam_tracker_core.runtimes.samples import Sample

Feed = dict[str, NDArray[Any]]

# Instructions that multiply int8 and add up in int32; without them int8 is slower than single precision.
INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})
# What stays in single precision: the steps from distances to boxes and from logits to probabilities, whose numbers int8
# cannot hold, and the correlation, whose kernels come from outside the graph.
_SINGLE = ("Softmax", "Sigmoid", "Exp", "Clamp", "Subtract", "Divide", "GroupConvolution", "MatMul")


def require_int8(information: Path = Path("/proc/cpuinfo")) -> None:
    """Refuse int8 on a processor that has no instructions for it.

    Args:
        information: where the kernel lists the processor's features; nothing is refused where it does not.

    Raises:
        RuntimeMissingError: names the instructions that are missing.
    """
    if not information.is_file():
        return
    for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, values = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            if not INT8_FLAGS & set(values.split()):
                raise RuntimeMissingError(
                    "this CPU has none of the instructions that make int8 fast "
                    f"({', '.join(sorted(INT8_FLAGS))}); use precision single"
                )
            return


def quantised_openvino(model: Any, feeds: Sequence[Feed]) -> Any:
    """An OpenVINO model in int8, by NNCF.

    Args:
        model: in single precision.
        feeds: inputs by name that its activations are measured on.

    Raises:
        RuntimeMissingError: if NNCF is not installed.
    """
    OPENVINO.load()  # before NNCF, which imports it
    nncf = NNCF.load()
    nncf.set_log_level(logging.ERROR)
    return nncf.quantize(
        model,
        nncf.Dataset(list(feeds)),
        subset_size=len(feeds),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=True,
        ignored_scope=nncf.IgnoredScope(types=list(_SINGLE), validate=False),
    )


def quantise_onnx(path: Path, feeds: Sequence[Feed]) -> None:
    """Turn an ONNX file into one with the same graph whose convolutions are in int8, by ONNX Runtime.

    Raises:
        RuntimeMissingError: if ONNX Runtime or onnx is not installed.
    """
    onnx = ONNX.load()
    ONNXRUNTIME.load()
    from onnxruntime import quantization

    graph = onnx.load(str(path)).graph
    fixed = {tensor.name for tensor in graph.initializer}
    correlations = [node.name for node in graph.node if node.op_type == "Conv" and node.input[1] not in fixed]

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Hands out one feed after the other, and none at the end."""

        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self._feeds, None)

    quantization.quantize_static(
        str(path),
        str(path),
        Reader(),
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=correlations,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def feeds_of(
    samples: Iterable[Sample], sizes: CropSizes, template: Callable[[torch.Tensor], Tensors]
) -> dict[str, list[Feed]]:
    """Inputs of every search graph, on which its activations are measured.

    Args:
        samples: targets in pictures.
        sizes: of the crops.
        template: the template branch, as ``Backend.template``.
    """
    feeds: dict[str, list[Feed]] = {search_name(size): [] for size in sizes.searches}
    for sample in samples:
        answers = template(sample.exemplar(sizes.exemplar, sizes.context))
        rows = {f"template_{number}": part.float().numpy() for number, part in enumerate(answers)}
        for size in sizes.searches:
            crop = sample.search(size, sizes.exemplar, sizes.context)
            feeds[search_name(size)].append({CROPS: as_pixels(crop).numpy(), **rows})
    return feeds


def repeated(feeds: Sequence[Feed], batch: int) -> list[Feed]:
    """Feeds of one crop as feeds of a graph that takes ``batch`` of them."""
    if batch <= 1:
        return list(feeds)
    return [{name: np.repeat(array, batch, axis=0) for name, array in feed.items()} for feed in feeds]
