"""Which runtime: the one that is asked for, or the fastest of those that are installed here."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from siam_tracker_core.cores import is_busy, threads_to_use
from siam_tracker_core.errors import ConfigError, ExportError, OutputError, RuntimeMissingError, SiamTrackerError
from siam_tracker_core.files import write_text
from siam_tracker_core.machine import processor_name
from siam_tracker_core.runtimes.backend import Backend
from siam_tracker_core.runtimes.checking import CropSizes
from siam_tracker_core.runtimes.export import Subject, Wanted, export, library_versions
from siam_tracker_core.runtimes.graph_backend import GraphBackend
from siam_tracker_core.runtimes.in_batches import InBatches
from siam_tracker_core.runtimes.libraries import ONNX, ONNXRUNTIME, OPENVINO, TENSORRT
from siam_tracker_core.runtimes.manifest import LAYOUT, MANIFEST, Manifest, read_manifest
from siam_tracker_core.runtimes.onnxruntime_backend import ONNXRuntimeBackend
from siam_tracker_core.runtimes.openvino_backend import OpenVINOBackend, native_halves
from siam_tracker_core.runtimes.quantising import require_int8
from siam_tracker_core.runtimes.tensorrt_backend import TensorRTBackend
from siam_tracker_core.runtimes.torchscript_backend import TorchScriptBackend

RUNTIMES = ("auto", "torch", "onnxruntime", "openvino", "tensorrt")
_KINDS: dict[str, type[GraphBackend]] = {
    "onnxruntime": ONNXRuntimeBackend,
    "openvino": OpenVINOBackend,
    "tensorrt": TensorRTBackend,
    "torch": TorchScriptBackend,
}
_TIMED_FOR = 12
# What may be at fault with one runtime alone; weights and settings are at fault in all.
_FAULTS = (ExportError, OutputError, RuntimeMissingError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """How a tracker's network is to run.

    Attributes:
        runtime: one of ``RUNTIMES``.
        precision: ``auto``, ``single``, ``half`` or ``int8``.
        device: to run on.
        threads: for the network; None for all cores that may be used.
        cache: folder for graphs that are written on the way, for compiled ones, and for what was measured.
        together: crops that OpenVINO takes at once where there are so many, see ``InBatches``; 1 takes them one by one.
    """

    runtime: str
    precision: str
    device: torch.device
    threads: int | None
    cache: Path
    together: int = 1

    def check(self) -> None:
        """Refuse a wish that no machine can grant.

        Raises:
            ConfigError: names what is wrong and what would be right.
        """
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"runtime {self.runtime!r} is unknown; use one of {', '.join(RUNTIMES)}")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; give 1 or more, or none for all cores that may be used")


def default_cache() -> Path:
    """The folder of this user for what may be made anew at any time (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "siam_tracker_ros" / "runtimes"


def installed(device: torch.device) -> list[str]:
    """The runtimes that are installed for a device, without PyTorch, which always is."""
    if device.type == "cuda":
        return [name for name, library in (("tensorrt", TENSORRT), ("onnxruntime", ONNXRUNTIME)) if library.installed]
    return [name for name, library in (("openvino", OPENVINO), ("onnxruntime", ONNXRUNTIME)) if library.installed]


def open_exported(folder: Path, wish: Wish) -> GraphBackend:
    """Run an exported tracker.

    Args:
        folder: that ``export`` made.
        wish: ``auto`` takes the runtime that the format is for, and another that reads it where that one is missing.

    Raises:
        ConfigError: if the wish and the folder do not go together.
        ExportError, RuntimeMissingError: if the graphs are not whole, or nothing here runs them.
    """
    manifest = read_manifest(folder)
    if wish.precision not in ("auto", manifest.precision):
        raise ConfigError(
            f"{folder} was exported in {manifest.precision} precision, not in {wish.precision}; leave precision at "
            "auto, or export the tracker again"
        )
    if manifest.precision == "int8" and wish.device.type == "cpu":
        require_int8()
    able = [name for name in _able(manifest, wish.device) if wish.runtime in ("auto", name)]
    if not able:
        known = [name for name, kind in _KINDS.items() if manifest.format in kind.formats]
        raise ConfigError(
            f"{folder} holds graphs in the format {manifest.format}, which runtime {wish.runtime} on {wish.device} "
            f"does not run; use {' or '.join(known)}, or export the tracker again"
        )
    return _first_that_opens(able, folder, manifest, wish)


def _able(manifest: Manifest, device: torch.device) -> list[str]:
    order = ("tensorrt", "onnxruntime", "torch") if device.type == "cuda" else ("openvino", "onnxruntime", "torch")
    return [name for name in order if manifest.format in _KINDS[name].formats]


def _first_that_opens(names: list[str], folder: Path, manifest: Manifest, wish: Wish) -> GraphBackend:
    problems: list[SiamTrackerError] = []
    for name in names:
        try:
            return _opened(name, folder, manifest, wish, None)
        except RuntimeMissingError as error:
            problems.append(error)
            if wish.runtime == "auto" and name != names[-1]:
                _log.warning("%s", error)
    raise problems[0]


def graph_backend(name: str, key: Mapping[str, object], subject: Callable[[], Subject], wish: Wish) -> Backend:
    """Run a tracker's network in a runtime for graphs; they are written into the cache where they are not there yet.

    Args:
        name: of the runtime.
        key: what the graphs depend on, beside the versions of this package and PyTorch.
        subject: makes what is exported; called only where the cache has no graphs.
        wish: in what precision and where.

    Raises:
        ConfigError: for int8, which needs pictures to be quantised on.
        ExportError, RuntimeMissingError: if the network or the machine does not allow it.
    """
    if wish.precision == "int8":
        raise ConfigError(
            "int8 needs pictures to be quantised on: siam-tracker export NAME --precision int8 --calibration FOLDER "
            "makes a folder to load"
        )
    ONNX.load()
    single = _cached(name, key, subject, wish, 1)
    if name != "openvino" or wish.together == 1:
        return single
    return InBatches(single, lambda: _cached(name, key, subject, wish, wish.together), wish.together)


def _cached(
    name: str, key: Mapping[str, object], subject: Callable[[], Subject], wish: Wish, batch: int
) -> GraphBackend:
    """The graphs for so many crops at once, see ``graph_backend``."""
    apart = {"batch": batch} if batch > 1 else {}
    folder = wish.cache / f"graphs-{_digest({**key, **apart, 'layout': LAYOUT, **_own_versions()})}"
    try:
        manifest = read_manifest(folder)
    except ExportError:
        if (folder / MANIFEST).is_file():
            _log.warning("the graphs in %s are not whole and are written again", folder)
        manifest = _written(subject(), folder, batch)
    return _opened(name, folder, manifest, wish, _precision(name, wish))


def _written(subject: Subject, folder: Path, batch: int) -> Manifest:
    """Export into the cache; of processes that do so at once the first is right: it may run its graphs already."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        own = Path(scratch) / folder.name
        manifest = export(subject, own, Wanted("onnx", batch=batch))
        try:
            own.rename(folder)
        except OSError:  # there is one by now, or there was one that is not whole
            with contextlib.suppress(ExportError):
                return read_manifest(folder)
            shutil.rmtree(folder, ignore_errors=True)
            own.rename(folder)
    return manifest


def _precision(name: str, wish: Wish) -> str:
    """The precision to compute in: ``auto`` is half on a GPU, and on a CPU that computes bfloat16."""
    if wish.precision != "auto":
        return wish.precision
    half = name == "tensorrt" or (name == "openvino" and "BF16" in native_halves())
    return "half" if half else "single"


def _computed(name: str, wish: Wish) -> str:
    """The precision that a runtime would compute in; one that does not even load tells none."""
    try:
        return _precision(name, wish)
    except _FAULTS:
        return ""


def _opened(name: str, folder: Path, manifest: Manifest, wish: Wish, precision: str | None) -> GraphBackend:
    if name == "onnxruntime" and wish.device.type == "cpu" and (precision or manifest.precision) == "half":
        raise RuntimeMissingError(
            "ONNX Runtime has no fast half precision on a CPU; use precision single, or runtime openvino"
        )
    kind = _KINDS[name]
    options = {"cache": wish.cache / name} if kind in (OpenVINOBackend, TensorRTBackend) else {}
    return kind(folder, wish.device, wish.threads, manifest, precision, **options)


def choose(
    candidates: Mapping[str, Callable[[], Backend]], sizes: CropSizes, key: Mapping[str, object], wish: Wish
) -> Backend:
    """The fastest of several runtimes for one target, measured once on this machine and then remembered.

    One that is installed but cannot run the network here is left out with a warning. Nothing is remembered then, nor on
    a busy machine, where the first candidate that works is taken unmeasured: threads that wait for a core say nothing
    of a runtime, and what was measured then would make the tracker slow for good.

    Args:
        candidates: makers of backends by runtime, what is usually fastest first; ``torch`` among them always works.
        sizes: of the crops, and how many a target needs.
        key: what the speed depends on, beside the machine and the versions.
        wish: device, threads and cache.

    Raises:
        WeightsError, ConfigError: if the weights or the settings are at fault, which they are in every runtime.
    """
    known = _Memory(wish.cache / "fastest.json")
    computed = {name: _computed(name, wish) for name in sorted(candidates)}
    place = _digest({**key, **_machine(wish), "candidates": computed, **library_versions()})
    if (name := known.get(place)) in candidates:
        try:
            return candidates[name]()
        except _FAULTS as error:
            _log.warning("%s was the fastest runtime here, but %s", name, error)
    made: dict[str, Backend] = {}
    busy = len(candidates) > 1 and is_busy()
    for name, make in candidates.items():
        try:
            made[name] = make()
        except _FAULTS as error:
            if name == "torch":  # which runs wherever the package does
                raise
            _log.warning("runtime %s is left out: %s", name, error)
            continue
        if busy:
            _log.info("runtime %s is taken without a measurement, for this machine is busy now", name)
            return made[name]
    times = fastest_milliseconds(made, sizes) if len(made) > 1 else {}
    best = min(times, key=times.__getitem__) if times else next(iter(made))
    if times:
        told = ", ".join(f"{name} {value:.1f} ms" for name, value in sorted(times.items(), key=lambda item: item[1]))
        _log.info("runtime %s is the fastest here for one target: %s", best, told)
    if len(made) == len(candidates):
        known.put(place, best)
    return made[best]


def fastest_milliseconds(backends: Mapping[str, Backend], sizes: CropSizes, runs: int = _TIMED_FOR) -> dict[str, float]:
    """The shortest time of each backend's search branch on the crops of one target.

    They take turns, and the shortest time counts: other work on the machine only ever makes a run longer.
    """
    best: dict[str, float] = {}
    with torch.inference_mode():
        templates = {
            name: backend.template(_blank(sizes.exemplar, backend.device)) for name, backend in backends.items()
        }
        for run in range(runs + 2):
            for name, backend in backends.items():
                crops = _blank(sizes.searches[0], backend.device, sizes.count)
                started = time.perf_counter()
                backend.search(templates[name], crops)[0].flatten()[0].item()  # waits for the device
                elapsed = (time.perf_counter() - started) * 1e3
                if run >= 2:  # the first ones set up what later ones use
                    best[name] = min(elapsed, best.get(name, elapsed))
    return best


def _blank(size: int, device: torch.device, count: int = 1) -> torch.Tensor:
    crops = torch.full((count, 3, size, size), 128, dtype=torch.uint8, device=device)
    return crops.contiguous(memory_format=torch.channels_last)


def _machine(wish: Wish) -> dict[str, object]:
    gpu = torch.cuda.get_device_name(wish.device) if wish.device.type == "cuda" else ""
    return {
        "processor": processor_name(),
        "threads": threads_to_use(wish.threads),
        "gpu": gpu,
    }


def _own_versions() -> dict[str, str]:
    found = library_versions()
    return {name: found.get(name, "") for name in ("siam_tracker_ros", "torch", "onnx")}


def _digest(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


class _Memory:
    """What was measured, as a JSON file; one that cannot be read or written is no reason to stop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> str:
        value = self._read().get(key, "")
        return value if isinstance(value, str) else ""

    def put(self, key: str, value: str) -> None:
        known = self._read() | {key: value}
        try:
            write_text(self._path, json.dumps(known, indent=1))
        except OutputError as error:
            _log.warning("the fastest runtime cannot be remembered: %s", error)

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
