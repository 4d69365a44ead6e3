"""Checkpoints that are whole or not there, and early words about those that do not fit."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.training.engine.module import TrainingModule
from siam_tracker_core.weights import load_into

LAST, BEST = "last.ckpt", "best.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one it replaces and renames it when it is complete; reads tensors only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            WeightsError: if the file system does not take it, e.g. because it is full; a checkpoint of that name that
                was there before is still whole.
        """
        path = Path(path)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        partial = path.with_name(path.name + ".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise WeightsError(
                f"checkpoint {path} could not be written ({error.strerror}; {content.tell()} bytes are needed); "
                "one that was there before is whole: make room, and continue with --resume"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU.

    Raises:
        WeightsError: if the file is missing, truncated, or holds more than tensors and numbers.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"checkpoint {path} does not exist") from None
    except (OSError, EOFError, RuntimeError, BadZipFile, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"checkpoint {path} is truncated or no checkpoint of this package ({reason})") from error
    if not isinstance(content, dict):
        raise WeightsError(f"checkpoint {path} is no checkpoint of this package: it holds a {type(content).__name__}")
    return content


def checkpoint_to_resume(out: Path, resume: bool) -> Path | None:
    """The checkpoint to go on from, or None for a fresh start.

    Raises:
        WeightsError: if a run is to be resumed that has none, or a finished checkpoint would be overwritten.
    """
    last = out / LAST
    if resume:
        if not last.is_file():
            raise WeightsError(f"nothing to resume: {last} does not exist; start without --resume")
        return last
    if last.is_file():
        raise WeightsError(f"{out} holds a run already; continue it with --resume or choose another --out")
    return None


def check_fits(path: Path, module: TrainingModule) -> None:
    """See that a checkpoint is of this training, before anything is built up for it.

    Raises:
        WeightsError: if it is truncated, or of another tracker, network or length of epochs.
    """
    content = read_checkpoint(path)
    told = content.get("siam_tracker", {})
    if told.get("kind") != module.kind:
        raise WeightsError(f"checkpoint {path} is of {told.get('kind')!r}, and this is a training of {module.kind!r}")
    if told.get("batches") != module.recipe.batches_per_epoch:
        raise WeightsError(
            f"checkpoint {path} is of a run with {told.get('batches')} batches an epoch, and this one has "
            f"{module.recipe.batches_per_epoch}; resume with the settings of the run (config.yaml beside it)"
        )
    # Loading the module itself is harmless: it is about to be restored from this file.
    load_into(module, content.get("state_dict", {}), str(path))
