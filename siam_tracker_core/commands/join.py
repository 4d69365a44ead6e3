"""``siam-tracker join``: make the cascade's weights of two trained networks."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.config import read_yaml
from siam_tracker_core.training import cascade
from siam_tracker_core.training.engine.saving import check_new


def join(matching: Path, classification: Path, out: Path, settings: Path | None = None) -> None:
    """Make the cascade's weights file of a trained SiamFC and a trained MDNet.

    Calibrate the SiamFC before: its calibration and other settings become the cascade's.

    Args:
        matching: weights of a SiamFC, with any backbone.
        classification: weights of an MDNet.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
        settings: YAML file with settings of the cascade to store with the weights.
    """
    check_new(out)
    metadata = cascade.join(matching, classification, out, read_yaml(settings) if settings else {})
    backbone = metadata["network"]["matching"].get("backbone", "alexnet")
    print(f"{out}: a cascade of SiamFC on {backbone} and MDNet, {out.stat().st_size / 1e6:.1f} MB")
