"""``siam-tracker calibrate``: make a tracker's scores mean something."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from siam_tracker_core.config import merged
from siam_tracker_core.datasets import read_sequences
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.trackers.common.siamese import SiameseModel
from siam_tracker_core.training.engine.calibration import fit, gather
from siam_tracker_core.training.engine.saving import save
from siam_tracker_core.weights import read_weights, shared_files
from siam_tracker_core.zoo import load_tracker


def calibrate(weights: Path, videos: Path, out: Path | None = None, device: str = "auto") -> None:
    """Fit a tracker's confidence on training sequences and store it with the weights.

    Args:
        weights: a .safetensors file of this package.
        videos: folder of training sequences in OTB's form.
        out: the file to write; the weights file itself by default.
        device: auto, cpu or cuda:N.
    """
    check_outputs({"--out": out}, [videos])
    tracker = load_tracker(weights, device, config={"lost": {"enabled": False}})
    if not isinstance(tracker.model, SiameseModel):
        raise ConfigError(f"{weights} holds a {tracker.name}, whose scores need no calibration")
    evidence = gather(tracker, read_sequences(videos))
    calibration, area = fit(evidence)
    scores = np.array([calibration.score(*row) for row in evidence.values])
    print(f"{len(scores)} looks, {evidence.right.mean():.0%} at the target; area under the ROC curve {area:.3f}")
    for threshold in (0.1, 0.25, 0.5, 0.7, 0.9):
        kept, false = (scores[evidence.right] >= threshold).mean(), (scores[~evidence.right] >= threshold).mean()
        print(f"score >= {threshold:4}: {kept:6.1%} of the right ones, {false:6.1%} of the wrong ones")
    state, metadata = read_weights(weights)
    holders = [weights.with_name(name) for name in shared_files(weights)]
    metadata = merged(metadata, {"config": {"calibration": asdict(calibration)}})
    metadata["provenance"] = merged(
        metadata.get("provenance", {}), {"calibration": {"looks": len(scores), "roc_area": round(area, 4)}}
    )
    written = out or weights
    save(written, state, metadata, "give another --out, or make room", beside=holders)
    print(f"stored in {written}: {calibration}")
