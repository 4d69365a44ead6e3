"""Writing weights files with an error that says what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.weights import save_weights


def check_new(out: Path) -> None:
    """Refuse a name for a weights file that is to be made, before anything is computed.

    Raises:
        ConfigError: if it does not end in ``.safetensors``, or there is such a file.
    """
    if out.suffix != ".safetensors":
        raise ConfigError(f"a weights file ends in .safetensors, not like {out}")
    if out.exists():
        raise ConfigError(f"{out} exists already; give another name or remove it first")


def save(
    path: Path,
    state: Mapping[str, torch.Tensor],
    metadata: Mapping[str, Any],
    advice: str,
    beside: Sequence[Path] = (),
) -> None:
    """Write a weights file, see ``weights.save_weights``.

    Args:
        path: ends in ``.safetensors``.
        state: a state dict.
        metadata: provenance and configuration.
        advice: what the user can do if it cannot be written.
        beside: weights files whose tensors need not be stored again.

    Raises:
        WeightsError: if it cannot be written, or a file of ``beside`` is missing or damaged; what was there under that
            name is still whole.
    """
    try:
        save_weights(path, state, metadata, beside)
    except (OSError, SafetensorError) as error:  # the latter is what safetensors makes of a full disk
        with contextlib.suppress(OSError):
            path.with_suffix(".partial").unlink()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise WeightsError(f"{path} could not be written ({reason}); {advice}") from error
