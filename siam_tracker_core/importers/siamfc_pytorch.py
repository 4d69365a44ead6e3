"""The SiamFC of huanglianghua/siamfc-pytorch, whose backbone has the names that ours has."""

from __future__ import annotations

import torch

from siam_tracker_core.importers.published import Published
from siam_tracker_core.networks import SiamFCNetwork, backbone

GAIN = 1e-3

KINDS = {
    "siamfc-pytorch": Published(
        description="siamfc-pytorch's SiamFC with AlexNetV1",
        source="huanglianghua/siamfc-pytorch:siamfc/siamfc.py, siamfc/backbones.py",
        network=lambda: SiamFCNetwork(backbone("alexnet"), GAIN),
        metadata={"tracker": "siamfc", "network": {"backbone": "alexnet", "gain": GAIN}, "config": {}},
        added={"correlation.bias": torch.zeros(())},  # its response has no bias
    )
}
