"""Reading files that others wrote: tensors by name, and nothing that a file could run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.weights import METADATA_KEY

# Under these keys training programs put the state dict beside what else they keep; the last is py-MDNet's.
CONTAINERS = ("state_dict", "model", "shared_layers")
PARALLEL = "module."  # what DataParallel puts before every name


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint (``.pth``, ``.model``, or ``.safetensors``) by their published names, on the CPU.

    A state dict inside a larger dict is found, and a ``module.`` before every name is taken off. Pickles are read with
    ``weights_only=True``.

    Raises:
        WeightsError: if the file is missing, damaged, one of this package's own, or holds more than tensors and
            plain values, or no named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"checkpoint {path} does not exist or is no file")
    if what := impostor(path):
        raise WeightsError(f"checkpoint {path} {what}")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    while isinstance(content, Mapping) and not _is_state_dict(content):
        inner = [content[key] for key in CONTAINERS if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        content = inner[0]
    if not _is_state_dict(content):
        raise WeightsError(f"{path} holds no state dict, which would be tensors by name, but {_summary(content)}")
    parallel = all(name.startswith(PARALLEL) for name in content)
    return {name.removeprefix(PARALLEL) if parallel else name: tensor for name, tensor in content.items()}


def _read_safetensors(path: Path) -> Any:
    try:
        with safe_open(str(path), framework="pt") as file:
            if METADATA_KEY in (file.metadata() or {}):  # its input may have been turned round already
                raise WeightsError(f"{path} is a weights file of this package already; there is nothing to import")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"checkpoint {path} is truncated or no safetensors file ({error})") from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged stream can fail in any way
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"checkpoint {path} is truncated, no PyTorch file, or holds more than tensors and plain values "
            f"({reason[0][:200]})"
        ) from error


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items())
    )


def _summary(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a mapping of {', '.join(map(repr, list(content)[:5])) or 'nothing'}"
    return f"a {type(content).__name__}"
