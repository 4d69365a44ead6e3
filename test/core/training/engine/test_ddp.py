"""Two processes with half the batch each must do what one with the whole batch does. Run as a script, it is a rank."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.networks import SiamFCNetwork
from siam_tracker_core.networks.backbone import Backbone, footprint_of
from siam_tracker_core.training.augmentation.views import Jitter, Photometry
from siam_tracker_core.training.engine.epoch_slices import EpochSlices
from siam_tracker_core.training.engine.recipe import Unfreezing, WarmUp
from siam_tracker_core.training.engine.run import Machine, fit
from siam_tracker_core.training.engine.validation import Validation
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining

EPOCHS, BATCH = 3, 4


class SmallBackbone(Backbone):
    """Three convolutions at stride 8, with normalisation, small enough to train in a test."""

    def __init__(self) -> None:
        super().__init__()
        layers = [torch.nn.Conv2d(3, 8, 11, 4), torch.nn.Conv2d(8, 8, 3, 2), torch.nn.Conv2d(8, 8, 3)]
        for number, layer in enumerate(layers):
            part = torch.nn.Sequential(layer, torch.nn.BatchNorm2d(8), torch.nn.ReLU())
            self.add_module(f"part{number}", part)
        footprint = footprint_of(self)
        self.stride, self.receptive_field, self.out_channels = footprint.stride, footprint.receptive_field, 8

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for part in self.children():
            images = part(images / 16)
        return images


class MadePairs(Dataset):
    """Noise; every third pair is a negative one."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(number)
        exemplar, search = (
            torch.randint(0, 256, (271, 271, 3), generator=generator, dtype=torch.uint8) for _ in range(2)
        )
        size = torch.tensor([60.0, 40.0])
        return {
            "exemplar": exemplar,
            "search": search,
            "exemplar_size": size,
            "search_size": size,
            "negative": torch.tensor(number % 3 == 0),
            "track": torch.tensor(number),
        }


def train(out: Path, batch: int) -> None:
    """Three steps in three epochs; another part of the backbone begins to train in each."""
    recipe = SiamFCTraining(
        epochs=EPOCHS,
        steps_per_epoch=1,
        batch_size=batch,
        lr=0.05,
        final_lr=0.05,
        warmup=WarmUp(),
        precision="single",
        freeze_batch_norm=True,
        ema_decay=0.5,
        unfreezing=Unfreezing(every=1),
        # Everything that depends on the company or the process of a pair is off.
        exemplar_view=Jitter(),
        search_view=Jitter(),
        flip_probability=0.0,
        photometry=Photometry(0, 0, 0, 0, 0),
        cross_video_weight=0.0,
        initial_bias=0.0,
    )
    torch.manual_seed(0)
    module = SiamFCModule(SiamFCNetwork(SmallBackbone(), gain=1e-2), recipe)
    data = EpochSlices(MadePairs(), batch, 1, workers=0)
    run = fit(module, data, out, machine=Machine("cpu"), validation=Validation(out / "videos"))
    if run.is_first:
        state = {f"trained.{name}": tensor.double() for name, tensor in module.network.state_dict().items()}
        state |= {f"averaged.{name}": tensor.double() for name, tensor in run.network.state_dict().items()}
        torch.save({**state, "score": torch.tensor(run.score)}, out / "state.pt")


def write_video(out: Path) -> None:
    """One sequence to validate on, so that the second of two ranks has none."""
    made_sequence(frames=4, size=(200, 160), seed=3).write_otb_form(out / "videos" / "made")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    write_video(out)
    train(out, BATCH)
    return torch.load(out / "state.pt")


@pytest.mark.slow
def test_two_ranks_take_the_steps_of_one_with_the_double_batch(one_process, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", __file__, tmp_path]
    write_video(tmp_path)
    root = Path(__file__).resolve().parents[4]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    two = torch.load(tmp_path / "state.pt")
    assert two.keys() == one_process.keys()
    assert (tmp_path / "best.ckpt").is_file()
    assert float(two.pop("score")) == pytest.approx(float(one_process["score"]), abs=0.02)
    for name, tensor in two.items():
        torch.testing.assert_close(tensor, one_process[name], atol=1e-5, rtol=1e-5, msg=name)


def test_the_steps_change_every_part_that_was_open(one_process):
    torch.manual_seed(0)
    before = SiamFCNetwork(SmallBackbone()).state_dict()
    moved = {
        name for name, tensor in before.items() if not torch.equal(one_process[f"trained.{name}"], tensor.double())
    }
    # part2 from the first epoch, part1 from the second, part0 with the first convolution never.
    assert {name.split(".")[1] for name in moved if name.startswith("backbone")} == {"part1", "part2"}
    assert "correlation.bias" in moved


if __name__ == "__main__":
    train(Path(sys.argv[1]), BATCH // 2)
