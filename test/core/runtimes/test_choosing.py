"""Which runtime is taken."""

from __future__ import annotations

import logging
import time

import pytest
import torch

from siam_tracker_core import load_tracker
from siam_tracker_core.errors import ConfigError, ExportError, RuntimeMissingError, WeightsError
from siam_tracker_core.runtimes import choosing
from siam_tracker_core.runtimes.checking import CropSizes
from siam_tracker_core.runtimes.choosing import choose, graph_backend
from siam_tracker_core.runtimes.manifest import MANIFEST
from siam_tracker_core.weights import save_weights

SIZES = CropSizes(31, (63,), 0.5)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Tests run beside others."""
    monkeypatch.setattr(choosing, "is_busy", lambda: False)


class Waiting:
    """A backend that takes a while for an answer."""

    def __init__(self, runtime, seconds):
        self.runtime, self.seconds, self.searches = runtime, seconds, 0
        self.device, self.stride, self.precision, self.threads = torch.device("cpu"), 8, "single", None

    def template(self, crops):
        return (torch.zeros(len(crops), 1),)

    def search(self, template, crops):
        self.searches += 1
        time.sleep(self.seconds)
        return (torch.zeros(len(crops), 1),)


def test_the_fastest_is_measured_once_and_remembered(wish, caplog):
    made = []

    def maker(name, seconds):
        def make():
            made.append(Waiting(name, seconds))
            return made[-1]

        return make

    candidates = {"openvino": maker("openvino", 0.02), "onnxruntime": maker("onnxruntime", 0.0005)}
    caplog.set_level(logging.INFO)
    assert choose(candidates, SIZES, {"weights": "a"}, wish()).runtime == "onnxruntime"
    assert "runtime onnxruntime is the fastest here" in caplog.text
    made.clear()
    assert choose(candidates, SIZES, {"weights": "a"}, wish()).runtime == "onnxruntime"
    assert [backend.runtime for backend in made] == ["onnxruntime"]
    assert made[0].searches == 0, "it was measured again"
    choose(candidates, SIZES, {"weights": "b"}, wish())
    assert len(made) == 3, "other weights are to be measured by themselves"


def test_one_that_fails_is_left_out_with_a_warning(wish, caplog):
    def fail():
        raise RuntimeMissingError("the library is of the wrong colour")

    backend = choose({"openvino": fail, "torch": lambda: Waiting("torch", 0)}, SIZES, {}, wish())
    assert backend.runtime == "torch"
    assert "runtime openvino is left out: the library is of the wrong colour" in caplog.text
    mended = {"openvino": lambda: Waiting("openvino", 0), "torch": lambda: Waiting("torch", 0.01)}
    assert choose(mended, SIZES, {}, wish()).runtime == "openvino", "a failure was remembered"


def test_a_runtime_that_does_not_load_is_left_out_too(wish, caplog, monkeypatch):
    """What tells the precisions of a processor is the library itself."""

    def missing():
        raise RuntimeMissingError("OpenVINO is not whole here")

    monkeypatch.setattr(choosing, "native_halves", missing)
    candidates = {"openvino": missing, "torch": lambda: Waiting("torch", 0)}
    assert choose(candidates, SIZES, {}, wish()).runtime == "torch"
    assert "runtime openvino is left out: OpenVINO is not whole here" in caplog.text


def test_weights_that_fit_no_network_are_no_fault_of_a_runtime(tmp_path, cache, caplog):
    path = tmp_path / "torn.safetensors"
    save_weights(path, {"conv1.weight": torch.zeros(2, 3, 1, 1)}, {"tracker": "siamfc"})
    with pytest.raises(WeightsError, match="does not fit SiamFCNetwork: missing: backbone"):
        load_tracker(path, "cpu", cache=cache)
    assert not caplog.text


def test_nothing_is_measured_on_a_busy_machine(wish, caplog, monkeypatch):
    candidates = {"openvino": lambda: Waiting("openvino", 0.01), "torch": lambda: Waiting("torch", 0)}
    monkeypatch.setattr(choosing, "is_busy", lambda: True)
    caplog.set_level(logging.INFO)
    busy = choose(candidates, SIZES, {}, wish())
    assert (busy.runtime, busy.searches) == ("openvino", 0)
    assert "runtime openvino is taken without a measurement, for this machine is busy now" in caplog.text
    monkeypatch.setattr(choosing, "is_busy", lambda: False)
    assert choose(candidates, SIZES, {}, wish()).runtime == "torch", "what was not measured was remembered"


def test_a_remembered_one_that_is_gone_is_replaced(wish):
    assert choose({"openvino": lambda: Waiting("openvino", 0)}, SIZES, {}, wish()).runtime == "openvino"
    (wish().cache / "fastest.json").write_text("{")
    assert choose({"torch": lambda: Waiting("torch", 0)}, SIZES, {}, wish()).runtime == "torch"


@pytest.mark.parametrize(("other", "taken"), [("whole", "the other's"), ("torn", "own")])
def test_of_two_processes_that_write_the_same_graphs_the_first_is_right(wish, monkeypatch, other, taken):
    """Both begin with an empty cache; graphs that one of them runs already must not be taken from under it."""
    pytest.importorskip("onnx")

    def export(subject, folder, wanted):
        folder.mkdir()
        (folder / MANIFEST).write_text("own")
        beside = wish().cache / folder.name
        beside.mkdir()
        (beside / MANIFEST).write_text("the other's" if other == "whole" else "torn")
        return "own"

    def read(folder):
        if not (folder / MANIFEST).is_file() or (folder / MANIFEST).read_text() == "torn":
            raise ExportError("nothing whole there")
        return (folder / MANIFEST).read_text()

    monkeypatch.setattr(choosing, "export", export)
    monkeypatch.setattr(choosing, "read_manifest", read)
    monkeypatch.setattr(choosing, "_opened", lambda name, folder, manifest, *rest: (manifest, read(folder)))
    assert graph_backend("onnxruntime", {}, lambda: None, wish()) == (taken, taken)
    assert len(list(wish().cache.iterdir())) == 1, "what was half written is left"


def test_unknown_runtimes_and_threads_are_refused():
    with pytest.raises(ConfigError, match="runtime 'caffe' is unknown; use one of auto, torch, onnxruntime"):
        load_tracker("siamfc", "cpu", runtime="caffe")
    with pytest.raises(ConfigError, match="threads is 0; give 1 or more"):
        load_tracker("siamfc", "cpu", threads=0)


def test_trackers_that_learn_run_in_pytorch_and_say_why(cache):
    with pytest.raises(ConfigError, match="mdnet runs with runtime torch only, because its last layers learn"):
        load_tracker("mdnet", "cpu", runtime="openvino", cache=cache)
    assert load_tracker("mdnet", "cpu", cache=cache).runtime == "torch"


def test_a_runtime_for_another_device_is_refused(cache):
    with pytest.raises(RuntimeMissingError, match="TensorRT"):
        load_tracker("siamfc", "cpu", runtime="tensorrt", cache=cache)


def test_without_optional_libraries_it_is_pytorch(monkeypatch, cache):
    monkeypatch.setattr("siam_tracker_core.runtimes.libraries.importlib.util.find_spec", lambda name: None)
    assert load_tracker("siamfc", "cpu", cache=cache).runtime == "torch"


def test_a_cache_of_compiled_graphs_that_fails_costs_time_only(cache, monkeypatch):
    """Of two processes that compile for the first time at once, one failed at the other's half-written file."""
    pytest.importorskip("onnx")
    openvino = pytest.importorskip("openvino")
    compile_model, asked = openvino.Core.compile_model, []

    def fail(core, path, device, settings):
        asked.append("CACHE_DIR" in settings)
        if asked[-1]:
            raise RuntimeError("cannot set permissions: No such file or directory")
        return compile_model(core, path, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", fail)
    tracker = load_tracker("siamfc", "cpu", runtime="openvino", cache=cache)
    tracker.warm_up()
    assert asked == [True, False] * (len(asked) // 2)
    assert asked


@pytest.mark.parametrize(
    ("tracker", "halves", "expected"),
    [
        ("siamrpn_mobilenetv2", ["BF16"], "half"),
        ("siamrpn_mobilenetv2", ["FP16"], "single"),  # on which nobody measured what it costs
        ("siamrpn_mobilenetv2", [], "single"),
        ("siamfc", ["BF16"], "half"),
    ],
)
def test_openvino_takes_bfloat16_where_the_processor_has_it(tracker, halves, expected, cache, monkeypatch):
    monkeypatch.setattr(choosing, "native_halves", lambda: halves)
    asked = []
    monkeypatch.setattr(choosing, "_opened", lambda *values: asked.append(values[-1]) or Waiting("openvino", 0))
    for precision in ("auto", "single"):
        load_tracker(tracker, "cpu", precision=precision, runtime="openvino", cache=cache)
    assert asked == [expected, "single"]
