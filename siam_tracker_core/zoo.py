"""Names of trained trackers: where their weights are, whether they are whole, and how to run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from siam_tracker_core.config import read_yaml
from siam_tracker_core.errors import ConfigError, SiamTrackerError, WeightsError
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.resources import WEIGHTS, fetched_weights, find_config, shipped
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.weights import read_weights
from siam_tracker_core.zoo_entries import ZooEntry, read_entries

if TYPE_CHECKING:
    from siam_tracker_core.builders import Blueprint


def read_zoo(folder: Path | None = None) -> dict[str, ZooEntry]:
    """All trained trackers by name.

    Args:
        folder: holds ``zoo.yaml`` and the weights; the one shipped with the package by default, and weights that are
            not there are looked for among those that ``siam-tracker zoo --get`` fetched.

    Raises:
        WeightsError: if the folder cannot be found.
        ConfigError: if ``zoo.yaml`` is malformed.
    """
    if folder is not None:
        return read_entries(folder)
    return {name: _where_it_is(entry) for name, entry in read_entries(shipped(WEIGHTS)).items()}


def _where_it_is(entry: ZooEntry) -> ZooEntry:
    fetched = fetched_weights() / entry.path.name
    return entry if entry.is_here or not fetched.is_file() else replace(entry, path=fetched)


def find_weights(name_or_path: str | Path) -> Path:
    """The weights file of a zoo name, or a path to one.

    Raises:
        WeightsError: if there is neither, or the zoo's file is not the one that the zoo lists.
    """
    text = str(name_or_path)
    if text.endswith(".safetensors"):
        path = Path(text)
        if not path.is_file():
            raise WeightsError(f"weights file {path} does not exist")
        return path
    zoo = read_zoo()
    if text not in zoo:
        if Path(text).is_file() and (what := impostor(Path(text))):
            raise WeightsError(f"{text} {what}")
        if Path(text).exists():
            raise WeightsError(f"{text} is no weights file of this package, which ends in .safetensors")
        raise WeightsError(
            f"there is no tracker {text!r}; known are {', '.join(sorted(zoo))}, or give a path to a .safetensors file"
        )
    zoo[text].check()
    return zoo[text].path


def list_trackers() -> list[str]:
    """The names of all trained trackers, as ``load_tracker`` takes them.

    Raises:
        WeightsError: if the folder of the zoo cannot be found.
    """
    return list(read_zoo())


def torch_device(name: str | torch.device) -> torch.device:
    """The device of a name: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``; or a device itself.

    Raises:
        ConfigError: if there is no such device on this machine.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda:0" if available else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu or cuda:0") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {str(name)!r} is unknown; use auto, cpu or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= (torch.cuda.device_count() if available else 0):
        raise ConfigError(f"device {str(name)!r} is not on this machine; use auto or cpu")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else torch.device("cpu")


def load_tracker(
    name_or_path: str | Path,
    device: str | torch.device = "auto",
    *,
    config: str | Path | Mapping[str, Any] | None = None,
    precision: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    cache: str | Path | None = None,
) -> Tracker:
    """Load a trained tracker.

    Args:
        name_or_path: a name of the zoo, a path to a ``.safetensors`` file written by this package, or a folder that
            ``siam-tracker export`` made.
        device: ``auto``, ``cpu`` or ``cuda:N``, or a ``torch.device``.
        config: settings that differ from those stored with the weights: a YAML file, the name of one in
            config/trackers, or a mapping.
        precision: ``auto``, ``single`` or ``half``; of an exported tracker ``auto`` or its own.
        runtime: what the network runs in: ``torch``, ``onnxruntime``, ``openvino`` or ``tensorrt``. ``auto`` takes the
            fastest one that is installed for the device, measured once and told in the log.
        threads: for the network on a CPU; all cores that the process may use by default. PyTorch has one number of
            threads for the whole process, so that this sets it there.
        cache: folder for graphs and compiled ones, so that the next start is faster; the user's own by default.

    Raises:
        WeightsError: if the weights are missing, truncated, changed, or for another network.
        ConfigError: for an unknown device, precision or runtime, or a setting that is unknown or impossible.
        RuntimeMissingError: if the runtime is not installed, or this machine cannot run it.
        ExportError: if an exported tracker is not whole, or of another version.
    """
    # Here, for they take long to load.
    from siam_tracker_core.loading import build, load_exported
    from siam_tracker_core.networks.inference import PRECISIONS
    from siam_tracker_core.runtimes.choosing import Wish, default_cache

    if precision not in (*PRECISIONS, "int8"):
        raise ConfigError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    where = torch_device(device)
    wish = Wish(runtime, precision, where, threads, Path(cache) if cache else default_cache())
    wish.check()
    limit_torch_threads(threads)
    file = find_config(config) if config and not isinstance(config, Mapping) else None
    changes = dict(config) if isinstance(config, Mapping) else read_yaml(file) if file else {}
    if Path(name_or_path).is_dir() and str(name_or_path) not in read_zoo():
        return load_exported(Path(name_or_path), changes, wish)
    origin = "the given settings" if isinstance(config, Mapping) else str(file or "")
    blueprint = blueprint_of(name_or_path, where, precision, changes, origin)
    try:
        return build(blueprint, wish)
    except SiamTrackerError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{blueprint.path} describes its network in a way that nothing can be built of: {error}"
        ) from error


def blueprint_of(
    name_or_path: str | Path,
    device: torch.device,
    precision: str = "auto",
    changes: Mapping[str, Any] | None = None,
    origin: str = "",
) -> Blueprint:
    """What a tracker is built from; see ``Blueprint``.

    Raises:
        WeightsError: if the weights are missing, truncated, changed, or for no tracker.
    """
    from siam_tracker_core.builders import BUILDERS, Blueprint  # here, for they take long to load

    path = find_weights(name_or_path)
    state, metadata = read_weights(path)
    kind = metadata.get("tracker")
    if not isinstance(kind, str) or kind not in BUILDERS:
        raise WeightsError(f"{path} does not say which tracker it is for (its metadata names {kind!r})")
    name = str(name_or_path) if not str(name_or_path).endswith(".safetensors") else path.stem
    return Blueprint(state, metadata, changes or {}, device, precision, name, str(path), origin or str(path))


def limit_torch_threads(threads: int | None) -> None:
    """Give PyTorch as many threads as wanted, and never more than the process may use cores.

    Its own default knows no control groups: in a container with two of 64 cores it starts 64 threads, which then wait
    for each other.
    """
    from siam_tracker_core.cores import threads_to_use

    most = threads_to_use(threads)
    if threads is not None or torch.get_num_threads() > most:
        torch.set_num_threads(most)
