"""The training engine on a network so small that what it must do can be worked out by hand."""

from __future__ import annotations

import copy
import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from torch import nn
from torch.utils.data import Dataset

from siam_tracker_core.config import read_config
from siam_tracker_core.datasets import read_sequences
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, DatasetError, WeightsError
from siam_tracker_core.evaluation.otb import score
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.networks import backbone
from siam_tracker_core.training.checkpoints import BEST, LAST, checkpoint_to_resume, read_checkpoint
from siam_tracker_core.training.engine import EpochSlices, Machine, Run, best_network, fit
from siam_tracker_core.training.export import export
from siam_tracker_core.training.loaders import PatientLoader
from siam_tracker_core.training.module import TrainingModule
from siam_tracker_core.training.pictures import GAP, heat, overlay, tile
from siam_tracker_core.training.recipe import Recipe, Unfreezing, WarmUp, read_recipe
from siam_tracker_core.training.schedule import rate_factor
from siam_tracker_core.training.speed import in_words
from siam_tracker_core.training.unfreezing import open_units, set_training, units_of
from siam_tracker_core.training.validation import Validation
from siam_tracker_core.weights import read_weights

CPU = Machine("cpu")


class Numbers(Dataset):
    """Sample n is a vector that depends on n alone."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return {"x": torch.randn(4, generator=torch.Generator().manual_seed(number))}


class Net(nn.Module):
    """A backbone of three units with normalisation and dropout, a head, and an offset that the tracker errs by."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        units = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.3)) for _ in range(3)]
        self.backbone = nn.Sequential(*units)
        self.head = nn.Linear(4, 1)
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x[:, :, None, None])[:, :, 0, 0])[:, 0]


@dataclass(frozen=True)
class Shifted:
    """Gives the first box again, displaced by the network's offset."""

    offset: float

    def init(self, image, box):
        object.__setattr__(self, "box", box)

    def update(self, image):
        row = self.box.to_array()
        row[0] += self.offset
        return row


class Lesson(TrainingModule):
    """The offset grows by the rate in each step of SGD; the rest learns something that includes noise."""

    kind = "lesson"
    recipe_class = Recipe

    def losses(self, batch, generator):
        noise = torch.rand(len(batch["x"]), generator=generator)
        answer = self.network(batch["x"]) - batch["x"].sum(dim=1) - noise
        return {"loss": answer.square().mean() - self.network.offset, "answer": answer.detach().mean()}

    def pictures(self, batch):
        return [[np.full((8, 8, 3), 50, np.uint8), np.full((6, 5, 3), 90, np.uint8)]]

    def tracker(self, network):
        return Shifted(float(network.offset))

    def description(self):
        return {"tracker": self.kind}


def recipe(**changes: object) -> Recipe:
    plain = {"epochs": 2, "steps_per_epoch": 2, "batch": 4, "first_rate": 0.1, "last_rate": 0.1, "precision": "single"}
    return read_recipe(Recipe, {**plain, **changes})


def run(out: Path, settings: Recipe, module: TrainingModule | None = None, **options: object) -> Run:
    module = module or Lesson(Net(), settings)
    data = EpochSlices(Numbers(), settings.batch, settings.batches_per_epoch, workers=0)
    return fit(module, data, out, machine=CPU, **options)


# Settings


def test_unknown_keys_and_impossible_values_name_themselves():
    with pytest.raises(ConfigError, match=r"training: epoch: there is no such setting"):
        read_recipe(Recipe, {"epoch": 3})
    with pytest.raises(ConfigError, match=r"unfreezing\.evry: there is no such setting"):
        read_recipe(Recipe, {"unfreezing": {"evry": 3}})
    with pytest.raises(ConfigError, match="batch"):
        read_recipe(Recipe, {"batch": 0})
    with pytest.raises(ConfigError, match="never reaches"):
        read_recipe(Recipe, {"last_rate": 0})
    with pytest.raises(ConfigError, match="leave at least one"):
        read_recipe(Recipe, {"epochs": 3, "warm_up": {"epochs": 3}})
    with pytest.raises(ConfigError, match="one of the two"):
        WarmUp(steps=3, epochs=1)


def test_rates_are_the_papers_logspace_by_epoch():
    settings = recipe(epochs=50, steps_per_epoch=3, first_rate=1e-2, last_rate=1e-5)
    rates = [settings.first_rate * rate_factor(step, settings) for step in range(settings.steps)]
    np.testing.assert_allclose(rates, np.repeat(np.logspace(-2, -5, 50), 3), rtol=1e-9)


def test_warm_up_by_epochs_comes_before_the_decay():
    settings = recipe(
        epochs=12, steps_per_epoch=4, first_rate=1e-2, last_rate=1e-4, warm_up={"epochs": 2, "start": 0.5}
    )
    rates = [settings.first_rate * rate_factor(step, settings) for step in range(settings.steps)]
    np.testing.assert_allclose(rates[:8], np.linspace(5e-3, 1e-2, 8, endpoint=False), rtol=1e-9)
    np.testing.assert_allclose(rates[8:], np.repeat(np.logspace(-2, -4, 10), 4), rtol=1e-9)


def test_cosine_decay_falls_from_first_to_last_rate():
    settings = recipe(epochs=10, steps_per_epoch=10, last_rate=0.01, decay="cosine", warm_up={"steps": 10, "start": 0})
    factors = [rate_factor(step, settings) for step in range(101)]
    assert factors[0] == 0
    assert factors[50] == pytest.approx(0.55)  # half way between 1 and 0.1
    assert factors[100] == pytest.approx(0.1)


# Which part trains


@pytest.mark.parametrize("name", ["alexnet", "mobilenetv2", "vgg16", "resnet50", "ciresnet22"])
def test_units_open_from_the_back_and_the_first_convolution_never(name):
    features = backbone(name)
    schedule = Unfreezing(every=5)
    parameters = {id(p) for unit in units_of(features) for p in unit.parameters()}
    assert parameters == {id(p) for p in features.parameters()}
    last = None
    for epoch in (0, 4, 5, 10, 400):
        opened = open_units(features, schedule, epoch)
        assert len(opened) == min(1 + epoch // 5, len(units_of(features)) - 1)
        assert opened[-1] is units_of(features)[-1]
        if last is not None:
            assert opened[len(opened) - len(last) :] == last  # what was open stays open
        last = opened
        set_training(features, schedule, epoch)
        inside = {id(p) for unit in opened for p in unit.parameters()}
        assert {id(p) for p in features.parameters() if p.requires_grad} == inside
    convolutions = [layer for layer in features.modules() if isinstance(layer, nn.Conv2d)]
    assert not convolutions[0].weight.requires_grad
    assert convolutions[1].weight.requires_grad


def test_frozen_parts_keep_their_statistics_and_weights():
    features = Net().backbone
    before = copy.deepcopy(features.state_dict())
    set_training(features, Unfreezing(every=1), epoch=1)
    optimiser = torch.optim.SGD(features.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    features(torch.randn(8, 4, 1, 1)).square().sum().backward()
    optimiser.step()
    changed = {
        name.split(".")[0] for name, value in features.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"1", "2"}


def test_frozen_norms_keep_all_statistics():
    features = Net().backbone
    set_training(features, Unfreezing(), epoch=0, frozen_norms=True)
    assert not any(layer.training for layer in features.modules() if isinstance(layer, nn.BatchNorm2d))
    assert all(layer.training for layer in features.modules() if isinstance(layer, nn.Dropout))
    set_training(features, Unfreezing(), epoch=0)
    assert all(layer.training for layer in features.modules())


# The loop


def test_average_follows_its_definition(tmp_path):
    """The offset after step k is 0.1 k; the average begins with the first step's weights, and warms up."""
    settings = recipe(epochs=3, average=0.75, momentum=0, weight_decay=0, accumulation=2)
    result = run(tmp_path, settings)
    expected = 0.1
    for k in range(2, 7):
        share = min(0.75, k / (k + 9))
        expected = share * expected + (1 - share) * 0.1 * k
    assert float(result.network.offset) == pytest.approx(expected, rel=1e-5)
    last = read_checkpoint(tmp_path / LAST)
    assert float(last["state_dict"]["network.offset"]) == pytest.approx(0.6, rel=1e-5)
    assert last["global_step"] == 6


def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path):
    class Plain(Lesson):
        def losses(self, batch, generator):
            return {"loss": (self.network.head(batch["x"])[:, 0] - batch["x"].sum(dim=1)).square().mean()}

    results = []
    for batch, accumulation in ((8, 1), (2, 4)):
        settings = recipe(batch=batch, accumulation=accumulation, epochs=2, average=0)
        results.append(run(tmp_path / str(batch), settings, Plain(Net(), settings)).network.head.weight)
    torch.testing.assert_close(results[0], results[1])


def test_clipping_bounds_a_step(tmp_path):
    settings = recipe(clip=0.01, epochs=1, steps_per_epoch=1, momentum=0, weight_decay=0, average=0)
    after = run(tmp_path, settings).network
    pairs = zip(after.parameters(), Net().parameters(), strict=True)
    moved = torch.cat([(new - old).detach().flatten() for new, old in pairs]).norm()
    assert float(moved) == pytest.approx(0.1 * 0.01, rel=1e-3)


class Crash(lightning.Callback):
    """Goes down in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_start(self, trainer, pl_module, batch, number):
        if trainer.current_epoch == self.epoch and number == 1:
            raise SystemExit("as if the machine went down")


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_resumed_run_is_bit_identical(tmp_path, optimiser):
    """Dropout, noise, momentum, average and unfreezing all continue as if nothing had happened."""
    settings = recipe(
        epochs=4,
        optimiser=optimiser,
        last_rate=0.01,
        warm_up={"steps": 3},
        average=0.9,
        unfreezing={"every": 2},
        seed=5,
    )
    torch.manual_seed(1)
    whole = run(tmp_path / "whole", settings)
    torch.manual_seed(2)  # what the interpreter drew before must not matter
    with pytest.raises(SystemExit):
        run(tmp_path / "part", settings, more=[Crash(2)])
    assert read_checkpoint(tmp_path / "part" / LAST)["epoch"] == 1
    torch.manual_seed(3)
    resumed = run(tmp_path / "part", settings, checkpoint=checkpoint_to_resume(tmp_path / "part", resume=True))
    assert len(list((tmp_path / "part").glob("log*/metrics.csv"))) == 2  # the first part's log is still there
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    contents = [read_checkpoint(tmp_path / name / LAST) for name in ("whole", "part")]
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(contents[0][key], contents[1][key], atol=0, rtol=0)


def test_finished_run_hands_back_its_weights_without_a_step(tmp_path):
    settings = recipe()
    first = run(tmp_path, settings)
    before = (tmp_path / LAST).read_bytes()
    module = Lesson(Net(), settings)
    again = run(tmp_path, settings, module, checkpoint=tmp_path / LAST)
    assert (tmp_path / LAST).read_bytes() == before
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    assert again.hours == pytest.approx(first.hours, rel=0.5)
    export(tmp_path / "lesson.safetensors", module, again, {}, {"crops": 3}, "last")
    state, metadata = read_weights(tmp_path / "lesson.safetensors")
    assert float(state["offset"]) == pytest.approx(float(first.network.offset), abs=1e-3)
    told = metadata["provenance"]
    assert (told["steps"], told["batch"], told["seed"], told["data"]) == (4, 4, 0, {"crops": 3})
    assert told["training"]["first_rate"] == 0.1


# Checkpoints


class DiskFullIn(lightning.Callback):
    """From an epoch on, what is written beside the checkpoint goes to /dev/full."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self.folder, self.epoch = folder, epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            (self.folder / f"{LAST}.partial").symlink_to("/dev/full")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_leaves_the_last_checkpoint_whole(tmp_path):
    settings = recipe(epochs=3)
    with pytest.raises(WeightsError, match=r"last\.ckpt could not be written \(No space left"):
        run(tmp_path, settings, more=[DiskFullIn(tmp_path, 1)])
    assert read_checkpoint(tmp_path / LAST)["epoch"] == 0
    resumed = run(tmp_path, settings, checkpoint=tmp_path / LAST)
    whole = run(tmp_path / "whole", settings)
    assert torch.equal(resumed.network.offset, whole.network.offset)


def test_checkpoints_that_do_not_fit_are_refused(tmp_path):
    settings = recipe(epochs=1)
    run(tmp_path, settings)

    class Other(Lesson):
        kind = "other"

    with pytest.raises(WeightsError, match=r"is of 'lesson', and this is a training of 'other'"):
        run(tmp_path, settings, Other(Net(), settings), checkpoint=tmp_path / LAST)
    wide = Net()
    wide.head = nn.Linear(4, 2)
    with pytest.raises(WeightsError, match=r"does not fit Lesson: of another shape: network\.head"):
        run(tmp_path, settings, Lesson(wide, settings), checkpoint=tmp_path / LAST)
    with pytest.raises(WeightsError, match="2 batches an epoch, and this one has 6"):
        run(tmp_path, recipe(steps_per_epoch=6), checkpoint=tmp_path / LAST)
    (tmp_path / "short.ckpt").write_bytes((tmp_path / LAST).read_bytes()[:1000])
    with pytest.raises(WeightsError, match="is truncated or no checkpoint"):
        run(tmp_path, settings, checkpoint=tmp_path / "short.ckpt")
    with pytest.raises(WeightsError, match="does not exist"):
        run(tmp_path, settings, checkpoint=tmp_path / "none.ckpt")
    with pytest.raises(WeightsError, match="--resume"):
        checkpoint_to_resume(tmp_path, resume=False)
    with pytest.raises(WeightsError, match="nothing to resume"):
        checkpoint_to_resume(tmp_path / "elsewhere", resume=True)


def test_machines_that_are_not_there(tmp_path):
    with pytest.raises(ConfigError, match="fp16 needs a CUDA device"):
        run(tmp_path, recipe(precision="fp16"))
    data = EpochSlices(Numbers(), 4, 2, 0)
    with pytest.raises(ConfigError, match="'tpu' is unknown"):
        fit(Lesson(Net(), recipe()), data, tmp_path, machine=Machine("tpu"))
    for machine in (Machine("cpu", processes=0), Machine("cpu", machines=0)):
        with pytest.raises(ConfigError, match="give 1 or more of each"):
            fit(Lesson(Net(), recipe()), data, tmp_path, machine=machine)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="'cuda' is not on this machine"):
            fit(Lesson(Net(), recipe()), data, tmp_path, machine=Machine("cuda"))


# Validation


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
    settings = recipe(epochs=3, first_rate=2.0, last_rate=2.0, momentum=0, weight_decay=0, average=0.5)
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


# Logs


def test_logs_pictures_and_speed(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, recipe(epochs=2, steps_per_epoch=30))
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
