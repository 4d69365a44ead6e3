"""Checkpoints that others published, by name: their tensors become those of the networks here.

``KINDS`` is the list. Names and shapes are checked strictly against the published definition of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.importers import py_mdnet, siamdw, siamfc_pytorch, siamrpn, torchvision
from siam_tracker_core.importers.checkpoint import read_tensors
from siam_tracker_core.importers.published import Published
from siam_tracker_core.networks import VGG
from siam_tracker_core.networks.normalise import CAFFE, IMAGENET
from siam_tracker_core.weights import below, sha256

KINDS: dict[str, Published] = {
    **torchvision.KINDS,
    **siamfc_pytorch.KINDS,
    **siamdw.KINDS,
    **siamrpn.KINDS,
    **py_mdnet.KINDS,
}
PARTS = ("all", "backbone")
INSIDE = "backbone."  # what the backbone's tensors are called inside a tracker's network


@dataclass(frozen=True)
class Imported:
    """A checkpoint in this package's terms, ready for ``save_weights``.

    Attributes:
        state: float32 tensors by this package's names.
        metadata: what ``load_tracker`` reads, and where the tensors come from.
        left_out: published names of the tensors that the network has no place for.
    """

    state: dict[str, torch.Tensor]
    metadata: dict[str, Any]
    left_out: list[str]


def published(kind: str) -> Published:
    """The definition of a kind of checkpoint.

    Raises:
        ConfigError: if there is none of that name.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no kind of checkpoint {kind!r}; known are {', '.join(KINDS)}")
    return KINDS[kind]


def import_checkpoint(kind: str, path: str | Path, part: str = "all") -> Imported:
    """Read a published checkpoint.

    Args:
        kind: one of ``KINDS``.
        path: the file, as published.
        part: ``all``, or ``backbone`` for the backbone alone, with the names that ``networks.backbone`` knows.

    Raises:
        ConfigError: if there is no such kind or part.
        WeightsError: if the file is missing, damaged, or no such checkpoint; names every tensor that does not fit.
    """
    definition = published(kind)
    if part not in PARTS:
        raise ConfigError(f"there is no part {part!r} of a checkpoint; use {' or '.join(PARTS)}")
    state, left_out = definition.adopt(read_tensors(path), path)
    metadata = dict(definition.metadata)
    if part == "backbone":
        metadata = {"network": {"backbone": metadata["network"]["backbone"]}}
        inside = below(state, INSIDE)
        state = inside or state  # of a classifier nothing but its backbone was kept
    metadata["provenance"] = {
        "imported": kind,
        "published": definition.source,
        "file": Path(path).name,
        "sha256": sha256(path),
    }
    return Imported(state, metadata, left_out)


def load_published(kind: str, path: str | Path) -> nn.Module:
    """The whole network of a published checkpoint, in evaluation mode.

    Raises:
        ConfigError, WeightsError: as ``import_checkpoint`` does.
    """
    imported = import_checkpoint(kind, path)
    network = published(kind).network()
    network.load_state_dict(imported.state)
    return network.eval()


# What a safetensors file may say of its input, and what that means for VGG-16.
VGG16_INPUTS = {
    "RGB, 0..1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225": ("torchvision-vgg16", IMAGENET),
    "BGR, 0..255, minus 104.007 116.669 122.679": ("caffe-vgg16", CAFFE),
}


def load_vgg16(path: str | Path, **options: Any) -> VGG:
    """VGG-16 with published convolutions, in evaluation mode.

    Args:
        path: a file with torchvision's names: torchvision's own, or safetensors whose metadata tell the ``input``.
        options: of ``networks.VGG``: ``last`` and ``pools``.

    Raises:
        WeightsError: if the file is missing, damaged, no VGG-16, or for an input that is not known.
    """
    said = _input_of(Path(path))
    if said not in VGG16_INPUTS:
        raise WeightsError(f"{path} is for an input of {said!r}; known are {', '.join(map(repr, VGG16_INPUTS))}")
    kind, convention = VGG16_INPUTS[said]
    state = import_checkpoint(kind, path).state
    network = VGG(16, convention=convention, **options)
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    return network.eval()


def _input_of(path: Path) -> str:
    """What a file says of its input; torchvision's convention where it says nothing."""
    usual = next(iter(VGG16_INPUTS))
    if path.suffix != ".safetensors" or not path.is_file():
        return usual
    read_tensors(path)  # says what is wrong with a damaged file
    with safe_open(str(path), framework="pt") as file:
        return str((file.metadata() or {}).get("input", usual))


__all__ = ["KINDS", "PARTS", "Imported", "Published", "import_checkpoint", "load_published", "load_vgg16", "published"]
