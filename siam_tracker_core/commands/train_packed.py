"""``siam-tracker train-packed``: trainings out of a pack within a budget of minutes, on one GPU or on a CPU."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from siam_tracker_core.commands.pack import MARK, PLAN, SETS
from siam_tracker_core.commands.train import Settings, run_training
from siam_tracker_core.config import merged, read_yaml
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.training.data.track_videos import is_videos, read_videos
from siam_tracker_core.training.engine.checkpoints import LAST
from siam_tracker_core.training.engine.curves import gather_log, write_curves
from siam_tracker_core.training.engine.deadline import PACE
from siam_tracker_core.training.engine.run import Machine

SETTINGS = "settings.json"
LARGEST = 16e6  # bytes of a file that comes back
EPOCH = 60.0  # seconds; a checkpoint follows each epoch
GPU_BATCH = 128

# Of the time left, what a run does not plan with: its start, and the writing at its end.
_RESERVE = 0.08


def train_packed(
    packed: Path,
    minutes: float,
    out: Path = Path("trained"),
    only: list[str] | str = "",
    batch: int | None = None,
    workers: int | None = None,
    precision: Literal["auto", "single", "bf16", "fp16"] = "auto",
    device: str = "auto",
) -> None:
    """Train what `siam-tracker pack` packed, in its order, each within its share of the minutes.

    A short run first measures the pace, and the schedule is made to fit. A checkpoint is written every minute; the same
    command again goes on from it. OUT then holds of each training NAME.safetensors (fp16), NAME.csv (the log) and
    NAME.png (curves), each below 16 MB, beside runs/ with all the rest.

    Args:
        packed: folder that `siam-tracker pack` wrote.
        minutes: for everything.
        out: folder for what comes back.
        only: names of the trainings that are wanted; all by default.
        batch: samples a step; by default 128 on a GPU, with a learning rate larger by the root of the factor, and the
            configuration's on a CPU.
        workers: processes that decode; by default a core each but one.
        precision: auto is bf16 where the machine computes with it.
        device: auto, cpu or cuda.
    """
    check_outputs({"--out": out}, [packed])
    end = time.monotonic() + 60 * minutes
    trainings = _chosen(packed, out, [only] if isinstance(only, str) and only else list(only))
    _unpack(packed, out)
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    machine = {
        "batch": batch or (GPU_BATCH if on_gpu else None),
        "workers": (max((os.cpu_count() or 2) - 1, 1) if on_gpu else 1) if workers is None else workers,
        "precision": precision,
        "device": device,
    }
    for place, plan in enumerate(trainings):
        share = (end - time.monotonic()) / (len(trainings) - place)
        if share <= 0:
            print(f"no time is left for {plan['name']}")
            continue
        _train(plan, out, share, machine)
        for path in _bring_back(plan, out):
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def _chosen(packed: Path, out: Path, only: list[str]) -> list[dict[str, Any]]:
    """The plan's trainings, with paths that lead into the pack, or to what is unpacked of it.

    Raises:
        ConfigError: if there is no plan, or a name is not in it.
    """
    trainings = _resolved(read_yaml(packed / PLAN).get("trainings") or [], packed, out)
    names = [plan["name"] for plan in trainings]
    if unknown := [name for name in only if name not in names]:
        raise ConfigError(f"{packed} holds no training {', '.join(unknown)}; it has {', '.join(names) or 'none'}")
    return [plan for plan in trainings if not only or plan["name"] in only]


def _resolved(value: Any, packed: Path, out: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolved(inner, packed, out) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, packed, out) for inner in value]
    if isinstance(value, str) and value.startswith(MARK):
        name = value.removeprefix(MARK)
        return str((out if is_videos(packed / name) else packed) / name)
    return value


def _unpack(packed: Path, out: Path) -> None:
    """Decode the videos of all data sets, once."""
    for folder in sorted((packed / SETS).glob("*")):
        if is_videos(folder):
            read_videos(folder, out / SETS / folder.name, os.cpu_count() or 1)


def _train(plan: Mapping[str, Any], out: Path, seconds: float, machine: Mapping[str, Any]) -> None:
    """Measure the pace, fit the schedule to the time, and train; or go on with a run that was interrupted."""
    end = time.monotonic() + seconds
    run = out / "runs" / plan["name"]
    if (run / LAST).is_file() and (run / SETTINGS).is_file():
        settings = json.loads((run / SETTINGS).read_text())
        _call(plan, settings, run, end, machine, resume=True)
        return
    settings = _settings(plan, machine)
    probe = out / "runs" / f"{plan['name']}.probe"
    shutil.rmtree(probe, ignore_errors=True)
    shutil.rmtree(run, ignore_errors=True)
    trial = _scheduled(settings, epochs=1, steps=100_000)
    _call(plan, trial, probe, time.monotonic() + min(0.1 * seconds, 30), machine)
    pace = json.loads((probe / PACE).read_text())["seconds_a_step"]
    shutil.rmtree(probe, ignore_errors=True)
    if pace is None:
        raise ConfigError(f"{seconds / 60:.1f} minutes are too few for {plan['name']}, whose steps take longer")
    steps = max(2, int((end - time.monotonic()) * (1 - _RESERVE) / pace))
    epochs = max(2, math.ceil(steps * pace / EPOCH))
    settings = _scheduled(settings, epochs, max(1, steps // epochs))
    print(f"{plan['name']}: {pace:.3f} s a step, {epochs} epochs of {settings['training']['steps_per_epoch']} steps")
    run.mkdir(parents=True, exist_ok=True)
    (run / SETTINGS).write_text(json.dumps(settings))
    _call(plan, settings, run, end, machine)


def _call(
    plan: Mapping[str, Any],
    settings: Mapping[str, Any],
    run: Path,
    end: float,
    machine: Mapping[str, Any],
    resume: bool = False,
) -> None:
    start, objects = (Path(plan[name]) if plan.get(name) else None for name in ("start", "objects"))
    left = max(end - time.monotonic(), 1.0)
    run_training(
        Settings.read(plan["tracker"], settings["data"], training=settings["training"]),
        run,
        start=start,
        objects=objects,
        machine=Machine(machine["device"]),
        resume=resume,
        minutes=left / 60,
    )


def _settings(plan: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's settings for this machine: batch with its rate, precision, and workers that share the streams."""
    training = dict(plan["training"])
    if machine["batch"]:
        factor = math.sqrt(machine["batch"] / training.get("batch_size", 16))
        rates = {name: training[name] * factor for name in ("lr", "final_lr") if name in training}
        training |= {"batch_size": machine["batch"], **rates}
    training["precision"] = machine["precision"]
    workers = machine["workers"]
    data = merged(plan["data"], {"workers": workers, "streams": workers or 1, "memory": 4.0})
    return {"data": data, "training": training}


def _scheduled(settings: Mapping[str, Any], epochs: int, steps: int) -> dict[str, Any]:
    """The settings with another length; what counts in epochs or steps follows it."""
    training = dict(settings["training"])
    before = training.get("epochs", epochs)
    opening = dict(training.get("unfreezing") or {})
    if opening.get("every"):
        opening["every"] = max(1, round(opening["every"] * epochs / before))
        training["unfreezing"] = opening
    rise = dict(training.get("warmup") or {})
    wanted = rise.pop("steps", 0) or (rise.pop("epochs", 0) and epochs * steps)
    rise.pop("epochs", None)
    if wanted:
        training["warmup"] = {**rise, "steps": max(1, min(wanted, epochs * steps // 10))}
    return {**settings, "training": {**training, "epochs": epochs, "steps_per_epoch": steps}}


def _bring_back(plan: Mapping[str, Any], out: Path) -> list[Path]:
    """Put weights, log and curves of a run beside each other.

    Raises:
        DatasetError: if they cannot be written, or one is too large to come back.
    """
    run, name = out / "runs" / plan["name"], plan["name"]
    weights, log, curves = (out / f"{name}.{suffix}" for suffix in ("safetensors", "csv", "png"))
    try:
        shutil.copyfile(run / f"{plan['tracker']}.safetensors", weights)
        gather_log(run, log)
        write_curves(log, curves, name)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.strerror or error}; the run stays in {run}") from None
    for path in (weights, log, curves):
        if path.stat().st_size > LARGEST:
            raise DatasetError(f"{path} has {path.stat().st_size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    return [weights, log, curves]
