"""What the tests of batches share: settings, batches of an epoch, and when two are equal."""

from __future__ import annotations

import torch

from siam_tracker_core.training.data.data_module import Source, TrainingData

# Shades of the made crops tell tracks apart; JPEG keeps them to 1 or 2.
STEP = 8


def shades(batch, name="exemplar"):
    """The track of each sample, by its shade."""
    return [round(float(crop[..., 0].float().mean()) / STEP) for crop in batch[name]]


def config(root, *names, **options):
    options = {"batch_size": 4, "steps_per_epoch": 6, "workers": 0, "streams": 2, "shuffle_buffer": 8, **options}
    return TrainingData(sources=tuple(Source(str(root / name)) for name in names), **options)


def batches(data, epoch=0, rank=0, ranks=1):
    return list(data.loader(epoch, rank, ranks))


def equal(first, second):
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(first, second, strict=True)
    )
