"""The shared layers of py-MDNet, from conv1 to fc5; its fc6 are made anew for every target.

They learned from crops of 1.299 times the box, which the weights file says, and moved on failure.
"""

from __future__ import annotations

from siam_tracker_core.importers.published import Published
from siam_tracker_core.networks import MDNet
from siam_tracker_core.networks.mdnet import PY_MDNET_CONTEXT

KINDS = {
    "py-mdnet": Published(
        description="py-MDNet's shared layers",
        source="HyeonseobNam/py-MDNet:modules/model.py, pretrain/train_mdnet.py",
        network=lambda: MDNet(domains=0, context=PY_MDNET_CONTEXT),
        metadata={
            "tracker": "mdnet",
            "network": {"backbone": "vgg_m", "context": PY_MDNET_CONTEXT},
            "config": {"failure": "move"},
        },
        modules={f"conv{number}.0": f"backbone.conv{number}.0" for number in (1, 2, 3)},
    )
}
