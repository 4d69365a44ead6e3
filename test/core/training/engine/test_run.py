"""The training engine's rates, unfreezing and steps, worked out by hand on a very small network."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from made_lesson import Lesson, Net, Numbers, recipe, run
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import backbone
from siam_tracker_core.training.engine.checkpoints import LAST, read_checkpoint
from siam_tracker_core.training.engine.epoch_slices import EpochSlices
from siam_tracker_core.training.engine.recipe import Recipe, Unfreezing, WarmUp, read_recipe
from siam_tracker_core.training.engine.run import Machine, fit
from siam_tracker_core.training.engine.schedule import rate_factor
from siam_tracker_core.training.engine.unfreezing import open_units, set_training, units_of
from siam_tracker_core.training.siamrpn import SiamRPNTraining

# Settings


def test_unknown_keys_and_impossible_values_name_themselves():
    with pytest.raises(ConfigError, match=r"training: epoch: there is no such setting"):
        read_recipe(Recipe, {"epoch": 3})
    with pytest.raises(ConfigError, match=r"unfreezing\.evry: there is no such setting"):
        read_recipe(Recipe, {"unfreezing": {"evry": 3}})
    with pytest.raises(ConfigError, match=r"training: first_rate is called lr now"):
        read_recipe(Recipe, {"first_rate": 3})
    with pytest.raises(ConfigError, match=r"loss\.hard is called loss\.hard_negative_share now"):
        read_recipe(SiamRPNTraining, {"loss": {"hard": 0.5}})
    with pytest.raises(ConfigError, match="batch_size"):
        read_recipe(Recipe, {"batch_size": 0})
    with pytest.raises(ConfigError, match="never reaches"):
        read_recipe(Recipe, {"final_lr": 0})
    with pytest.raises(ConfigError, match="leave at least one"):
        read_recipe(Recipe, {"epochs": 3, "warmup": {"epochs": 3}})
    with pytest.raises(ConfigError, match="one of the two"):
        WarmUp(steps=3, epochs=1)


def test_rates_are_the_papers_logspace_by_epoch():
    settings = recipe(epochs=50, steps_per_epoch=3, lr=1e-2, final_lr=1e-5)
    rates = [settings.lr * rate_factor(step, settings) for step in range(settings.steps)]
    np.testing.assert_allclose(rates, np.repeat(np.logspace(-2, -5, 50), 3), rtol=1e-9)


def test_warm_up_by_epochs_comes_before_the_decay():
    settings = recipe(epochs=12, steps_per_epoch=4, lr=1e-2, final_lr=1e-4, warmup={"epochs": 2, "start_factor": 0.5})
    rates = [settings.lr * rate_factor(step, settings) for step in range(settings.steps)]
    np.testing.assert_allclose(rates[:8], np.linspace(5e-3, 1e-2, 8, endpoint=False), rtol=1e-9)
    np.testing.assert_allclose(rates[8:], np.repeat(np.logspace(-2, -4, 10), 4), rtol=1e-9)


def test_cosine_decay_falls_from_first_to_last_rate():
    settings = recipe(
        epochs=10, steps_per_epoch=10, final_lr=0.01, lr_schedule="cosine", warmup={"steps": 10, "start_factor": 0}
    )
    factors = [rate_factor(step, settings) for step in range(101)]
    assert factors[0] == 0
    assert factors[50] == pytest.approx(0.55)  # half way between 1 and 0.1
    assert factors[100] == pytest.approx(0.1)


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
    set_training(features, Unfreezing(), epoch=0, freeze_batch_norm=True)
    assert not any(layer.training for layer in features.modules() if isinstance(layer, nn.BatchNorm2d))
    assert all(layer.training for layer in features.modules() if isinstance(layer, nn.Dropout))
    set_training(features, Unfreezing(), epoch=0)
    assert all(layer.training for layer in features.modules())


# The loop


def test_average_follows_its_definition(tmp_path):
    """The offset after step k is 0.1 k; the average begins with the first step's weights, and warms up."""
    settings = recipe(epochs=3, ema_decay=0.75, momentum=0, weight_decay=0, accumulate_grad_batches=2)
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
        settings = recipe(batch_size=batch, accumulate_grad_batches=accumulation, epochs=2, ema_decay=0)
        results.append(run(tmp_path / str(batch), settings, Plain(Net(), settings)).network.head.weight)
    torch.testing.assert_close(results[0], results[1])


def test_clipping_bounds_a_step(tmp_path):
    settings = recipe(grad_clip_norm=0.01, epochs=1, steps_per_epoch=1, momentum=0, weight_decay=0, ema_decay=0)
    after = run(tmp_path, settings).network
    pairs = zip(after.parameters(), Net().parameters(), strict=True)
    moved = torch.cat([(new - old).detach().flatten() for new, old in pairs]).norm()
    assert float(moved) == pytest.approx(0.1 * 0.01, rel=1e-3)
