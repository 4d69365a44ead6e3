"""Weights files: fp16 safetensors with their provenance inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from siam_tracker_core.errors import WeightsError

METADATA_KEY = "siam_tracker"


def save_weights(path: str | Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors as fp16 (those beyond its range, and whole numbers, as they are) with metadata as JSON.

    The file appears whole or not at all.

    Args:
        path: ends in ``.safetensors``.
        state: a state dict.
        metadata: provenance and configuration; must be JSON-serialisable.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: _small(tensor.detach().cpu()).contiguous() for name, tensor in state.items()}
    partial = path.with_suffix(".partial")
    # Its own ``save_file`` leaves a file that nobody but its owner can read.
    partial.write_bytes(save(tensors, metadata={METADATA_KEY: json.dumps(metadata)}))
    partial.replace(path)


def _small(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as fp16, unless it holds no fractions or values beyond that range.

    The variance of a convolution over pixels of 0..255 exceeds 65504, and would become infinite.
    """
    if not tensor.is_floating_point() or not tensor.numel() or tensor.abs().amax() > torch.finfo(torch.float16).max:
        return tensor
    return tensor.half()


def read_weights(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a weights file as float32 tensors and its metadata.

    Raises:
        WeightsError: if the file is missing, truncated, or no safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weights file {path} does not exist")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise WeightsError(f"weights file {path} is truncated or no safetensors file ({error})") from error
    if not isinstance(metadata, dict):
        raise WeightsError(f"weights file {path} has metadata of another form: {str(metadata)[:80]}")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}, metadata


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
