"""Weights files: fp16 safetensors with their provenance inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.files.kinds import impostor

METADATA_KEY = "siam_tracker"
SHARED = "shared"  # of the metadata: tensors that lie in files beside this one


def save_weights(
    path: str | Path,
    state: Mapping[str, torch.Tensor],
    metadata: Mapping[str, Any],
    beside: Sequence[str | Path] = (),
) -> list[str]:
    """Write tensors as fp16 (those beyond its range, and whole numbers, as they are) with metadata as JSON.

    The file appears whole or not at all.

    Args:
        path: ends in ``.safetensors``.
        state: a state dict.
        metadata: provenance and configuration; must be JSON-serialisable.
        beside: weights files. Tensors that one of them holds too are named there and not stored again, if it lies in
            the folder of ``path`` and shares nothing itself.

    Returns:
        Names of the tensors that are not in the file, because others hold them.

    Raises:
        WeightsError: if a file of ``beside`` is missing or damaged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each with memory of its own, as the format wants: what was read of shared files may be one tensor of two names.
    tensors = {
        name: _small(tensor.detach().cpu()).clone(memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }
    shared = _held_beside(path, tensors, beside)
    elsewhere = [name for entry in shared.values() for name in entry["tensors"]]
    own = {name: tensor for name, tensor in tensors.items() if name not in elsewhere}
    told = {**metadata, SHARED: shared} if shared else metadata
    partial = path.with_suffix(".partial")
    # Its own ``save_file`` leaves a file that nobody but its owner can read.
    partial.write_bytes(save(own, metadata={METADATA_KEY: json.dumps(told)}))
    partial.replace(path)
    return elsewhere


def _held_beside(
    path: Path, tensors: Mapping[str, torch.Tensor], beside: Sequence[str | Path]
) -> dict[str, dict[str, Any]]:
    """By the name of each file that holds some of the tensors: its SHA-256, and its names for them."""
    folder, left, shared = path.resolve().parent, dict(tensors), {}
    for other in map(Path, beside):
        if other.resolve().parent != folder or other.resolve() == path.resolve():
            continue
        there, of_other = _read(other)
        if SHARED in of_other:
            continue
        by_content = {_content(tensor): name for name, tensor in there.items()}
        names = {name: by_content[key] for name, tensor in left.items() if (key := _content(tensor)) in by_content}
        if names:
            shared[other.name] = {"sha256": sha256(other), "tensors": names}
            left = {name: tensor for name, tensor in left.items() if name not in names}
    return shared


def _small(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as fp16, unless it holds no fractions or values beyond that range.

    The variance of a convolution over pixels of 0..255 exceeds 65504, and would become infinite.
    """
    if not tensor.is_floating_point() or not tensor.numel() or tensor.abs().amax() > torch.finfo(torch.float16).max:
        return tensor
    return tensor.half()


def read_weights(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a weights file as float32 tensors and its metadata, with the tensors that it shares with files beside it.

    Raises:
        WeightsError: if the file, or one that it shares tensors with, is missing, truncated, no safetensors file, or
            not the one that was meant.
    """
    path = Path(path)
    state, metadata = _read(path)
    state |= _shared(path, metadata.pop(SHARED, {}))
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}, metadata


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and metadata that are in a file itself."""
    if not path.is_file():
        raise WeightsError(f"weights file {path} does not exist")
    if what := impostor(path):
        raise WeightsError(f"weights file {path} {what}")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise WeightsError(f"weights file {path} is truncated or no safetensors file ({error})") from error
    if not isinstance(metadata, dict):
        raise WeightsError(f"weights file {path} has metadata of another form: {str(metadata)[:80]}")
    _check_metadata(path, metadata)
    return state, metadata


def _shared(path: Path, files: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors that a file shares with others beside it, by its own names."""
    found: dict[str, torch.Tensor] = {}
    for name, entry in files.items():
        other = path.with_name(name)
        if not other.is_file():
            raise WeightsError(f"{path} shares tensors with {other}, which does not exist; keep both in one folder")
        if sha256(other) != entry["sha256"]:
            raise WeightsError(f"{path} shares tensors with {other}, which is not the file it was made with any more")
        state, _ = _read(other)
        found |= {own: state[theirs] for own, theirs in entry["tensors"].items()}
    return found


def below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with ``prefix``, such as ``backbone.``, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def made_of(path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance of weights that are made of a file's without training: which file, and where that came from."""
    return {"made of": path.name, "sha256": sha256(path), "start": metadata.get("provenance", {})}


def shared_files(path: str | Path) -> dict[str, str]:
    """The files beside a weights file that hold tensors of it, each with its SHA-256.

    Raises:
        WeightsError: if the file is missing or damaged.
    """
    return {name: str(entry["sha256"]) for name, entry in _read(Path(path))[1].get(SHARED, {}).items()}


def _content(tensor: torch.Tensor) -> tuple[object, ...]:
    """What tells a tensor from others: its type, shape and bytes."""
    return tensor.dtype, tuple(tensor.shape), hashlib.sha256(tensor.contiguous().numpy().tobytes()).digest()


def _check_metadata(path: Path, metadata: object) -> None:
    """Refuse metadata of another form than this package writes, before something trips over them.

    Raises:
        WeightsError: names the entry and what it holds.
    """
    if not isinstance(metadata, Mapping):
        raise WeightsError(f"{path}: its metadata are a {type(metadata).__name__}, expected a mapping")
    for key, kind, wanted in (
        ("network", Mapping, "a mapping"),
        ("config", Mapping, "a mapping"),
        ("provenance", Mapping, "a mapping"),
        ("tracker", str, "a text"),
    ):
        if key in metadata and not isinstance(metadata[key], kind):
            found = f"{metadata[key]!r}, a {type(metadata[key]).__name__}"
            raise WeightsError(f"{path}: {key!r} in its metadata is {found}; expected {wanted}")


def load_into(module: nn.Module, state: Mapping[str, torch.Tensor], origin: str) -> None:
    """Load a state dict strictly, naming everything that does not fit.

    Args:
        origin: where the tensors come from, for the message.

    Raises:
        WeightsError: if tensors are missing, unused or of another shape.
    """
    wanted = module.state_dict()
    missing = sorted(set(wanted) - set(state))
    unused = sorted(set(state) - set(wanted))
    misshapen = sorted(
        f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in set(wanted) & set(state)
        if state[name].shape != wanted[name].shape
    )
    problems = [
        f"{what}: {_some(names)}"
        for what, names in (("missing", missing), ("unused", unused), ("of another shape", misshapen))
        if names
    ]
    if problems:
        raise WeightsError(f"{origin} does not fit {type(module).__name__}: {'; '.join(problems)}")
    module.load_state_dict(dict(state))


def _some(names: list[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
