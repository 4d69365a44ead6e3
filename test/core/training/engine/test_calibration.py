"""Calibration of scores, from evidence to the command."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core.cli import main
from siam_tracker_core.datasets import Sequence, read_sequences
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.rpn import HEADS, SiamRPNNetwork
from siam_tracker_core.training.engine.calibration import Evidence, fit, gather
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker


def test_calibration_separates_what_can_be_separated():
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    values = rng.normal(size=(400, 2)) + np.where(right, 2.0, -2.0)[:, None]
    calibration, area = fit(Evidence(values, right))
    scores = np.array([calibration.score(*row) for row in values])
    assert area > 0.99
    assert np.mean((scores > 0.5) == right) > 0.97
    with pytest.raises(DatasetError, match=r"in 400 of 400 looks, and evidence of both kinds"):
        fit(Evidence(values, np.ones(400, dtype=bool)))


def test_calibration_does_not_depend_on_the_evidence_s_units():
    """A cosine spans a few tenths; a penalty on its slope would leave right and wrong looks at almost one score."""
    rng = np.random.default_rng(0)
    right = rng.random(100) < 0.5
    peaks = np.where(right, rng.normal(0.9, 0.05, 100), rng.normal(0.6, 0.1, 100))
    values = np.stack([peaks, rng.normal(1.0, 0.3, 100)], axis=1)
    calibration, _ = fit(Evidence(values, right))
    scores = np.array([calibration.score(*row) for row in values])
    assert np.mean(scores[~right] < 0.2) > 0.8
    assert np.mean(scores[right] > 0.5) > 0.9
    other, _ = fit(Evidence(values * [100, 1], right))
    np.testing.assert_allclose([other.score(*row) for row in values * [100, 1]], scores, atol=1e-6)


def test_a_filter_s_response_is_weighed_beside_the_network_s_evidence():
    """Only the response tells right from wrong here; one far beyond the range that scores hold it to spoils nothing."""
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    values = rng.normal(size=(400, 3))
    values[:, 2] = np.where(right, 0.8, 0.2) + 0.1 * rng.normal(size=400)
    values[right.argmax(), 2] = 1e6
    calibration, area = fit(Evidence(values, right))
    scores = np.array([calibration.score(*row) for row in values])
    assert area > 0.99
    assert np.mean((scores > 0.5) == right) > 0.99
    assert calibration.response > 5 * max(abs(calibration.peak), abs(calibration.psr))


@pytest.mark.parametrize("name", ["siamfc", "siamrpn_mobilenetv2_online"])
def test_looks_of_a_tracker_that_learns_tell_what_its_scores_are_made_of(name, videos):
    """In every look, beside the target and in other videos too; and a frame's score is that of its evidence."""
    sequences = [each.head(6) for each in read_sequences(videos)[:2]]
    settings = {"lost": {"enabled": False}, "online": {"enabled": True}}
    tracker = load_tracker(name, "cpu", config=settings, runtime="torch")
    evidence = gather(tracker, sequences, every=2)
    # 5 frames of 2 sequences, and looks beside the target and into the other video in frames 2 and 4.
    assert evidence.values.shape == (len(evidence.right), 3)
    assert 2 * 4 < len(evidence.right) <= 2 * (5 + 4)
    assert evidence.values[evidence.right, 2].mean() > evidence.values[~evidence.right, 2].mean() + 0.3
    result = tracker.update(sequences[-1].image(5))
    assert result.score == tracker.config.online.calibration.score(*tracker.state.evidence)


@pytest.mark.slow
def test_calibration_of_proposals(videos, tmp_path, monkeypatch, capsys):
    """A tracker with random weights: it looks, and its evidence is of the kind that calibration wants."""
    torch.manual_seed(0)
    features = backbone("alexnet_wide")
    network = SiamRPNNetwork(features, HEADS["depthwise"](features.out_channels, 5, 16))
    told = {"backbone": "alexnet_wide", "head": "depthwise", "hidden": 16}
    weights = tmp_path / "rpn.safetensors"
    save_weights(weights, network.state_dict(), {"tracker": "siamrpn", "network": told, "config": {}})
    tracker = load_tracker(weights, "cpu", config={"lost": {"enabled": False}})
    evidence = gather(tracker, read_sequences(videos)[:2], every=4)
    assert evidence.values.shape == (len(evidence.right), 2)
    assert np.isfinite(evidence.values).all()
    # 11 frames of 2 sequences, and looks beside the target and into the other video in frames 4 and 8.
    assert 2 * 2 <= (~evidence.right).sum() <= 2 * (11 + 2 * 2)
    evidence = Evidence(evidence.values, np.arange(len(evidence.right)) % 2 == 0)
    calibration, _ = fit(evidence)
    with monkeypatch.context() as patch:
        patch.setattr("siam_tracker_core.commands.calibrate.gather", lambda *_: evidence)
        assert main(["calibrate", str(weights), str(videos), "--device", "cpu"]) == 0
    assert load_tracker(weights, "cpu").config.calibration == calibration
    assert main(["calibrate", str(weights), str(videos), "--out", "/proc/no/w.safetensors", "--device", "cpu"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_calibration_needs_a_target_to_begin_with(tmp_path):
    rows = np.array([[np.nan] * 4, [1.0, 2, 3, 4]])
    absent = Sequence("late", (tmp_path / "0.jpg", tmp_path / "1.jpg"), rows)
    with pytest.raises(DatasetError, match="late cannot be tracked: its first frame has no target"):
        gather(None, [absent])
