"""What a training logs and draws, and in which slices it loads its samples."""

from __future__ import annotations

import csv
import math
import re

import numpy as np
import pytest
import torch
from made_lesson import recipe, run
from torch.utils.data import Dataset

from siam_tracker_core.training.data.loader import PatientLoader
from siam_tracker_core.training.engine.epoch_slices import EpochSlices
from siam_tracker_core.training.engine.pictures import GAP, heat, overlay, tile
from siam_tracker_core.training.engine.speed import in_words

# Logs and pictures


def test_logs_pictures_and_speed(tmp_path, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, recipe(epochs=2, steps_per_epoch=30))
    out, err = capsys.readouterr()
    assert "\r" not in out + err  # no bar where nobody watches
    assert re.findall(r"^epoch (\d): loss \S+, .*left \d:\d\d:\d\d$", err, re.MULTILINE) == ["0", "1"]
    with (tmp_path / "log" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(bool(row["loss"]) for row in rows) == 3  # every 20 of 60 steps
    shares = [float(row["waiting"]) for row in rows if row["waiting"]]
    assert len(shares) == 2
    assert all(0 <= share <= 1 for share in shares)
    measured = [row for row in rows if row["samples_per_second"]]
    assert len(measured) == 1
    fast, slow = (float(measured[0][name]) for name in ("samples_per_second_cached", "samples_per_second"))
    assert float(measured[0]["loading"]) == pytest.approx(1 - slow / fast, abs=1e-4)
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["epoch_0000.png", "epoch_0001.png"]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [image.step for image in events.Images("examples")] == [0, 30]
    assert (events.Images("examples")[0].width, events.Images("examples")[0].height) == (8 + GAP + 5, 8)


@pytest.mark.parametrize(
    ("loading", "words"), [(0.12, "costs 12% of"), (-0.02, "costs 0% of"), (-0.4, "less than can be measured")]
)
def test_what_loading_costs_is_told_sensibly(loading, words):
    assert words in in_words(loading)


def test_tiles_lie_beside_and_below_each_other():
    first, second, third = (np.full((h, w, 3), v, np.uint8) for h, w, v in ((4, 6, 10), (3, 5, 20), (2, 2, 30)))
    picture = tile([[first, second], [third]])
    assert picture.shape == (4 + GAP + 2, 6 + GAP + 5, 3)
    assert (picture[:4, :6] == 10).all()
    assert (picture[:3, 6 + GAP :] == 20).all()
    assert (picture[4 + GAP :, :2] == 30).all()
    assert (picture.astype(int).sum() / 3) == 4 * 6 * 10 + 3 * 5 * 20 + 2 * 2 * 30


def test_overlay_is_brightest_where_the_response_is_and_leaves_the_border():
    picture = np.full((60, 60, 3), 100, np.uint8)
    response = np.zeros((5, 5), np.float32)
    response[1, 3] = 1.0
    over = overlay(picture, response, 40)
    assert (over[:10] == 100).all()
    assert (over[:, 50:] == 100).all()
    brightness = over.astype(int).sum(axis=2)
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
    assert 10 + 8 <= row < 10 + 16
    assert 10 + 24 <= column < 10 + 32
    assert heat(np.zeros((2, 2), np.float32), 4, 6).shape == (4, 6, 3)


# Loaders


def test_workers_begin_once_an_epoch(tmp_path, monkeypatch):
    """Also in epochs in which Lightning asks twice for an iterator; each one begun draws a seed of its own."""
    begun = []
    original = torch.utils.data.DataLoader.__iter__
    monkeypatch.setattr(torch.utils.data.DataLoader, "__iter__", lambda self: begun.append(self) or original(self))
    run(tmp_path, recipe(epochs=3))
    assert len(begun) == len(set(map(id, begun))) == 3


def test_a_loader_gives_all_batches_again():
    loader = PatientLoader(range(4), 2)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3]]
    first = iter(loader)
    assert iter(loader) is first
    next(first)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3]]


def test_slices_of_ranks_are_disjoint_and_make_the_double_batch():
    class Fake:
        current_epoch, world_size = 2, 2

        def __init__(self, rank: int) -> None:
            self.global_rank = rank

    class Count(Dataset):
        def __getitem__(self, number: int) -> int:
            return number

    def numbers(trainer: object, batch: int) -> list[list[int]]:
        data = EpochSlices(Count(), batch, 3, workers=0)
        data.trainer = trainer
        return [each.tolist() for each in data.train_dataloader()]

    alone = Fake(0)
    alone.world_size = 1
    pairs = zip(numbers(Fake(0), 2), numbers(Fake(1), 2), strict=True)
    assert [first + second for first, second in pairs] == numbers(alone, 4)
    assert math.isclose(numbers(alone, 4)[0][0], 2 * 3 * 4)
