"""From a finished run to a weights file that says where it comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Literal

import yaml

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.training.engine.checkpoints import BEST
from siam_tracker_core.training.engine.module import TrainingModule
from siam_tracker_core.training.engine.run import Run, best_network
from siam_tracker_core.training.engine.saving import save
from siam_tracker_core.weights import load_into, read_weights

CONFIG = "config.yaml"
Keep = Literal["last", "best"]


def start_from(module: TrainingModule, path: Path) -> dict[str, Any]:
    """Load a backbone, or a whole network, into a module that is about to be trained.

    Returns:
        What the file tells of its own origin.

    Raises:
        WeightsError: if the file is missing, damaged, or of another network.
    """
    state, metadata = read_weights(path)
    if "tracker" in metadata:
        load_into(module.network, module.adopt(state, metadata), str(path))
    else:
        load_into(module.backbone, state, str(path))
    return dict(metadata.get("provenance", metadata))


def commit() -> str | None:
    """The commit of the repository that this package runs from, with ``+changes`` if files differ; None outside one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        name, changes = (
            subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=30)
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return name.stdout.strip() + ("+changes" if changes.stdout.strip() else "")


def provenance(module: TrainingModule, run: Run, start: dict[str, Any], data: Any, keep: Keep) -> dict[str, Any]:
    """What is told of a training in its weights file: settings, data, machine, hours and validation."""
    recipe = module.recipe
    told: dict[str, Any] = {
        "start": start,
        "data": data,
        "steps": run.steps,
        "batch": recipe.batch_size * recipe.accumulate_grad_batches * run.processes,
        "seed": recipe.seed,
        "training": module.settings(),
        "commit": commit(),
        "device": run.device,
        "hours": round(run.hours, 3),
        "kept": keep,
    }
    if run.score is not None and run.best is not None:
        told["validation"] = {"success_auc": round(run.best[0] if keep == "best" else run.score, 4)}
        if keep == "best":
            told["validation"]["epochs"] = run.best[1] + 1
    return told


def export(path: Path, module: TrainingModule, run: Run, start: dict[str, Any], data: Any, keep: Keep) -> None:
    """Write a run's averaged weights in the zoo's form; only the first process writes.

    Args:
        path: ends in ``.safetensors``.
        module: that was trained.
        run: what ``fit`` gave.
        start: what ``start_from`` gave, or nothing.
        data: what the run learned from, for the provenance.
        keep: the weights of the last epoch, or of the best validation.

    Raises:
        WeightsError: if the best weights are asked for of a run that was not validated, or the file cannot be written.
    """
    if not run.is_first:
        return
    if keep == "best" and run.best is None:
        raise WeightsError(f"{path.parent} has no {BEST} to keep: the run was not validated; give validation.root")
    network = best_network(path.parent, run) if keep == "best" else run.network
    metadata = {**module.description(), "provenance": provenance(module, run, start, data, keep)}
    save(path, module.shipped(network), metadata, "make room and run again with --resume")


def write_config(out: Path, settings: dict[str, Any]) -> None:
    """Keep a run's settings beside it, in the form that ``--config`` reads.

    Raises:
        ConfigError: if they cannot be written.
    """
    path = out / CONFIG
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(plain(settings), sort_keys=False))
    except OSError as error:
        raise ConfigError(f"{path} could not be written ({error.strerror}); choose another --out") from error


def plain(value: Any) -> Any:
    """Mappings, lists, numbers and words only: paths become words, and tuples lists."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
