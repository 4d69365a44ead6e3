"""Checkpoints that a training resumes from as if nothing had happened, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from made_lesson import Lesson, Net, recipe, run
from torch import nn

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.training.engine.checkpoints import LAST, checkpoint_to_resume, read_checkpoint
from siam_tracker_core.training.engine.export import export
from siam_tracker_core.weights import read_weights


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
        final_lr=0.01,
        warmup={"steps": 3},
        ema_decay=0.9,
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


def set_hours(path: Path, hours: float) -> None:
    checkpoint = read_checkpoint(path)
    assert 0 < checkpoint["callbacks"]["Clock"]["seconds"] < 1800
    checkpoint["callbacks"]["Clock"]["seconds"] = 3600.0 * hours
    torch.save(checkpoint, path)


def test_finished_run_hands_back_its_weights_without_a_step(tmp_path):
    settings = recipe()
    first = run(tmp_path, settings)
    set_hours(tmp_path / LAST, 2)  # whatever this machine took
    before = (tmp_path / LAST).read_bytes()
    module = Lesson(Net(), settings)
    again = run(tmp_path, settings, module, checkpoint=tmp_path / LAST)
    assert (tmp_path / LAST).read_bytes() == before
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    assert 2 <= again.hours < 2.5
    export(tmp_path / "lesson.safetensors", module, again, {}, {"crops": 3}, "last")
    state, metadata = read_weights(tmp_path / "lesson.safetensors")
    assert float(state["offset"]) == pytest.approx(float(first.network.offset), abs=1e-3)
    told = metadata["provenance"]
    assert (told["steps"], told["batch"], told["seed"], told["data"]) == (4, 4, 0, {"crops": 3})
    assert told["training"]["lr"] == 0.1
    assert told["hours"] == pytest.approx(again.hours, abs=1e-3)


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
