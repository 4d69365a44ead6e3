"""The mean of two trainings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siam_tracker_core.commands.make_mean import make_mean
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.evaluation.seen import trained_on
from siam_tracker_core.weights import read_weights, save_weights


def _write(path: Path, value: int, name: str, network: str = "alexnet") -> Path:
    state = {"a.weight": torch.full((2, 3), float(value)), "a.num_batches_tracked": torch.tensor(value)}
    told = {
        "tracker": "siamfc",
        "network": {"backbone": network},
        "config": {"scale_lr": value},
        "provenance": {"data": {"sequences": [name]}},
    }
    save_weights(path, state, told)
    return path


def test_tensors_lie_between_and_both_provenances_stay(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "1.safetensors", 2, "Crossing"), _write(tmp_path / "2.safetensors", 6, "Couple")
    out = tmp_path / "mean.safetensors"
    make_mean(first, second, out, share=0.25)
    state, metadata = read_weights(out)
    assert torch.equal(state["a.weight"], torch.full((2, 3), 3.0, dtype=state["a.weight"].dtype))
    assert state["a.num_batches_tracked"] == 6
    assert metadata["config"] == {"scale_lr": 6}
    assert trained_on(metadata["provenance"]) == {"Crossing", "Couple"}
    assert [each["share"] for each in metadata["provenance"]["mean of"]] == [0.75, 0.25]
    with pytest.raises(ConfigError, match="exists already"):
        make_mean(first, second, out)


def test_other_networks_are_refused_in_a_sentence(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "1.safetensors", 2, "a"), _write(tmp_path / "2.safetensors", 6, "b", "ciresnet22")
    with pytest.raises(WeightsError, match="not of one network; give two trainings of the same"):
        make_mean(first, second, tmp_path / "mean.safetensors")
