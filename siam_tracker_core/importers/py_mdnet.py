"""The shared layers of py-MDNet, from conv1 to fc5; its fc6 are made anew for every target."""

from __future__ import annotations

from siam_tracker_core.importers.published import Published
from siam_tracker_core.networks import MDNet

KINDS = {
    "py-mdnet": Published(
        description="py-MDNet's shared layers",
        source="HyeonseobNam/py-MDNet:modules/model.py, pretrain/train_mdnet.py",
        network=lambda: MDNet(domains=0),
        metadata={"network": {"name": "mdnet", "backbone": "vgg_m"}},
        modules={f"conv{number}.0": f"backbone.conv{number}.0" for number in (1, 2, 3)},
    )
}
