"""Trainings on a GPU say what they say on the CPU; skipped without one."""

from __future__ import annotations

import copy

import pytest
import torch

from siam_tracker_core.training.augmentation.coarseness import Coarseness
from siam_tracker_core.training.augmentation.look_alikes import LookAlikes
from siam_tracker_core.training.siamban import SiamBANModule, SiamBANTraining
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.siamrpn import SiamRPNModule, SiamRPNTraining

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    """Four pairs of smooth noise, the last one without its target."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand((8, 3, 28, 28), generator=generator) * 255
    crops = torch.nn.functional.interpolate(coarse, 448, mode="bilinear").to(torch.uint8).permute(0, 2, 3, 1)
    sizes = torch.rand((8, 2), generator=generator) * 50 + 30
    negative = torch.tensor([False, False, False, True])
    return {
        "exemplar": crops[:4].contiguous(),
        "search": crops[4:].contiguous(),
        "exemplar_size": sizes[:4],
        "search_size": sizes[4:] * ~negative[:, None],
        "negative": negative,
        "loose": torch.tensor([False, True, False, False]),
        "track": torch.arange(4),
    }


@needs_gpu
@pytest.mark.parametrize(
    "module",
    [
        lambda: SiamFCModule.build(SiamFCTraining()),
        lambda: SiamRPNModule.build(SiamRPNTraining(search_size=271)),
        lambda: SiamBANModule.build(
            SiamBANTraining(look_alikes=LookAlikes(probability=0.5), coarseness=Coarseness(probability=0.5))
        ),
    ],
    ids=["siamfc", "siamrpn", "siamban"],
)
def test_losses_and_gradients_on_cuda_are_those_of_the_cpu(module, batch):
    torch.manual_seed(0)
    here = module()
    there = copy.deepcopy(here).cuda()
    moved = {name: value.cuda() for name, value in batch.items()}
    said = [each.losses(given, torch.Generator().manual_seed(1)) for each, given in ((here, batch), (there, moved))]
    for name, value in said[0].items():
        assert said[1][name].item() == pytest.approx(value.item(), rel=0.02, abs=0.02), name
    for values in said:
        values["loss"].backward()
    norms = [
        torch.cat([p.grad.flatten().cpu() for p in each.network.parameters() if p.grad is not None]).norm()
        for each in (here, there)
    ]
    assert norms[1].item() == pytest.approx(norms[0].item(), rel=0.1)
