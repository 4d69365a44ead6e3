"""Validation during a training against scores worked out without tracking."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made_lesson import recipe, run

from siam_tracker_core.config import read_config
from siam_tracker_core.datasets import read_sequences
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.otb import score
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.training.engine.checkpoints import BEST, LAST, read_checkpoint
from siam_tracker_core.training.engine.run import best_network
from siam_tracker_core.training.engine.validation import Validation


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for seed in (3, 4):
        made_sequence(frames=5, size=(160, 120), seed=seed).write_otb_form(root / f"made{seed}")
    return root


def auc_of_offset(root: Path, offset: float, frames: int) -> float:
    """What ``Shifted`` scores, worked out without tracking."""
    results = []
    for sequence in (each.head(frames) for each in read_sequences(root)):
        boxes = np.repeat(sequence.boxes[:1], len(sequence), axis=0)
        boxes[1:, 0] += offset
        none = np.full(len(sequence), np.nan)
        results.append(
            SequenceResult(sequence.name, sequence.boxes, boxes, none, (None,) * len(sequence), none, sequence.frames)
        )
    return score(results).success_auc


def test_validation_scores_the_averaged_weights_and_keeps_the_best(tmp_path, videos):
    settings = recipe(epochs=3, lr=2.0, final_lr=2.0, momentum=0, weight_decay=0, ema_decay=0.5)
    result = run(tmp_path, settings, validation=Validation(root=videos, frames=4))
    offsets, average = [2.0 * k for k in range(1, 7)], 2.0
    averages = []
    for step, offset in enumerate(offsets):
        share = min(0.5, (1 + step) / (10 + step)) if step else 0.0
        average = share * average + (1 - share) * offset
        if step % 2:
            averages.append(average)
    expected = [auc_of_offset(videos, offset, 4) for offset in averages]
    assert expected[0] > expected[1] > expected[2]
    with (tmp_path / "log" / "metrics.csv").open() as file:
        logged = [float(row["success_auc"]) for row in csv.DictReader(file) if row["success_auc"]]
    np.testing.assert_allclose(logged, expected, atol=1e-6)
    assert result.score == pytest.approx(expected[-1])
    assert result.best == (pytest.approx(expected[0]), 0)
    assert read_checkpoint(tmp_path / BEST)["epoch"] == 0
    assert float(result.network.offset) == pytest.approx(averages[-1], rel=1e-5)
    assert float(best_network(tmp_path, result).offset) == pytest.approx(averages[0], rel=1e-5)


def test_validation_every_other_epoch_and_after_the_last(tmp_path, videos):
    settings = recipe(epochs=3)
    run(tmp_path, settings, validation=Validation(root=videos, names=("made4",), frames=2, every=2))
    with (tmp_path / "log" / "metrics.csv").open() as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file) if row["success_auc"]]
    assert epochs == [1, 2]


def test_validation_on_what_is_not_there(tmp_path, videos):
    with pytest.raises(DatasetError, match="no sequence ghost"):
        run(tmp_path, recipe(), validation=Validation(root=videos, names=("ghost",)))
    with pytest.raises(ConfigError, match=r"give validation\.root"):
        run(tmp_path, recipe(), validation=Validation(names=("made3",)))
    with pytest.raises(ConfigError, match="there is no such setting"):
        read_config(Validation, {"folder": "x"}, "validation")
    assert not (tmp_path / LAST).exists()
