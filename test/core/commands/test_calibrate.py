"""``siam-tracker calibrate`` on weights that share tensors: what they share stays shared."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from siam_tracker_core.commands import calibrate as command
from siam_tracker_core.training.engine.calibration import Evidence, fit
from siam_tracker_core.weights import read_weights, shared_files

NAMES = ("siamrpn_mobilenetv2.safetensors", "siamrpn_mobilenetv2_online.safetensors")
# The second tracker learns: its filter's response is the third number.
EVIDENCE = Evidence(
    np.array([[0.2, 0.5, 0.1], [0.8, 1.5, 0.9], [0.4, 0.7, 0.6], [0.9, 2.0, 0.8]]), np.array([False, True, True, True])
)


@pytest.fixture
def weights(tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        shutil.copy(repository_root / "weights" / name, tmp_path)
    monkeypatch.setattr(command, "gather", lambda tracker, sequences: EVIDENCE)
    monkeypatch.setattr(command, "read_sequences", lambda folder: [])
    return tmp_path / NAMES[1]


def test_what_is_shared_stays_shared(weights: Path, tmp_path: Path) -> None:
    (before, metadata), size = read_weights(weights), weights.stat().st_size
    plain = metadata["config"]["calibration"]
    command.calibrate(weights, tmp_path)
    state, metadata = read_weights(weights)
    assert metadata["config"]["online"]["calibration"] == vars(fit(EVIDENCE)[0])
    assert metadata["config"]["calibration"] == plain
    assert metadata["provenance"]["online"]["calibration"]["looks"] == 4
    assert shared_files(weights).keys() == {NAMES[0]}
    assert weights.stat().st_size < size + 1000
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_elsewhere_the_file_is_whole(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere" / "whole.safetensors"
    command.calibrate(weights, tmp_path, out)
    assert shared_files(out) == {}
    assert read_weights(out)[0].keys() == read_weights(weights)[0].keys()
