"""Exported trackers: what is written, and what is refused."""

from __future__ import annotations

import dataclasses
import errno
import re
import shutil
import sys

import numpy as np
import pytest
import torch
import yaml

from siam_tracker_core import load_tracker
from siam_tracker_core.builders import ON_BACKENDS
from siam_tracker_core.commands.export import export as command
from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError, ExportError, OutputError, RuntimeMissingError, SiamTrackerError
from siam_tracker_core.loading import subject_of
from siam_tracker_core.networks.rpn import SiamRPNNetwork
from siam_tracker_core.runtimes.export import Wanted, check_request, export
from siam_tracker_core.runtimes.manifest import MANIFEST, read_manifest
from siam_tracker_core.runtimes.quantising import require_int8
from siam_tracker_core.runtimes.tensorrt_backend import check_machine
from siam_tracker_core.zoo import blueprint_of, read_zoo

LEARNS = {"online": {"enabled": True}}


@pytest.fixture(scope="module")
def subject():
    """The zoo's SiamFC, whose export is the quickest."""
    return subject_of(blueprint_of("siamfc", torch.device("cpu"), "single"))


@pytest.fixture(scope="module")
def torchscript(subject, tmp_path_factory):
    """It as TorchScript, which needs nothing beside PyTorch."""
    folder = tmp_path_factory.mktemp("exported") / "siamfc"
    export(subject, folder, Wanted("torchscript"))
    return folder


@pytest.fixture
def exported(torchscript, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(torchscript, tmp_path / "siamfc")


def test_an_exported_tracker_answers_as_the_one_that_it_was_made_of(torchscript, footage):
    boxes = []
    for name in (torchscript, "siamfc"):
        tracker = load_tracker(name, "cpu", precision="auto" if name is torchscript else "single", runtime="torch")
        tracker.init(footage.frames[0], footage.boxes[0])
        boxes.append([tracker.update(image).box.to_array() for image in footage.frames[1:10]])
    assert np.allclose(*boxes, atol=0.1)


def test_the_manifest_tells_what_was_written(torchscript):
    manifest = read_manifest(torchscript)
    assert manifest.tracker == "siamfc"
    assert set(manifest.graphs) == {"template", "search_255"}
    assert manifest.config["calibration"]
    assert manifest.versions["torch"] == torch.__version__
    assert all(graph.largest_difference < 1e-3 for graph in manifest.graphs.values())


@pytest.mark.parametrize("name", sorted(name for name, entry in read_zoo().items() if entry.tracker in ON_BACKENDS))
def test_every_tracker_is_exported_with_settings_that_can_be_read(name):
    """Weights files keep settings under the names of their day; what is exported has the present ones."""
    blueprint = blueprint_of(name, torch.device("cpu"), "single")
    settings = ON_BACKENDS[blueprint.metadata["tracker"]][1]
    assert read_config(settings, subject_of(blueprint).config, name) == blueprint.config(settings)


def test_the_graph_has_its_preprocessing_inside(torchscript, subject):
    """RGB images of the network's own type, made here by hand, give what the graph makes of uint8 BGR crops."""
    crop = torch.randint(0, 256, (1, 127, 127, 3), dtype=torch.uint8)
    images = crop.numpy()[..., ::-1].astype(np.float32).transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = subject.backend.network.template(torch.from_numpy(np.ascontiguousarray(images)))[0]
        graph = torch.jit.load(str(torchscript / "template.pt"))
        assert torch.allclose(graph(crop)[0], expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_graphs_of_a_fixed_batch_answer_as_pytorch(subject, tmp_path, batch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    manifest = export(subject, tmp_path / "out", Wanted("onnx", batch=batch))
    assert all(0 < graph.largest_difference < 1e-3 for graph in manifest.graphs.values())


def test_an_open_batch_is_refused_where_the_correlation_is_made_for_one(subject, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    with pytest.raises(ExportError, match="give a fixed number with --batch"):
        export(subject, tmp_path / "out", Wanted("onnx", batch=0))
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.iterdir()), "what was half written is left"


def test_answers_that_differ_are_refused(subject, tmp_path, monkeypatch):
    """A graph of another gain is caught by the comparison with PyTorch."""
    other = dataclasses.replace(subject, backend=subject.backend)
    monkeypatch.setattr(
        "siam_tracker_core.runtimes.export.graphs_of",
        lambda network, *rest, **options: _graphs_with_another_gain(network, *rest, **options),
    )
    with pytest.raises(ExportError, match="search graph for crops of 255 pixels differs from PyTorch by"):
        export(other, tmp_path / "out", Wanted("torchscript"))
    assert not (tmp_path / "out").exists()


def _graphs_with_another_gain(network, *rest, **options):
    import copy

    from siam_tracker_core.runtimes.graphs import graphs_of

    changed = copy.deepcopy(network)
    changed.correlation.gain *= 1.01
    return graphs_of(changed, *rest, **options)


def test_a_truncated_file_is_named(exported):
    file = exported / "search_255.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ExportError, match=r"search_255\.pt is truncated or not the file that tracker\.yaml lists"):
        load_tracker(exported, "cpu")


def test_a_missing_file_is_named(exported):
    (exported / "template.pt").unlink()
    with pytest.raises(ExportError, match=r"template\.pt is missing"):
        load_tracker(exported, "cpu")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("layout", 99, r"written by another version of this package \(layout 99, this one reads 1\)"),
        ("tracker", "ostrack", "exported for a tracker 'ostrack', which this version does not know"),
        ("batch", -3, "batch: Input should be greater than or equal to 0"),
        ("graphs", None, "tracker.yaml"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(exported, key, value, sentence):
    values = yaml.safe_load((exported / MANIFEST).read_text())
    (exported / MANIFEST).write_text(yaml.safe_dump(values | {key: value}))
    with pytest.raises(SiamTrackerError, match=sentence):
        load_tracker(exported, "cpu")


def test_settings_that_the_graphs_are_not_for_are_refused(exported):
    with pytest.raises(ConfigError, match="the settings ask for 127 and 239"):
        load_tracker(exported, "cpu", config={"search_size": 239})


@pytest.mark.slow
def test_a_tracker_that_learns_is_exported_with_its_features(exported, tmp_path, footage):
    with pytest.raises(ConfigError, match="was exported without the features that learning needs"):
        load_tracker(exported, "cpu", config=LEARNS)
    folder = tmp_path / "learns"
    export(subject_of(blueprint_of("siamfc", torch.device("cpu"), "single", LEARNS)), folder, Wanted("torchscript"))
    boxes, told = [], []
    for name, changes in ((folder, None), ("siamfc", LEARNS)):
        precision = "auto" if name is folder else "single"
        tracker = load_tracker(name, "cpu", config=changes, precision=precision, runtime="torch")
        tracker.init(footage.frames[0], footage.boxes[0])
        results = [tracker.update(image) for image in footage.frames[1:6]]
        boxes.append([result.box.to_array() for result in results])
        told.append([result.learning for result in results])
    assert np.allclose(*boxes, atol=0.1)
    assert all(told[0])
    with pytest.raises(ConfigError, match=r"online\.features_from 3, or leave learning off"):
        load_tracker(folder, "cpu", config={"online": {"features_from": 3}})
    plain = load_tracker(folder, "cpu", config={"online": {"enabled": False}})
    plain.init(footage.frames[0], footage.boxes[0])
    assert plain.update(footage.frames[1]).learning == ""


def test_another_precision_or_runtime_than_the_folder_has_is_refused(exported):
    with pytest.raises(ConfigError, match="was exported in single precision, not in half"):
        load_tracker(exported, "cpu", precision="half")
    with pytest.raises(ConfigError, match="format torchscript, which runtime openvino on cpu does not run"):
        load_tracker(exported, "cpu", runtime="openvino")


def test_a_folder_without_a_manifest_is_no_tracker(tmp_path):
    with pytest.raises(ExportError, match=r"holds no tracker\.yaml"):
        load_tracker(tmp_path, "cpu")


def test_a_folder_with_something_else_is_left_alone(subject, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ExportError, match="exists and holds no exported tracker"):
        export(subject, tmp_path, Wanted("torchscript"))
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_computed(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / "file"))):
        check_request(Wanted(), tmp_path / "file" / "exported")


def test_a_link_to_a_folder_is_followed(subject, exported, tmp_path):
    """It was refused after all had been computed."""
    link = tmp_path / "link"
    link.symlink_to(exported)
    (exported / MANIFEST).write_text("another one")
    export(subject, link, Wanted("torchscript"))
    assert link.is_symlink()
    assert read_manifest(exported).tracker == "siamfc"


def test_a_command_checks_its_request_once(tmp_path, monkeypatch):
    asked = []
    for module in ("commands", "runtimes"):
        monkeypatch.setattr(f"siam_tracker_core.{module}.export.check_request", lambda *request: asked.append(request))
    command("siamfc", tmp_path / "siamfc", format="torchscript")
    assert len(asked) == 1


def test_a_full_disk_leaves_nothing_behind(subject, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("siam_tracker_core.runtimes.export.write_torchscript", full)
    with pytest.raises(OutputError, match="no space left"):
        export(subject, tmp_path / "exported", Wanted("torchscript"))
    assert not list(tmp_path.iterdir())


def test_trackers_that_learn_say_why_they_cannot_be_exported(tmp_path):
    with pytest.raises(ExportError, match="mdnet cannot be exported, because its last layers learn in PyTorch"):
        command("mdnet", tmp_path / "out", format="torchscript")


def test_int8_needs_sequences(tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(ConfigError, match="give their folder with --calibration"):
        command("siamfc", tmp_path / "out", format="onnx", precision="int8")


def test_tensorrt_needs_its_library_or_a_gpu(tmp_path):
    with pytest.raises(RuntimeMissingError, match="TensorRT"):
        command("siamfc", tmp_path / "out", format="tensorrt", device="cpu")


def test_a_library_that_is_missing_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeMissingError, match=r"ONNX is not installed: pip install '\.\[onnx\]'"):
        command("siamfc", tmp_path / "out", format="onnx")


def test_int8_is_refused_where_the_processor_has_no_instructions_for_it(tmp_path):
    information = tmp_path / "cpuinfo"
    information.write_text("model name : old\nflags : fpu sse2 avx2\n")
    with pytest.raises(RuntimeMissingError, match="none of the instructions that make int8 fast"):
        require_int8(information)
    information.write_text("flags : fpu avx512_vnni\n")
    require_int8(information)
    require_int8(tmp_path / "none")


def test_an_engine_of_another_gpu_is_refused(tmp_path):
    engine = {"gpu": "Orin", "compute_capability": "8.7", "tensorrt": "10.3"}
    check_machine(engine, dict(engine), tmp_path)
    with pytest.raises(RuntimeMissingError, match="are for GPU Orin and not A100"):
        check_machine(engine, engine | {"gpu": "A100"}, tmp_path)


@pytest.mark.parametrize("format", ["openvino", pytest.param("onnx", marks=pytest.mark.slow)])
def test_int8_stays_near_single_precision(videos, tmp_path, monkeypatch, format):
    for name in ("onnx", "openvino", "onnxruntime", "nncf"):
        pytest.importorskip(name)
    monkeypatch.setattr("siam_tracker_core.commands.export.PAIRS", 12)
    command("siamfc", tmp_path / "out", format=format, precision="int8", calibration=videos)
    manifest = read_manifest(tmp_path / "out")
    assert 1e-4 < manifest.graphs["search_255"].largest_difference < 0.2
    assert manifest.graphs["template"].largest_difference < 1e-3, "the template branch is to stay as it is"


def test_every_siamese_network_can_be_split():
    assert callable(SiamRPNNetwork.template)
    assert callable(SiamRPNNetwork.search)
