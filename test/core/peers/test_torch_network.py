"""A published network as a PyTorch module, against ONNX Runtime; skipped where onnx2torch is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.peers.onnx_network import OnnxNetwork, Signature

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")

SIGNATURE = Signature({"template": (1, 4, 5, 5), "search": (1, 4, 9, 9)}, {"map": (1, 4, 6, 6)})


def made_network(path: Path, operator: str = "Relu") -> None:
    """What published trackers are made of: a batch of one in a reshape, and a convolution by the other image."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weight = np.random.default_rng(0).normal(size=(4, 4, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["template", "weight"], ["features"], pads=[1, 1, 1, 1]),
            helper.make_node("Reshape", ["features", "shape"], ["kernels"]),
            helper.make_node("Conv", ["search", "kernels"], ["raw"], group=4, pads=[1, 0, 0, 1]),
            helper.make_node(operator, ["raw"], ["map"]),
        ],
        "made",
        [helper.make_tensor_value_info(name, 1, list(shape)) for name, shape in SIGNATURE.inputs.items()],
        [helper.make_tensor_value_info(name, 1, list(shape)) for name, shape in SIGNATURE.outputs.items()],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([4, 1, 5, 5], np.int64), "shape"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), str(path))


def test_a_batch_at_once_says_what_each_sample_says_alone(tmp_path: Path) -> None:
    from siam_tracker_core.peers.torch_network import TorchNetwork, is_available

    assert is_available()
    made_network(tmp_path / "net.onnx")
    alone, together = OnnxNetwork(tmp_path / "net.onnx", SIGNATURE), TorchNetwork(tmp_path / "net.onnx", SIGNATURE)
    generator = torch.Generator().manual_seed(0)
    given = {name: torch.randn((3, *shape[1:]), generator=generator) for name, shape in SIGNATURE.inputs.items()}
    (found,) = together(**given)
    for place in range(3):
        (expected,) = alone(**{name: values[place : place + 1].numpy() for name, values in given.items()})
        assert np.allclose(found[place : place + 1].numpy(), expected, atol=1e-4)


def test_an_operator_that_cannot_be_converted_is_told(tmp_path: Path) -> None:
    from siam_tracker_core.peers.torch_network import TorchNetwork

    made_network(tmp_path / "net.onnx", "Sinh")
    with pytest.raises(WeightsError, match=r"onnx2torch cannot convert .*net\.onnx"):
        TorchNetwork(tmp_path / "net.onnx", SIGNATURE)
