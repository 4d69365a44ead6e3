"""``siam-tracker join``: make the cascade's weights of two trained networks."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.config import read_yaml
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.training import cascade


def join(matching: Path, classification: Path, out: Path, settings: Path | None = None) -> None:
    """Make the cascade's weights file of a trained SiamFC and a trained MDNet.

    Calibrate the SiamFC before: its calibration and other settings become the cascade's.

    Args:
        matching: weights of a SiamFC, with any backbone.
        classification: weights of an MDNet.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
        settings: YAML file with settings of the cascade to store with the weights.
    """
    if out.suffix != ".safetensors":
        raise ConfigError(f"a weights file ends in .safetensors, not like {out}")
    if out.exists():
        raise ConfigError(f"{out} exists already; give another name or remove it first")
    metadata = cascade.join(matching, classification, out, read_yaml(settings) if settings else {})
    backbone = metadata["network"]["matching"].get("backbone", "alexnet")
    print(f"{out}: a cascade of SiamFC on {backbone} and MDNet, {out.stat().st_size / 1e6:.1f} MB")
