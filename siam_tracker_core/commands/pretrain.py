"""``siam-tracker pretrain``: give a backbone features, by distillation without labels or by classes of pictures."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch

from siam_tracker_core.analysis.guidelines import padded_cells
from siam_tracker_core.commands.settings import explained
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.networks import Backbone, MobileNetV2, backbone, channels_last
from siam_tracker_core.networks.ablation import BasicResNet, Inception
from siam_tracker_core.training.classify import ClassData, Classification, Classifier, ClassifyConfig
from siam_tracker_core.training.distill import STUDENT_SIZE, Distillation, DistillConfig, LessonData, bring_to_length
from siam_tracker_core.training.engine.checkpoints import checkpoint_to_resume
from siam_tracker_core.training.engine.export import export, start_from, write_config
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.training.engine.run import Machine, fit
from siam_tracker_core.weights import load_into, read_weights, sha256
from siam_tracker_core.zoo import torch_device

MOBILENET = "mobilenetv2"

# Published classifiers that go past stride 8 are cut where they reach it.
OPTIONS: dict[str, dict[str, Any]] = {
    "vgg16": {"last": "conv4_3"},
    "vgg16_caffe": {"last": "conv4_3"},
    "vgg19": {"last": "conv4_4"},
}

# Of students: what a ReLU would cut off takes part in the lesson.
STUDENTS: dict[str, dict[str, Any]] = {"vgg_m": {"rectified": False}}


def pretrain(
    teacher: Path,
    out: Path = Path("runs/alexnet"),
    shards: list[str] | str | None = None,
    store: Path | None = None,
    teacher_kind: str = MOBILENET,
    student: str = "alexnet",
    student_options: dict[str, Any] | None = None,
    start: Path | None = None,
    training: dict[str, Any] | None = None,
    workers: int = 1,
    device: str = "auto",
    processes: int = 1,
    machines: int = 1,
    resume: bool = False,
    explain: bool = False,
) -> None:
    """Distil a teacher's features into a backbone, without labels; or teach it the classes of pictures.

    ``--explain`` tells all settings.

    Args:
        teacher: the teacher's weights; or the folder of ImageNet, or another with train and val, each with a folder a
            class, to learn the classes in place of a teacher's features.
        out: folder of the run; ``backbone.safetensors`` appears in it at the end.
        shards: prepared data sets, see ``siam-tracker prepare``; targets and boxes in them are not used.
        store: where the decoded crops and the teacher's features are kept between runs; ``out``/store by default.
        teacher_kind: mobilenetv2 (torchvision's names, as safetensors), or a kind of ``siam-tracker import-checkpoint``
            whose network has stride 8: torchvision-vgg16, torchvision-vgg19, torchvision-resnet50, caffe-vgg16 ...
        student: name of the backbone; one that is distilled is unpadded and has a stride of 8 or a multiple of it.
        student_options: of the backbone, e.g. ``--student_options.receptive_field 79``; they stay with the weights.
        start: weights of an earlier pretraining to go on from, with a new schedule.
        training: settings, e.g. ``--training.epochs 10``.
        workers: processes that read crops.
        device: auto, cpu or cuda.
        processes: of data-parallel training on this machine, e.g. one a GPU.
        machines: that take part.
        resume: continue the run in ``out``; of a finished one, only the weights are exported again.
        explain: only print all settings, as YAML for ``--config`` with a comment on each.
    """
    options = dict(student_options or {})
    on_classes = teacher.is_dir()
    if explain:
        settings = read_recipe(ClassifyConfig, training) if on_classes else read_recipe(DistillConfig, training)
        print(f"student: {student}\n{explained({'training': settings})}", end="")
        return
    machine = Machine(device, processes, machines)
    if on_classes:
        lesson = read_recipe(ClassifyConfig, training)
        _classify(teacher, out, student, options, start, lesson, workers, machine, resume)
        return
    recipe = read_recipe(DistillConfig, training)
    locations = [shards] if isinstance(shards, str) else list(shards or [])
    check_outputs({"--out": out}, locations)
    check_outputs({"--out": out / "backbone.safetensors"}, [start, teacher])
    checkpoint = checkpoint_to_resume(out, resume)
    master = load_teacher(teacher, teacher_kind)
    torch.manual_seed(recipe.seed)
    network = channels_last(unpadded(student, options))
    lessons = LessonData(
        locations,
        store or out / "store",
        master,
        f"{teacher_kind} {sha256(teacher)}",
        network,
        recipe,
        workers,
        torch_device(device),
    )
    module = Distillation(network, recipe, lessons.width, student, options)
    origin = start_from(module, start) if start else {}
    if not resume:
        told = {"teacher": teacher, "teacher_kind": teacher_kind, "start": start}
        told |= {"student": student, "student_options": options}
        write_config(out, {**told, "shards": locations, "training": asdict(recipe)})
    run = fit(module, lessons, out, machine=machine, checkpoint=checkpoint)
    if run.is_first:
        bring_to_length(cast(Backbone, run.network), lessons.lessons, recipe.cell_norm)
    export(out / "backbone.safetensors", module, run, origin, lessons.description(), "last")


def _classify(
    pictures: Path,
    out: Path,
    student: str,
    options: dict[str, Any],
    start: Path | None,
    recipe: ClassifyConfig,
    workers: int,
    machine: Machine,
    resume: bool,
) -> None:
    """Teach a backbone classes of pictures; ``backbone.safetensors`` tells the top-1 accuracy."""
    check_outputs({"--out": out}, [pictures])
    check_outputs({"--out": out / "backbone.safetensors"}, [start])
    data = ClassData(pictures, recipe, workers)
    checkpoint = checkpoint_to_resume(out, resume)
    torch.manual_seed(recipe.seed)
    network = channels_last(Classifier(backbone(student, **options), len(data.pictures.classes)))
    module = Classification(network, recipe, student, options)
    origin = start_from(module, start) if start else {}
    if not resume:
        settings = {"teacher": pictures, "student": student, "student_options": options, "start": start}
        write_config(out, {**settings, "training": asdict(recipe)})
    run = fit(module, data, out, machine=machine, checkpoint=checkpoint)
    export(out / "backbone.safetensors", module, run, origin, data.description(), "last")
    if run.is_first:
        print(f"{out / 'backbone.safetensors'}: top-1 accuracy {module.top1:.4f} on {len(data.validated)} pictures")


def unpadded(student: str, options: dict[str, Any]) -> Backbone:
    """A student with random weights.

    Raises:
        ConfigError: if there is none of that name, or its features see padding.
    """
    network = backbone(student, **STUDENTS.get(student, {}), **options)
    if isinstance(network, (BasicResNet, Inception)):
        raise ConfigError(
            f"{student!r} cannot be distilled: its length cannot be set at the end, as its last sum or union has many "
            "parts; give a folder of classes in place of the teacher, or take alexnet, vgg10 or ciresnet22"
        )
    padded = padded_cells(deepcopy(network).double().eval(), STUDENT_SIZE, network.stride)
    if padded:
        raise ConfigError(
            f"{padded} cells of the features of {student!r} see padding, so that they tell where in the window they "
            "are; take an unpadded student, such as alexnet or ciresnet22"
        )
    return network


def load_teacher(path: Path, kind: str = MOBILENET) -> Backbone:
    """A teacher in evaluation mode; its layers beyond the last one that is used are left out.

    Raises:
        ConfigError: if there is no such kind.
        WeightsError: if the file is missing, damaged, or of another network.
    """
    if kind == MOBILENET:
        network: Backbone = MobileNetV2()
        state, _ = read_weights(path)
    else:
        from siam_tracker_core.importers import import_checkpoint  # here, so that pretraining alone needs it

        imported = import_checkpoint(kind, path, part="backbone")
        name = imported.metadata["network"]["backbone"]
        network, state = backbone(name, **OPTIONS.get(name, {})), imported.state
    wanted = network.state_dict().keys()
    load_into(network, {name: tensor for name, tensor in state.items() if name in wanted}, str(path))
    return network.eval()
