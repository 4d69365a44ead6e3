"""A published network in ONNX form as a PyTorch module, for many images at once on a GPU.

onnx2torch converts it. Its files fix a batch of one in reshapes and kernels, so the module is mapped over the batch
(``torch.vmap``), by which each sample sees its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.peers.onnx_network import Signature, read_onnx
from siam_tracker_core.runtimes.graphs import first_line

# Convolutions whose kernels are no constants get a name of their own: onnx2torch converts none of these.
_DOMAIN, _OPERATOR = "siam_tracker", "ConvolutionWithItsInput"


def is_available() -> bool:
    """Whether onnx2torch is installed."""
    try:
        _register()
    except ModuleNotFoundError:
        return False
    return True


class TorchNetwork:
    """A network that runs where its inputs lie.

    Args:
        path: the ONNX file.
        signature: what the network must take and give.

    Raises:
        ConfigError: if ``onnx`` or ``onnx2torch`` is not installed.
        WeightsError: if the file is missing, truncated, not ONNX, of another network, or has operators that cannot be
            converted.
    """

    def __init__(self, path: Path, signature: Signature) -> None:
        model = read_onnx(path, signature)
        try:
            _register()
            import onnx2torch
        except ModuleNotFoundError as error:
            raise ConfigError(f"{path.name} runs on a GPU by onnx2torch: pip install {error.name}") from None
        _name_own_convolutions(model)
        try:
            module = onnx2torch.convert(model)
        except (KeyError, NotImplementedError, ValueError) as error:
            raise WeightsError(f"onnx2torch cannot convert {path}: {first_line(error)}") from None
        self._module = module.eval().requires_grad_(False)
        self._names = list(signature.inputs)
        self._mapped = torch.vmap(self._one)

    def __call__(self, **inputs: torch.Tensor) -> list[torch.Tensor]:
        """The outputs (N, ...) in the signature's order, of inputs (N, ...), all on one device."""
        values = [inputs[name] for name in self._names]
        self._module.to(values[0].device)
        with torch.no_grad():
            return list(self._mapped(*values))

    def _one(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self._module(*(each[None] for each in inputs))
        return tuple(each[0] for each in (outputs if isinstance(outputs, (list, tuple)) else [outputs]))


class _OwnConvolution(nn.Module):
    """Convolution (1, C, H, W) with kernels that another part of the network made."""

    def __init__(self, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(images, self.padding)
        return functional.conv2d(padded, kernels, None, self.stride, 0, self.dilation, self.groups)


@cache
def _register() -> None:
    from onnx2torch.node_converters.registry import add_converter
    from onnx2torch.utils.common import OnnxMapping, OperationConverterResult

    # of its slices, at every call
    warnings.filterwarnings("ignore", "Using a non-tuple sequence for multidimensional indexing")

    @add_converter(operation_type=_OPERATOR, version=1, domain=_DOMAIN)
    def convert(node: Any, graph: Any) -> Any:
        told = node.attributes
        top, left, bottom, right = told.get("pads", (0, 0, 0, 0))
        module = _OwnConvolution(
            told.get("strides", (1, 1)), (left, right, top, bottom), told.get("dilations", (1, 1)), told.get("group", 1)
        )
        mapping = OnnxMapping(inputs=tuple(node.input_values), outputs=node.output_values)
        return OperationConverterResult(torch_module=module, onnx_mapping=mapping)


def _name_own_convolutions(model: Any) -> None:
    """Give convolutions without bias whose kernels are no constants the operator of this module."""
    import onnx

    constants = {tensor.name for tensor in model.graph.initializer}
    found = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and len(node.input) == 2 and node.input[1] not in constants
    ]
    for node in found:
        node.domain, node.op_type = _DOMAIN, _OPERATOR
    if found:
        model.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
