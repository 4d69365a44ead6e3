"""Writing weights files with an error that says what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.weights import save_weights


def save(path: Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any], advice: str) -> None:
    """Write a weights file, see ``weights.save_weights``.

    Args:
        path: ends in ``.safetensors``.
        state: a state dict.
        metadata: provenance and configuration.
        advice: what the user can do if it cannot be written.

    Raises:
        WeightsError: if it cannot be written; a file of that name that was there before is still whole.
    """
    try:
        save_weights(path, state, metadata)
    except (OSError, SafetensorError) as error:  # the latter is what safetensors makes of a full disk
        with contextlib.suppress(OSError):
            path.with_suffix(".partial").unlink()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise WeightsError(f"{path} could not be written ({reason}); {advice}") from error
