"""Networks of the SiamRPN family: DaSiamRPN's and PySOT's with AlexNet."""

from __future__ import annotations

from typing import Any

from siam_tracker_core.importers.published import Published
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.anchors import RATIOS
from siam_tracker_core.networks.rpn import HEADS, SiamRPNNetwork

# The backbone's layers as both projects count them: convolutions and normalisations, poolings and ReLUs between.
LAYERS = {
    0: "conv1.0",
    1: "conv1.1",
    4: "conv2.0",
    5: "conv2.1",
    8: "conv3.0",
    9: "conv3.1",
    11: "conv4.0",
    12: "conv4.1",
    14: "conv5.0",
    15: "conv5.1",
}
DASIAMRPN_HEAD = {
    "conv_cls1": "head.template_cls",
    "conv_r1": "head.template_reg",
    "conv_cls2": "head.search_cls",
    "conv_r2": "head.search_reg",
    "regress_adjust": "head.adjust_reg",
}
# The layers with tensors of each branch of PySOT's depth-wise head, which are named here as there.
DEPTHWISE = ("conv_kernel.0", "conv_kernel.1", "conv_search.0", "conv_search.1", "head.0", "head.1", "head.3")


def _rpn(description: str, source: str, network: dict[str, Any], config: dict[str, Any], **names: Any) -> Published:
    """A kind whose network has the tensors of ``backbone``, and of ``head`` with kernels of ``hidden`` channels."""

    def make() -> SiamRPNNetwork:
        features = backbone(network["backbone"])
        head = HEADS[network["head"]](features.out_channels, hidden=network["hidden"])
        return SiamRPNNetwork(features, head)

    metadata = {"tracker": "siamrpn", "network": {**network, "ratios": list(RATIOS)}, "config": config}
    return Published(description, source, make, metadata, **names)


def _dasiamrpn(
    title: str,
    backbone_name: str,
    hidden: int,
    penalty_k: float,
    window_influence: float,
    size_lr: float,
    **more: float,
) -> Published:
    return _rpn(
        f"DaSiamRPN's {title}",
        "foolwood/DaSiamRPN:code/net.py",
        {"backbone": backbone_name, "head": "up_channel", "hidden": hidden},
        {
            "search_size": 271,
            "penalty_k": penalty_k,
            "window_influence": window_influence,
            "size_lr": size_lr,
            **more,
        },
        modules={f"featureExtract.{number}": f"backbone.{name}" for number, name in LAYERS.items()} | DASIAMRPN_HEAD,
        bgr="featureExtract.0.weight",
    )


# Only the big one searches a larger region for small targets.
KINDS = {
    "dasiamrpn-vot": _dasiamrpn("SiamRPNvot", "alexnet_wide", 256, 0.04, 0.44, 0.45, small_share=0.0),
    "dasiamrpn-otb": _dasiamrpn("SiamRPNotb", "alexnet_wide", 256, 0.22, 0.40, 0.30, small_share=0.0),
    "dasiamrpn-big": _dasiamrpn("SiamRPNBIG", "alexnet_wide_2x", 512, 0.055, 0.42, 0.295),
    "pysot-siamrpn-alex": _rpn(
        "PySOT's siamrpn_alex_dwxcorr",
        "STVIR/pysot:pysot/models/backbone/alexnet.py, pysot/models/head/rpn.py",
        {"backbone": "alexnet_wide", "head": "depthwise", "hidden": 256},
        {"search_size": 287, "penalty_k": 0.16, "window_influence": 0.40, "size_lr": 0.30},
        modules={f"backbone.features.{number}": f"backbone.{name}" for number, name in LAYERS.items()}
        | {f"rpn_head.{branch}.{name}": f"head.{branch}.{name}" for branch in ("cls", "loc") for name in DEPTHWISE},
        bgr="backbone.features.0.weight",
    ),
}
