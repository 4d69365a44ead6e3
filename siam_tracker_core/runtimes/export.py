"""Write a tracker's network as graphs that run without PyTorch, beside a manifest that tells all the rest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.errors import ExportError, RuntimeMissingError
from siam_tracker_core.files.writing import cannot_write, made_folder
from siam_tracker_core.runtimes.backend import Backend
from siam_tracker_core.runtimes.checking import CropSizes, check_differences, largest_differences
from siam_tracker_core.runtimes.graph_backend import GraphBackend
from siam_tracker_core.runtimes.graphs import GraphSpec, first_line, graphs_of, search_name, write_onnx
from siam_tracker_core.runtimes.libraries import ONNX, ONNXRUNTIME, OPENVINO, TENSORRT, Library
from siam_tracker_core.runtimes.manifest import MANIFEST, Format, GraphFile, Manifest, Precision
from siam_tracker_core.runtimes.onnxruntime_backend import ONNXRuntimeBackend
from siam_tracker_core.runtimes.openvino_backend import OpenVINOBackend, openvino_core
from siam_tracker_core.runtimes.quantising import Feed, feeds_of, quantise_onnx, quantised_openvino, repeated
from siam_tracker_core.runtimes.samples import Sample, made_pictures, samples_of_pictures
from siam_tracker_core.runtimes.tensorrt_backend import TensorRTBackend, build_engine, gpu_facts
from siam_tracker_core.runtimes.torch_backend import TorchBackend
from siam_tracker_core.runtimes.torchscript_backend import TorchScriptBackend, write_torchscript
from siam_tracker_core.weights import sha256

_CHECKED_ON = 5
_BACKENDS: dict[str, tuple[type[GraphBackend], ...]] = {
    "onnx": (ONNXRuntimeBackend, OpenVINOBackend),
    "openvino": (OpenVINOBackend,),
    "tensorrt": (TensorRTBackend,),
    "torchscript": (TorchScriptBackend,),
}


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        name: of the tracker.
        tracker: its kind, as in the metadata of its weights.
        backend: runs its network in PyTorch, in single precision on the CPU.
        sizes: of its crops.
        weights: SHA-256 of the weights file.
        network, config: as in its metadata.
    """

    name: str
    tracker: str
    backend: TorchBackend
    sizes: CropSizes
    weights: str
    network: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """In what form it is exported.

    Attributes:
        format: of the graphs.
        precision: of their arithmetic.
        batch: crops that a graph takes at once; 0 leaves the number open.
        device: that TensorRT builds for.
    """

    format: Format = "onnx"
    precision: Precision = "single"
    batch: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def export(subject: Subject, folder: Path, wanted: Wanted) -> Manifest:
    """``write`` what ``check_request`` lets pass, with the answers checked on made pictures."""
    check_request(wanted, folder)
    return write(subject, folder, wanted)


def write(
    subject: Subject,
    folder: Path,
    wanted: Wanted,
    samples: Sequence[Sample] = (),
    calibration: Iterable[Sample] = (),
) -> Manifest:
    """Write a tracker's graphs and manifest into a folder, which appears whole or not at all.

    Args:
        subject: what to export.
        folder: to make, which ``check_request`` has let pass; one that holds an exported tracker is replaced.
        wanted: in what form; likewise.
        samples: to check the answers on; by default a few of made pictures.
        calibration: to measure activations on, for int8.

    Returns:
        The manifest, with the largest difference of each graph.

    Raises:
        ExportError: if the network cannot be exported, or the answers differ by more than the precision explains.
        RuntimeMissingError: if no installed library runs the graphs.
        OutputError: if the folder cannot be written.
    """
    folder = folder.resolve()  # a link is followed, and the working folder has a name
    taken = samples or list(samples_of_pictures(made_pictures(), _CHECKED_ON))
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        graphs = graphs_of(
            subject.backend.network,
            subject.sizes.exemplar,
            subject.sizes.searches,
            max(1, wanted.batch),
            half=wanted.precision == "half" and wanted.format in ("onnx", "torchscript"),
        )
        feeds = _feeds(subject, calibration) if wanted.precision == "int8" else {}
        files = {graph.name: _write(graph, scratch, wanted, feeds.get(graph.name)) for graph in graphs}
        manifest = _manifest(subject, wanted, files)
        manifest = _checked(manifest, scratch, subject, wanted, taken)
        manifest.write(scratch)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.chmod(0o755)
        scratch.rename(folder)
    except OSError as problem:
        raise cannot_write(folder, problem) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _feeds(subject: Subject, calibration: Iterable[Sample]) -> dict[str, list[Feed]]:
    with torch.inference_mode():
        feeds = feeds_of(calibration, subject.sizes, subject.backend.template)
    if not all(feeds.values()):
        raise ExportError("int8 needs pictures to measure activations on; give sequences with --calibration")
    return feeds


def check_request(wanted: Wanted, folder: Path) -> None:
    """Refuse what cannot be exported before anything is computed; makes the folder that it is to be written into.

    Raises:
        ExportError: if the form cannot be exported, or the folder holds something else.
        RuntimeMissingError: if a library or the hardware for it is missing.
        OutputError: if the folder cannot be made.
    """
    if wanted.batch < 0:
        raise ExportError(f"the batch is {wanted.batch}; give a number of crops, or 0 to leave it open")
    if wanted.format == "torchscript" and wanted.precision == "int8":
        raise ExportError("torchscript is exported in single or half precision; int8 is for onnx and openvino")
    if wanted.format == "tensorrt":
        TENSORRT.load()
        if wanted.device.type != "cuda":
            raise RuntimeMissingError(
                "TensorRT builds engines on the GPU that they are for, and this export runs without one; export in "
                "the format onnx, whose graphs TensorRT builds where they run"
            )
    if wanted.format != "torchscript":
        ONNX.load()
    if wanted.format == "openvino":
        OPENVINO.load()
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} exists and holds no exported tracker; give a new folder")
    made_folder(folder.parent)


def _write(graph: GraphSpec, folder: Path, wanted: Wanted, feeds: Sequence[Feed] | None) -> GraphFile:
    """Write one graph; what it is made of on the way stays in the folder only where it is the graph itself.

    Args:
        feeds: to quantise it on; None leaves its precision as it is.
    """
    if wanted.format == "torchscript":
        path = folder / f"{graph.name}.pt"
        write_torchscript(graph, path)
        return GraphFile({path.name: sha256(path)})
    source = folder / f"{graph.name}.onnx"
    write_onnx(graph, source, dynamic=wanted.batch == 0)
    if wanted.format == "openvino":
        return _write_openvino(source, wanted, feeds)
    if feeds:
        quantise_onnx(source, repeated(feeds, wanted.batch))
    if wanted.format == "onnx":
        return GraphFile({source.name: sha256(source)})
    engine = source.with_suffix(".engine")
    engine.write_bytes(build_engine(source, wanted.precision))
    source.unlink()
    return GraphFile({engine.name: sha256(engine)})


def _write_openvino(source: Path, wanted: Wanted, feeds: Sequence[Feed] | None) -> GraphFile:
    openvino = OPENVINO.load()
    model = openvino_core().read_model(str(source))
    if feeds:
        model = quantised_openvino(model, repeated(feeds, wanted.batch))
    path = source.with_suffix(".xml")
    openvino.save_model(model, str(path), compress_to_fp16=wanted.precision == "half")
    source.unlink()
    return GraphFile({file.name: sha256(file) for file in (path, path.with_suffix(".bin"))})


def _manifest(subject: Subject, wanted: Wanted, files: dict[str, GraphFile]) -> Manifest:
    machine = gpu_facts(wanted.device, TENSORRT.load()) if wanted.format == "tensorrt" else {}
    return Manifest(
        name=subject.name,
        tracker=subject.tracker,
        format=wanted.format,
        precision=wanted.precision,
        batch=wanted.batch,
        exemplar_size=subject.sizes.exemplar,
        search_sizes=subject.sizes.searches,
        stride=subject.backend.stride,
        weights=subject.weights,
        graphs=files,
        network=dict(subject.network),
        config=dict(subject.config),
        versions=library_versions(),
        machine=machine,
    )


def _checked(manifest: Manifest, folder: Path, subject: Subject, wanted: Wanted, samples: Sequence[Sample]) -> Manifest:
    """The manifest with the differences of its graphs.

    Raises:
        ExportError: if one is too large, or the graphs do not run.
    """
    backend = backend_for(manifest, folder, wanted.device)
    try:
        differences = largest_differences(backend, subject.backend, subject.sizes, samples)
        check_differences(differences, manifest.precision)
    except RuntimeMissingError:
        raise
    except Exception as error:
        # Each runtime has its own exceptions for a graph that takes one number of crops only; some answer wrongly.
        if wanted.batch:
            raise
        raise ExportError(
            f"{subject.name} cannot leave the number of crops open, because its correlation is made for one number of "
            f"them ({first_line(error)}); give a fixed number with --batch"
        ) from None
    names = {0: "template", **{size: search_name(size) for size in subject.sizes.searches}}
    graphs = {
        names[size]: replace(manifest.graphs[names[size]], largest_difference=round(difference, 9))
        for size, difference in differences.items()
    }
    return replace(manifest, graphs=graphs)


def backend_for(manifest: Manifest, folder: Path, device: torch.device) -> Backend:
    """A backend that runs a folder's graphs as they are, for a check.

    Raises:
        RuntimeMissingError: if none that can is installed.
    """
    reasons = []
    for kind in _BACKENDS[manifest.format]:
        try:
            return kind(folder, device if manifest.format == "tensorrt" else torch.device("cpu"), None, manifest)
        except RuntimeMissingError as error:
            reasons.append(str(error))
    raise RuntimeMissingError(f"the graphs cannot be checked: {'; '.join(reasons)}")


@cache
def library_versions() -> dict[str, str]:
    """Versions of this package, of PyTorch, and of the libraries for graphs that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    def found(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    libraries: tuple[Library, ...] = (ONNX, ONNXRUNTIME, OPENVINO, TENSORRT)
    names = ["siam_tracker_ros", "torch", *(library.module for library in libraries)]
    return {name: text for name in names if (text := found(name))}
