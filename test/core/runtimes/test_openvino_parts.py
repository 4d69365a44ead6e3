"""A graph that is cut where the template comes in."""

from __future__ import annotations

import numpy as np
import pytest

from siam_tracker_core import load_tracker
from siam_tracker_core.runtimes import openvino_backend
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


@pytest.mark.parametrize(
    ("name", "hints"), [("siamfc", ["f32", "bf16", "f32"]), ("siamrpn_mobilenetv2", ["f32", "bf16"])]
)
def test_a_siamfc_s_features_are_rounded_and_its_correlation_is_not(name, hints, cache, monkeypatch):
    """The precisions in which the template graph and the search graph, or its two parts, are compiled."""
    asked, compile_model = [], openvino.Core.compile_model

    def recorded(core, model, device, settings):
        asked.append(settings["INFERENCE_PRECISION_HINT"])
        return compile_model(core, model, device, settings | SINGLE)

    monkeypatch.setattr(openvino_backend, "native_halves", lambda: ["BF16"])
    monkeypatch.setattr(openvino.Core, "compile_model", recorded)
    backend = load_tracker(name, "cpu", precision="half", runtime="openvino", cache=cache).model.backend._single
    for graph in ("template", "search_255"):
        backend.session(graph)
    assert asked == hints
