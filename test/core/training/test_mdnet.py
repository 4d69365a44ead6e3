"""Multi-domain training of MDNet: what a step looks at, what it teaches, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from siam_tracker_core import load_tracker
from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.mdnet import CROP_SIZE, MDNet, PairNorm
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork
from siam_tracker_core.training.augmentation.patches import draw_turns, mirrored, sample_boxes
from siam_tracker_core.training.augmentation.views import Photometry
from siam_tracker_core.training.engine.export import start_from
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.training.engine.schedule import make_optimiser, parameter_groups
from siam_tracker_core.training.mdnet import MDNetModule, MDNetTraining
from siam_tracker_core.weights import save_weights

SAME = {"photometry": Photometry(0, 0, 0, 0, 0), "flip_probability": 0.0}
SIDE = 96


def module(**changes) -> MDNetModule:
    torch.manual_seed(0)
    settings = {"domains": 3, "convolutions": "fresh", "hard_negatives": 6, **SAME, **changes}
    return MDNetModule.build(replace(MDNetTraining(), **settings))


def made_batch(domains=(0, 2), frames=2, near=1, off=3):
    """Frames of noise with a bright target in the middle."""
    generator = torch.Generator().manual_seed(1)
    count = len(domains)
    crops = torch.randint(0, 100, (count, frames, SIDE, SIDE, 3), generator=generator, dtype=torch.uint8)
    crops[:, :, 36:60, 33:63] = 220
    target = torch.tensor([33.0, 36, 30, 24])
    corner = torch.tensor([2.0, 3, 30, 24])
    shake = torch.rand((count, frames, near + off, 4), generator=generator) * 4
    return {
        "crops": crops,
        "sizes": target[2:].expand(count, frames, 2),
        "positives": target + shake[:, :, :near],
        "negatives": corner + shake[:, :, near:] * torch.tensor([8.0, 0, 1, 1]),
        "domain": torch.tensor(domains),
    }


def test_response_normalisation_is_pytorch_s_and_so_is_its_gradient():
    ours, usual = PairNorm(), torch.nn.LocalResponseNorm(2)
    features = torch.rand(5, 6, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 200 - 50
    for each in (features, features.contiguous(memory_format=torch.channels_last)):
        one, other = each.clone().requires_grad_(), each.clone().requires_grad_()
        found, expected = ours(one), usual(other)
        torch.testing.assert_close(found, expected)
        weight = torch.linspace(-1, 2, features.numel(), dtype=torch.float64).view(features.shape)
        (found * weight).sum().backward()
        (expected * weight).sum().backward()
        torch.testing.assert_close(one.grad, other.grad)


def test_training_sees_patches_as_the_tracker_does():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    boxes = np.array([[30.0, 40, 25, 18], [-12, 5, 60, 40], [70, 60.5, 40, 50]])
    network = PatchNetwork(MDNet(domains=0), torch.device("cpu"), "single")
    expected = network.patches(Frame.upload(image, "cpu"), boxes)
    images = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = sample_boxes(images, torch.from_numpy(boxes)[None])[0]
    # OpenCV rounds colours, and places to a 32nd of a pixel.
    difference = (found - expected).abs()
    assert difference.mean() < 1.5
    assert difference.amax() < 12


def test_training_and_tracking_see_the_scale_that_the_recipe_names(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    boxes = torch.tensor([[[30.0, 40, 25, 18]]])
    larger = torch.tensor([[[30 - 25 * 0.15, 40 - 18 * 0.15, 25 * 1.3, 18 * 1.3]]])
    images = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(sample_boxes(images, boxes, 1.3), sample_boxes(images, larger, 1.0), atol=0.05, rtol=0)
    trained = module(context=1.3)
    path = tmp_path / "mdnet.safetensors"
    save_weights(path, trained.shipped(trained.network), {**trained.description(), "provenance": {}})
    assert load_tracker(path, device="cpu", precision="single").model.patches.network.context == 1.3
    start_from(module(context=1.3), path)
    with pytest.raises(ConfigError, match=r"learned from crops of 1\.3000 times the box; give that"):
        start_from(module(), path)


def test_a_mirrored_frame_has_mirrored_patches():
    images = torch.rand(2, 3, SIDE, SIDE)
    boxes = torch.tensor([[[10.0, 20, 30, 16]], [[50, 30, 20, 40]]])
    flips = torch.tensor([True, False])
    turned = torch.stack([images[0].flip(2), images[1]])
    found, expected = sample_boxes(turned, mirrored(boxes, flips, SIDE)), sample_boxes(images, boxes)
    torch.testing.assert_close(found[0], expected[0].flip(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[1], expected[1])


@pytest.mark.parametrize("degrees", [-90, 25, 140])
def test_a_turned_patch_is_what_opencv_warps_to_it(degrees):
    image = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8), (5, 5), 0)
    x, y, width, height = box = (40.0, 50, 36, 24)
    scale = np.diag([CROP_SIZE / (1.3 * width), CROP_SIZE / (1.3 * height)])
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ scale
    # OpenCV counts places from the middle of the first pixel.
    shift = (CROP_SIZE - 1) / 2 - turn @ (np.array([x + width / 2, y + height / 2]) - 0.5)
    expected = cv2.warpAffine(image, np.column_stack([turn, shift]), (CROP_SIZE, CROP_SIZE))
    images = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = sample_boxes(images, torch.tensor([[box]]), 1.3, torch.tensor([[angle]]).float())[0, 0]
    difference = (found.permute(1, 2, 0) - torch.from_numpy(expected)).abs()
    assert difference.mean() < 1.5
    assert difference.amax() < 12


def test_half_of_the_patches_are_turned_by_up_to_what_the_recipe_says():
    turns = draw_turns(torch.zeros(50, 40, 4), 30.0, torch.Generator().manual_seed(0)).flatten()
    turned = turns[turns != 0]
    assert 0.45 < len(turned) / len(turns) < 0.55
    limit = np.radians(30)
    assert turned.abs().max() <= limit
    assert turned.max() > 0.99 * limit
    assert turned.min() < -0.99 * limit
    upright, leaning, batch = module(), module(rotation=30.0), made_batch()
    patches = [
        each.patches(batch, torch.Generator().manual_seed(1)).images.flatten(0, 1) for each in (upright, leaning)
    ]
    same = (patches[0] - patches[1]).abs().flatten(1).amax(1) == 0
    assert 0 < same.sum() < len(same)


def test_loss_is_the_cross_entropy_of_each_domain_s_own_layer():
    trained, batch = module(), made_batch()
    trained.network.eval()  # no dropout
    for layer in trained.network.fc6:
        torch.nn.init.normal_(layer[1].weight, std=0.1)
    values = trained.losses(batch, torch.Generator().manual_seed(0))
    terms = []
    for crops, near, off, domain in zip(
        *(batch[k] for k in ("crops", "positives", "negatives", "domain")), strict=True
    ):
        for frame, positives, negatives in zip(crops, near, off, strict=True):
            image = frame.permute(2, 0, 1).flip(0)[None].float()
            for boxes, label in ((positives, 1), (negatives, 0)):
                for box in boxes:
                    logits = trained.network(sample_boxes(image, box[None, None])[0], int(domain))
                    terms.append(functional.cross_entropy(logits, torch.tensor([label])))
    torch.testing.assert_close(values["loss"], torch.stack(terms).mean(), rtol=1e-4, atol=1e-5)


def test_a_step_moves_the_shared_layers_and_its_own_domains_only():
    trained = module()
    recipe = replace(trained.recipe, lr=1e-2, weight_decay=0.1)
    optimiser = make_optimiser(parameter_groups(trained.network, trained.backbone, recipe), recipe)
    moved = []
    for domain in (0, 2):  # the momentum of the first step must not move domain 0 in the second
        before = {name: tensor.clone() for name, tensor in trained.network.state_dict().items()}
        optimiser.zero_grad()
        trained.losses(made_batch((domain,)), torch.Generator().manual_seed(0))["loss"].backward()
        optimiser.step()
        after = trained.network.state_dict()
        moved.append({name for name, tensor in after.items() if not torch.equal(tensor, before[name])})
    shared = {name for name in trained.network.state_dict() if not name.startswith("fc6")}
    for domain, names in zip((0, 2), moved, strict=True):
        assert {name for name in names if name.startswith("fc6")} == {f"fc6.{domain}.1.weight", f"fc6.{domain}.1.bias"}
        assert {name for name in names if not name.startswith("fc6")} == shared


def test_the_hardest_negatives_teach():
    trained, batch = module(hard_negatives=3), made_batch(off=5)
    for layer in trained.network.fc6:
        torch.nn.init.normal_(layer[1].weight, std=0.1)
    trained.train()
    patches = trained.patches(batch, torch.Generator().manual_seed(0))
    found = trained._hardest(patches, [0, 2])
    assert found.shape == (2, 2 + 3, 3, 107, 107)
    assert trained.network.fc5.training, "dropout is at work again"
    trained.eval()
    for domain, images, chosen in zip((0, 2), patches.images, found, strict=True):
        with torch.no_grad():
            scores = [float(trained.network(image[None], domain)[0, 1]) for image in images[2:]]
        expected = sorted(range(10), key=lambda place: -scores[place])[:3]
        assert torch.equal(chosen[:2], images[:2])
        assert torch.equal(chosen[2:], images[2:][expected])


def test_it_learns_to_tell_bright_targets_from_noise():
    trained, batch = module(), made_batch((0,), frames=2, near=2, off=3)
    trained.eval()
    optimiser = torch.optim.AdamW(trained.network.parameters(), 5e-4)
    losses = []
    for _ in range(8):
        values = trained.losses(batch, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        losses.append(float(values["loss"].detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_more_videos_than_layers_and_other_batches_are_refused():
    with pytest.raises(ConfigError, match=r"training\.domains is 3"):
        module().losses(made_batch((3,)), torch.Generator())
    with pytest.raises(ConfigError, match=r"data\.kind: domains"):
        module().losses({"exemplar": torch.zeros(1), "search": torch.zeros(1)}, torch.Generator())


def test_pictures_show_the_frames_of_each_domain():
    with torch.no_grad():
        rows = module().eval().pictures(made_batch())
    assert [[picture.shape for picture in row] for row in rows] == [[(SIDE, SIDE, 3)] * 2] * 2


def test_what_is_trained_can_be_loaded_without_its_domains(tmp_path):
    trained = module(tracking=replace(MDNetTraining().tracking, candidates=7))
    path = tmp_path / "mdnet.safetensors"
    save_weights(path, trained.network.state_dict(), {**trained.description(), "provenance": {}})
    tracker = load_tracker(path, device="cpu", precision="single")
    assert tracker.config.candidates == 7
    assert len(tracker.model.patches.network.fc6) == 0
    torch.testing.assert_close(
        tracker.model.patches.network.fc4[0].weight, trained.network.fc4[0].weight.detach(), atol=1e-3, rtol=1e-2
    )


def test_other_convolutions_travel_to_the_tracker(tmp_path):
    trained = module(backbone="alexnet")
    path = tmp_path / "mdnet.safetensors"
    save_weights(path, trained.shipped(trained.network), {**trained.description(), "provenance": {}})
    tracker = load_tracker(path, device="cpu", precision="single")
    network = tracker.model.patches.network
    assert network.width == 256 * 3 * 3, "107 -> 49 -> 24 -> 20 -> 9 -> 3 cells"
    assert tracker.model.patches.features(torch.zeros(2, 3, 107, 107)).shape == (2, network.width)


def test_weights_are_shipped_without_domains_and_can_be_gone_on_from(tmp_path):
    trained, fresh = module(), module(domains=5)
    shipped = trained.shipped(trained.network)
    assert set(shipped) == {name for name in trained.network.state_dict() if not name.startswith("fc6.")}
    with torch.no_grad():
        for tensor in shipped.values():
            tensor.add_(0.25)
    path = tmp_path / "mdnet.safetensors"
    save_weights(path, shipped, {**trained.description(), "provenance": {"seed": 3}})
    before = {name: tensor.clone() for name, tensor in fresh.network.state_dict().items()}
    assert start_from(fresh, path) == {"seed": 3}
    for name, tensor in fresh.network.state_dict().items():
        expected = before[name] if name.startswith("fc6.") else shipped[name]
        torch.testing.assert_close(tensor, expected, atol=1e-3, rtol=0)


def test_published_schedule_is_the_default():
    recipe = read_recipe(MDNetTraining, {})
    assert (recipe.optimiser, recipe.lr, recipe.backbone_lr_mult) == ("sgd", 1e-3, 0.1)
    assert (recipe.momentum, recipe.weight_decay, recipe.grad_clip_norm, recipe.hard_negatives) == (0.9, 5e-4, 10.0, 96)
