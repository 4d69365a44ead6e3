"""``siam-tracker import-checkpoint``: make a weights file of a checkpoint that others published."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.importers import import_checkpoint as read_checkpoint
from siam_tracker_core.training.engine.saving import check_new, save


def import_checkpoint(kind: str, path: Path, out: Path, part: str = "all") -> None:
    """Make a weights file of a checkpoint that others published.

    Names and shapes are checked strictly, every tensor that does not fit is named, and nothing in the file is run. The
    file's licence and terms stay its owners'.

    Args:
        kind: torchvision-alexnet, torchvision-vgg16, torchvision-vgg19, torchvision-resnet50, torchvision-mobilenetv2,
            torchvision-mobilenetv2-stride16, caffe-vgg16 (Caffe's convolutions under torchvision's names),
            siamfc-pytorch, siamdw-res22, siamdw-res22w,
            siamdw-incep22, siamdw-next22, siamdw-rpn-thinner, siamdw-rpn-thicker, dasiamrpn-vot, dasiamrpn-otb,
            dasiamrpn-big, pysot-siamrpn-alex or py-mdnet.
        path: the checkpoint as published: .pth, .model or .safetensors.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
        part: all, or backbone for the backbone alone, to begin a training with.
    """
    check_new(out)
    imported = read_checkpoint(kind, path, part)
    save(out, imported.state, imported.metadata, "give another name, or make room")
    print(f"{out}: {len(imported.state)} tensors of {kind}, {out.stat().st_size / 1e6:.1f} MB")
    if imported.left_out:
        print(f"left out, for the network has no place for them: {', '.join(imported.left_out)}")
