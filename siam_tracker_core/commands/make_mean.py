"""``siam-tracker make-mean``: the mean of two trainings of one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.limits import Share
from siam_tracker_core.training.engine.saving import check_new, save
from siam_tracker_core.weights import made_of, read_weights


def make_mean(first: Path, second: Path, out: Path, share: Share = 0.5) -> None:
    """Make the mean of two trainings of one network, of which one started from the other or both from the same weights.

    It often holds better on other footage than either of them (Wortsman et al., Model soups, 2022, section 3). Its
    scores are those of neither: calibrate it.

    Args:
        first: a weights file.
        second: another, of the same network; what is not a tensor is taken from it.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
        share: of the second.
    """
    check_new(out)
    (own, told), (other, metadata) = read_weights(first), read_weights(second)
    kinds = [[each.get(key) for key in ("tracker", "network")] for each in (told, metadata)]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in (own, other)]
    if kinds[0] != kinds[1] or shapes[0] != shapes[1]:
        raise WeightsError(f"{first} and {second} are not of one network; give two trainings of the same")
    mean = {
        name: tensor.float().lerp(other[name].float(), share) if tensor.is_floating_point() else other[name]
        for name, tensor in own.items()
    }
    provenance: dict[str, Any] = {
        "mean of": [
            {**made_of(path, each), "share": weight}
            for path, each, weight in ((first, told, 1 - share), (second, metadata, share))
        ]
    }
    save(out, mean, {**metadata, "provenance": provenance}, "give another name, or make room")
    print(f"{out}: {metadata.get('tracker')}, {out.stat().st_size / 1e6:.1f} MB; calibrate it")
