"""``siam-tracker train``: train a tracker."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.networks import SiamFCNetwork, backbone, channels_last
from siam_tracker_core.training.cutouts import CutOuts
from siam_tracker_core.training.engine import EpochSlices, checkpoint_to_resume, make_trainer
from siam_tracker_core.training.pairs import Pairs
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.store import StoreSources, build_store
from siam_tracker_core.weights import load_into, read_weights, save_weights

DEFAULTS = SiamFCTraining()


def train(
    out: Path = Path("runs/siamfc"),
    videos: Path | None = None,
    stills: Path | None = None,
    cutouts: Path | None = None,
    store: Path | None = None,
    start: Path | None = None,
    training: SiamFCTraining = DEFAULTS,
    held_out: list[str] | None = None,
    device: str = "auto",
    workers: int = 1,
    resume: bool = False,
) -> None:
    """Train SiamFC on image pairs.

    Args:
        out: folder of the run; ``siamfc.safetensors`` appears in it at the end.
        videos: folder of sequences in OTB's form.
        stills: folder of photographs in COCO's form.
        cutouts: folder of objects with alpha (PNG), to compose pairs of.
        store: where the context crops are kept between runs; ``out``/store by default.
        start: backbone weights to start from, as ``siam-tracker pretrain`` writes them.
        training: settings of the training.
        held_out: names of sequences to leave out.
        device: auto, cpu or cuda.
        workers: processes that read crops.
        resume: continue the run in ``out``.
    """
    checkpoint = checkpoint_to_resume(out, resume)
    crops = build_store(
        store or out / "store", StoreSources(videos, stills, held_out=tuple(held_out or ())), training.seed
    )
    torch.manual_seed(training.seed)
    network = SiamFCNetwork(backbone("alexnet"))
    origin: dict[str, Any] = {}
    if start:
        state, origin = read_weights(start)
        load_into(network.backbone, state, str(start))
    channels_last(network)
    objects = CutOuts(cutouts) if cutouts else None
    pairs = Pairs(
        crops,
        training.steps * training.batch,
        training.frame_range,
        training.video_share,
        training.seed,
        tuple(held_out or ()),
        objects,
        training.cutout_share,
    )
    data = EpochSlices(pairs, training.batch, training.steps_per_epoch, workers)
    module = SiamFCModule(network, training)
    trainer = make_trainer(out, training.epochs, device=device)
    began = time.time()
    trainer.fit(module, data, ckpt_path=checkpoint)
    metadata = {
        "tracker": "siamfc",
        "network": {"backbone": "alexnet", "gain": network.correlation.gain},
        "config": {},
        "provenance": {
            "start": origin,
            "steps": training.steps,
            "batch": training.batch,
            "seed": training.seed,
            "targets": {
                "videos": len(pairs.tracks),
                "photographs": len(pairs.stills),
                "cutouts": len(objects) if objects else 0,
            },
            "held_out": sorted(held_out or ()),
            "hours": round((time.time() - began) / 3600, 2),
            "device": f"{trainer.strategy.root_device}, {os.cpu_count()} cores",
        },
    }
    save_weights(out / "siamfc.safetensors", module.averaged.module.state_dict(), metadata)
