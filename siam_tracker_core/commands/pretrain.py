"""``siam-tracker pretrain``: give a backbone features without labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.networks import MobileNetV2, backbone, channels_last
from siam_tracker_core.training.distill import Distillation, DistillConfig, Lessons, teach
from siam_tracker_core.training.engine import EpochSlices, checkpoint_to_resume, make_trainer
from siam_tracker_core.training.store import StoreSources, build_store
from siam_tracker_core.weights import load_into, read_weights, save_weights


def load_teacher(path: Path) -> MobileNetV2:
    """A MobileNetV2 from a safetensors file with torchvision's names; blocks beyond the last one used are ignored."""
    state, _ = read_weights(path)
    teacher = MobileNetV2()
    wanted = teacher.state_dict().keys()
    load_into(teacher, {name: tensor for name, tensor in state.items() if name in wanted}, str(path))
    return teacher


DEFAULTS = DistillConfig()


def pretrain(
    teacher: Path,
    out: Path = Path("runs/alexnet"),
    videos: Path | None = None,
    stills: Path | None = None,
    unlabelled: Path | None = None,
    store: Path | None = None,
    student: str = "alexnet",
    start: Path | None = None,
    distillation: DistillConfig = DEFAULTS,
    device: str = "auto",
    workers: int = 1,
    resume: bool = False,
) -> None:
    """Distil a teacher's features into a backbone, without labels.

    Args:
        teacher: MobileNetV2 weights with torchvision's names, as safetensors.
        out: folder of the run; ``backbone.safetensors`` appears in it at the end.
        videos: folder of sequences in OTB's form.
        stills: folder of photographs in COCO's form.
        unlabelled: folder of photographs.
        store: where the context crops are kept between runs; ``out``/store by default.
        student: name of an unpadded backbone.
        start: weights of an earlier distillation to go on from, with a new schedule.
        distillation: settings of the distillation.
        device: auto, cpu or cuda.
        workers: processes that read crops.
        resume: continue the run in ``out``.
    """
    checkpoint = checkpoint_to_resume(out, resume)
    crops = build_store(store or out / "store", StoreSources(videos, stills, unlabelled), distillation.seed)
    torch_device = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    features = teach(crops, load_teacher(teacher), torch_device)
    torch.manual_seed(distillation.seed)
    network = channels_last(backbone(student))
    before: dict[str, Any] = {}
    if start:
        state, before = read_weights(start)
        load_into(network, state, str(start))
    lessons = Lessons(
        crops,
        features,
        network.stride,
        network.receptive_field,
        distillation.steps * distillation.batch,
        distillation.seed,
    )
    data = EpochSlices(lessons, distillation.batch, distillation.steps_per_epoch, workers)
    module = Distillation(network, features.shape[1], distillation)
    trainer = make_trainer(out, distillation.epochs, device=device)
    trainer.fit(module, data, ckpt_path=checkpoint)
    provenance = {
        "network": student,
        "method": "distillation",
        "teacher": teacher.name,
        "start": before,
        "steps": distillation.steps,
        "batch": distillation.batch,
        "seed": distillation.seed,
        "crops": len(crops),
        "cosine": float(trainer.callback_metrics["cosine"]),
        "device": str(torch_device),
        "threads": os.cpu_count(),
    }
    save_weights(out / "backbone.safetensors", network.state_dict(), provenance)
