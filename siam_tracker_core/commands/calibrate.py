"""``siam-tracker calibrate``: make a tracker's scores mean something."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from siam_tracker_core.config import merged
from siam_tracker_core.datasets import read_sequences
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.trackers.common.siamese import SiameseModel
from siam_tracker_core.trackers.online.config import ResponseCalibration
from siam_tracker_core.training.engine.calibration import fit, gather
from siam_tracker_core.training.engine.saving import save
from siam_tracker_core.weights import read_weights, shared_files
from siam_tracker_core.zoo import load_tracker


def calibrate(
    weights: Path, videos: Path, out: Path | None = None, device: str = "auto", learning: bool = False
) -> None:
    """Fit a tracker's confidence on training sequences and store it with the weights.

    A tracker that learns while it tracks has a score of its own, of the network and the filter.

    Args:
        weights: a .safetensors file of this package.
        videos: folder of training sequences in OTB's form.
        out: the file to write; the weights file itself by default.
        device: auto, cpu or cuda:N.
        learning: fit the score of the tracker with ``online: {enabled: true}``, although these weights have it off.
    """
    check_outputs({"--out": out}, [videos])
    learns = {"online": {"enabled": True}} if learning else {}
    tracker = load_tracker(weights, device, config={"lost": {"enabled": False}, **learns})
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
    stored: dict[str, Any] = {"calibration": asdict(calibration)}
    told: dict[str, Any] = {"calibration": {"looks": len(scores), "roc_area": round(area, 4)}}
    if isinstance(calibration, ResponseCalibration):
        stored, told = {"online": stored}, {"online": told}
    metadata = merged(metadata, {"config": stored, "provenance": told})
    written = out or weights
    save(written, state, metadata, "give another --out, or make room", beside=holders)
    print(f"stored in {written}: {calibration}")
