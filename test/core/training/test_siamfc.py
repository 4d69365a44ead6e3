"""SiamFC's labels and loss against their definitions, and what its training stores."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from siam_tracker_core.commands.train import training_data
from siam_tracker_core.networks import SiamFCNetwork, backbone, cross_correlation
from siam_tracker_core.training.augmentation.occlusion import Occlusion
from siam_tracker_core.training.augmentation.views import Jitter, Photometry
from siam_tracker_core.training.data.data_module import ShardData
from siam_tracker_core.training.losses.logistic import balanced_logistic_loss, response_labels
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining

UNCHANGED = {"exemplar_view": Jitter(), "photometry": Photometry(0, 0, 0, 0, 0), "occlusion": Occlusion(0, 0)}


@pytest.fixture(scope="module")
def batch(shards):
    """Four pairs, the second one negative."""
    recipe = SiamFCTraining(batch_size=4, steps_per_epoch=1)
    data = ShardData(training_data({"workers": 0, "streams": 1}, [shards["video"]], recipe))
    pairs = next(iter(data.loader(epoch=0)))
    pairs["negative"][1] = True
    pairs["search_size"][1] = 0
    return pairs


def test_labels_of_the_paper():
    labels = response_labels(17, 17, torch.zeros(1, 2), stride=8, radius=16)[0]
    assert labels.sum() == 13  # the reference's 13 cells
    expected = [[abs(8 - r) ** 2 + abs(8 - c) ** 2 <= 4 for c in range(17)] for r in range(17)]
    assert torch.equal(labels, torch.tensor(expected).float())
    moved = response_labels(17, 17, torch.tensor([[16.0, -8.0]]), stride=8, radius=16)[0]
    assert torch.equal(moved, torch.roll(labels, (-1, 2), (0, 1)))


def test_balanced_loss_equals_its_definition():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 5), (torch.rand(2, 5, 5) < 0.2).float()
    labels[1] = 0
    cell = torch.log1p(torch.exp(-(2 * labels - 1) * logits))  # equation 2
    first = 0.5 * cell[0][labels[0] == 1].mean() + 0.5 * cell[0][labels[0] == 0].mean()
    second = cell[1].mean()
    torch.testing.assert_close(balanced_logistic_loss(logits, labels), (first + second) / 2)
    torch.testing.assert_close(balanced_logistic_loss(logits, labels, torch.tensor([False, True])), second)
    assert balanced_logistic_loss(logits, labels, torch.tensor([False, False])) == 0


def test_training_label_lies_on_the_target(batch):
    """The augmented search image shows the target where the label says: found by matching the exemplar's pixels."""
    recipe = SiamFCTraining(**UNCHANGED, search_view=Jitter(shift=32.0))
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), recipe)
    crops = batch["exemplar"][:1].repeat(8, 1, 1, 1)
    sizes = batch["exemplar_size"][:1].repeat(8, 1)
    same = {"exemplar": crops, "search": crops, "exemplar_size": sizes, "search_size": sizes}
    same |= {"negative": torch.zeros(8, dtype=torch.bool), "track": torch.arange(8)}
    pairs = module.augment(same, torch.Generator().manual_seed(0))
    assert pairs.centres.abs().max() > 5
    for patch, image, centre in zip(pairs.exemplars, pairs.searches, pairs.centres, strict=True):
        patch, image = (tensor.permute(1, 2, 0).numpy().astype(np.uint8).copy() for tensor in (patch, image))
        match = cv2.matchTemplate(image, patch[40:-40, 40:-40], cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(match.argmax(), match.shape)
        found = np.array([column, row]) + 47 / 2 - 255 / 2
        np.testing.assert_allclose(found, centre.numpy(), atol=1.0)


def test_loss_is_that_of_pairs_and_of_cross_video_negatives(batch):
    """Worked out pair by pair; a negative is the next pair's search image, if it shows another video's target."""
    recipe = SiamFCTraining(
        **UNCHANGED, search_view=Jitter(), flip_probability=0.0, cross_video_weight=0.5, initial_bias=-1.0
    )
    torch.manual_seed(1)
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), recipe).eval()
    tracks = torch.tensor([7, 8, 8, 9])
    values = module.losses({**batch, "track": tracks}, torch.Generator())
    pairs = module.augment(batch, torch.Generator())
    exemplars, searches = module.network.embed(pairs.exemplars), module.network.embed(pairs.searches)

    def logits(exemplar: int, search: int) -> torch.Tensor:
        response = cross_correlation(exemplars[exemplar : exemplar + 1], searches[search : search + 1])
        return response[0] * 1e-3 - 1.0

    def off(exemplar: int, search: int) -> torch.Tensor:
        return torch.log1p(torch.exp(logits(exemplar, search))).mean()

    label = response_labels(17, 17, torch.zeros(1, 2), 8, 16)
    own = [off(1, 1)] + [balanced_logistic_loss(logits(number, number), label) for number in (0, 2, 3)]
    # 1 with 0 and 0 with 3 count; 2 with 1 shows another's target, 3 with 2 counts too.
    strange = [off(1, 0), off(0, 3), off(3, 2)]
    expected = torch.stack(own).mean() + 0.5 * torch.stack(strange).mean()
    torch.testing.assert_close(values["cross_video"], torch.stack(strange).mean())
    torch.testing.assert_close(values["loss"], expected)


def test_gradients_reach_every_weight_and_pictures_are_drawn(batch):
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), SiamFCTraining())
    module.losses(batch, torch.Generator().manual_seed(0))["loss"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.network.parameters())
    with torch.no_grad():
        rows = module.eval().pictures(batch)
    assert [picture.shape for picture in rows[0]] == [(127, 127, 3), (255, 255, 3), (255, 255, 3)]
    assert len(rows) == 4
