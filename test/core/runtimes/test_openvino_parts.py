"""A graph that is cut where the template comes in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core import load_tracker
from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Window
from siam_tracker_core.runtimes.openvino_backend import native_halves
from siam_tracker_core.runtimes.openvino_parts import parted

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")
SINGLE = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.mark.parametrize(("name", "learns"), [("siamfc", False), ("siamfc", True), ("siamfc_ciresnet22", True)])
def test_both_parts_together_say_what_the_whole_says(name, learns, cache):
    """With what a tracker learns from among the answers, which goes by the template."""
    config = {"online": {"enabled": learns}}
    single = load_tracker(name, "cpu", config=config, precision="single", runtime="openvino", cache=cache).model.backend
    manifest, folder = single._single.manifest, single._single.folder
    core, path = openvino.Core(), str(manifest.path(folder, "search_255"))
    whole = core.compile_model(path, "CPU", SINGLE)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, whole.inputs[0].shape).astype(np.uint8)
    template = [rng.normal(size=each.shape).astype(np.float32) for each in whole.inputs[1:]]
    expected = whole([crops, *template])
    before, after = (core.compile_model(part, "CPU", SINGLE) for part in parted(core.read_model(path)))
    made = before([crops])
    assert [each.shape for each in before.inputs] == [whole.inputs[0].shape], "the first part knows no template"
    found = after([*(made[place] for place in range(len(made))), *template])
    assert len(found) == len(expected)
    for place in range(len(expected)):
        assert np.allclose(found[place], expected[place], rtol=1e-4, atol=1e-4 * np.abs(expected[place]).max())


def test_a_siamfc_in_bfloat16_correlates_in_single_precision(cache, footage):
    """Its features are rounded; its response is no number of eight bits, and near that of single precision."""
    if "BF16" not in native_halves():
        pytest.skip("this processor has no bfloat16")
    half, single = (
        load_tracker("siamfc", "cpu", precision=precision, runtime="openvino", cache=cache).model.backend
        for precision in ("half", "single")
    )
    frame = Frame.upload(footage.frames[0], torch.device("cpu"))
    window = Window(120.0, 100.0, 90.0)
    with torch.inference_mode():
        exemplar, crops = frame.crops([window], 127), frame.crops([window.scaled(2)] * 3, 255)
        (found,), (expected,) = (backend.search(backend.template(exemplar), crops) for backend in (half, single))
    assert (found == found.bfloat16().float()).float().mean() < 0.1
    assert (found - expected).abs().max() < 0.05 * (expected.max() - expected.min())
    assert found[0].argmax() == expected[0].argmax()
