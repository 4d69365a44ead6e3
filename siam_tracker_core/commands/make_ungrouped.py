"""``siam-tracker make-ungrouped``: give a tracker SiamRPN's AlexNet in place of SiamFC's, to train on."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.networks.ungrouped import without_groups
from siam_tracker_core.training.engine.saving import check_new, save
from siam_tracker_core.weights import below, made_of, read_weights

_PREFIX = "backbone."


def make_ungrouped(weights: Path, out: Path) -> None:
    """Make of a SiamFC or SiamRPN on SiamFC's AlexNet one on SiamRPN's, which has no groups.

    Its training begins with it; until then it tracks as before. SiamRPN's AlexNet has 3.75 million parameters, SiamFC's
    2.34.

    Args:
        weights: of a SiamFC or SiamRPN whose backbone is alexnet.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
    """
    check_new(out)
    state, metadata = read_weights(weights)
    network = metadata.get("network", {})
    if metadata.get("tracker") not in ("siamfc", "siamrpn") or network.get("backbone") != "alexnet":
        raise WeightsError(f"{weights} is no SiamFC or SiamRPN on alexnet; give one, such as siamfc.safetensors")
    features = without_groups(below(state, _PREFIX))
    told = {
        **metadata,
        "network": {**network, "backbone": "alexnet_wide"},
        "provenance": made_of(weights, metadata),
    }
    head = {name: tensor for name, tensor in state.items() if not name.startswith(_PREFIX)}
    made = head | {_PREFIX + name: tensor for name, tensor in features.items()}
    save(out, made, told, "give another name, or make room")
    print(f"{out}: {metadata['tracker']} on alexnet_wide, {out.stat().st_size / 1e6:.1f} MB; train it")
