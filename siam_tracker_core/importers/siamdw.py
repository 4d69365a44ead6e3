"""The networks of SiamDW (researchmm/SiamDW:lib/models), with the correlation of SiamFC or a proposal head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from siam_tracker_core.importers.published import Published, Tensors
from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.networks.anchors import RATIOS
from siam_tracker_core.networks.rpn import SiamRPNNetwork, UpChannelHead

SOURCE = "researchmm/SiamDW:lib/models/modules.py, backbones.py, connect.py"
GAIN = 0.1  # of the correlation
FIRST = "features.features."  # before every published name of the backbone

# The published counts of layer1's units, and of layer2's, where a pooling takes number 1.
UNITS = {"layer1": (0, 1, 2), "layer2": (0, 2, 3, 4)}

# Inside a unit: published names and ours.
RESIDUAL = {
    **{f"conv{number}": f"body.conv{number}" for number in (1, 2, 3)},
    **{f"bn{number}": f"body.bn{number}" for number in (1, 2, 3)},
    "downsample.0": "shortcut.conv",
    "downsample.1": "shortcut.bn",
}
INCEPTION = {
    **{f"branch3x3.conv{number}": f"body.conv{number}" for number in (1, 2, 3)},
    **{f"branch3x3.bn{number}": f"body.bn{number}" for number in (1, 2, 3)},
    "branch1x1.conv": "shortcut.conv",
    "branch1x1.bn": "shortcut.bn",
}
NEXT = {
    "basic.conv1_0": "body.conv1",
    "basic.conv3_0": "body.conv2",
    "basic.conv1_1": "body.conv3",
    **{f"basic.bn{number}": f"body.bn{number}" for number in (1, 2, 3)},
    "shortcut.0": "shortcut.conv",
    "bn0": "tail.bn",
}


def _modules(unit: Mapping[str, str], stem: int) -> Iterator[tuple[str, str]]:
    """Module names of a backbone, published and ours; ``stem`` is the number of its first layer."""
    yield f"{FIRST}conv{stem}", "backbone.stem.conv1"
    yield f"{FIRST}bn{stem}", "backbone.stem.bn1"
    for layer, published in UNITS.items():
        for ours, theirs in enumerate(published):
            for inside, name in unit.items():
                yield f"{FIRST}{layer}.{theirs}.{inside}", f"backbone.{layer}.{ours}.{name}"


def _fully_convolutional(title: str, backbone_name: str, unit: Mapping[str, str], stem: int = 1) -> Published:
    return Published(
        description=f"SiamDW's {title}",
        source=SOURCE,
        network=lambda: SiamFCNetwork(backbone(backbone_name), GAIN),
        metadata={
            "tracker": "siamfc",
            "network": {"backbone": backbone_name, "gain": GAIN},
            "config": {"window_influence": 0.35},
        },
        modules=dict(_modules(unit, stem)),
        added={"correlation.bias": torch.zeros(())},  # its response has no bias
        bgr=f"{FIRST}conv{stem}.weight",
    )


def _two_classes(tensors: Tensors) -> Tensors:
    """Kernels for the logits of background and target, from those for the one logit of the thinner head.

    With a background logit of 0, the softmax of the two is the sigmoid of the one.
    """
    made = dict(tensors)
    for name in ("connect_model.template_cls.weight", "connect_model.template_cls.bias"):
        if name in made:
            made[name] = torch.cat([torch.zeros_like(made[name]), made[name]])
    return made


def _proposals(title: str, hidden: int, **options: Any) -> Published:
    """A kind with CIResNet-22 and the paper's head, its kernels of ``hidden`` channels."""

    def make() -> SiamRPNNetwork:
        features = backbone("ciresnet22")
        return SiamRPNNetwork(features, UpChannelHead(features.out_channels, hidden=hidden))

    shared = ("template_cls", "template_reg", "search_cls", "search_reg")
    head = {f"connect_model.{name}": f"head.{name}" for name in shared} | {"connect_model.adjust": "head.adjust_reg"}
    return Published(
        description=f"SiamDW's {title}",
        source=SOURCE,
        network=make,
        metadata={
            "tracker": "siamrpn",
            "network": {
                "backbone": "ciresnet22",
                "head": "up_channel",
                "hidden": hidden,
                "ratios": list(RATIOS),
            },
            # Small targets are searched like all others, but for VOT-2017 (lib/tracker/siamrpn.py).
            "config": {
                "search_size": 255,
                "small_share": 0.0,
                "penalty_k": 0.055,
                "window_influence": 0.42,
                "size_lr": 0.295,
            },
        },
        modules={**dict(_modules(RESIDUAL, 1)), **head},
        bgr=f"{FIRST}conv1.weight",
        **options,
    )


KINDS = {
    "siamdw-res22": _fully_convolutional("SiamFCRes22", "ciresnet22", RESIDUAL),
    "siamdw-res22w": _fully_convolutional("SiamFCRes22W", "ciresnet22w", RESIDUAL),
    "siamdw-incep22": _fully_convolutional("SiamFCIncep22", "ciresinception22", INCEPTION),
    "siamdw-next22": _fully_convolutional("SiamFCNext22", "ciresnext22", NEXT, stem=0),
    "siamdw-rpn-thinner": _proposals("SiamRPNRes22, thinner", 256, prepare=_two_classes),
    "siamdw-rpn-thicker": _proposals("SiamRPNRes22, thicker", 512),
}
