"""SRT's loss, what its training sees of box pairs, and what of the network learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.srt import SRTLayers
from siam_tracker_core.trackers.srt import SRTConfig, SRTModel
from siam_tracker_core.training.augmentation.occlusion import Occlusion
from siam_tracker_core.training.augmentation.views import Jitter, Photometry
from siam_tracker_core.training.engine.recipe import Unfreezing, read_recipe
from siam_tracker_core.training.engine.schedule import rate_factor
from siam_tracker_core.training.engine.unfreezing import set_training
from siam_tracker_core.training.losses.contrastive import contrastive_loss
from siam_tracker_core.training.srt import SRTModule, SRTTraining
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker

pytestmark = pytest.mark.usefixtures("narrow_vgg")

UNCHANGED = {
    "view": Jitter(),
    "flip_probability": 0.0,
    "photometry": Photometry(0, 0, 0, 0, 0),
    "occlusion": Occlusion(0, 0),
}
SMALL = SRTTraining(
    layers=SRTLayers(hidden=6, outputs=6),
    tracking=SRTConfig(exemplar_size=112, search_size=160),
    search_size=168,
    lr=1e-3,
)


def made_module(recipe: SRTTraining = SMALL) -> SRTModule:
    torch.manual_seed(0)
    module = SRTModule.build(recipe)
    for irnn in module.network.irnn:
        torch.nn.init.normal_(irnn.input.weight, std=0.05)
    return module


def made_batch(seed: int = 0, count: int = 2, side: int = 320) -> dict[str, torch.Tensor]:
    """Pairs whose targets are the same patch of noise on other noise, with three boxes on it and five off it."""
    rng = np.random.default_rng(seed)

    def noise(rows: int, columns: int) -> np.ndarray:
        coarse = rng.integers(0, 255, (rows // 8, columns // 8, 3)).astype(np.uint8)
        return np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)

    width, height = 64, 48
    x, y = (side - width) // 2, (side - height) // 2
    exemplars, searches = [], []
    for _ in range(count):
        patch = noise(height, width)
        for crops in (exemplars, searches):
            crop = noise(side, side)
            crop[y : y + height, x : x + width] = patch
            crops.append(crop)
    near = np.array([x, y, width, height]) + rng.uniform(-4, 4, (count, 3, 4))
    off = np.array([x, y, width, height]) + rng.uniform(-1, 1, (count, 5, 4)) * [60, 60, 8, 8]
    off[:, 0, 0] = 5  # far beyond what the search image shows
    sizes = torch.tensor([[width, height]] * count, dtype=torch.float32)
    return {
        "exemplar": torch.from_numpy(np.stack(exemplars)),
        "search": torch.from_numpy(np.stack(searches)),
        "exemplar_size": sizes,
        "search_size": sizes,
        "boxes": torch.from_numpy(np.concatenate([near, off], axis=1)).float(),
        "positive": (torch.arange(8) < 3).repeat(count, 1),
        "track": torch.arange(count),
    }


def test_loss_is_equation_4():
    squared = torch.tensor([[0.3, 1.7], [0.4, 0.9]])
    positive = torch.tensor([[True, False], [False, True]])
    terms = [[0.5 * 0.3, 0.5 * max(0, 1.0 - 1.7)], [0.5 * (1.0 - 0.4), 0.5 * 0.9]]
    assert float(contrastive_loss(squared, positive, 1.0)) == pytest.approx(np.mean(terms))
    counted = torch.tensor([[True, False], [True, False]])
    assert float(contrastive_loss(squared, positive, 1.0, counted)) == pytest.approx((terms[0][0] + terms[1][0]) / 2)
    assert float(contrastive_loss(squared, positive, 1.0, torch.zeros(2, 2, dtype=torch.bool))) == 0


def test_rate_is_halved_after_every_epoch():
    recipe = SRTTraining(steps_per_epoch=7)
    rates = [recipe.lr * rate_factor(step, recipe) for step in range(recipe.epochs * 7)]
    np.testing.assert_allclose(rates, np.repeat(5e-4 / 2.0 ** np.arange(10), 7))


def test_boxes_lie_in_the_views_where_they_lay_in_the_crops():
    """Crops whose blue and green tell the place: what a view shows at a box's centre is where the box was."""
    recipe = replace(
        SMALL, **{**UNCHANGED, "view": Jitter(shift=6.0, scale=0.2, stretch=0.05), "flip_probability": 0.5}
    )
    module, batch = made_module(recipe), made_batch(count=6, side=240)
    place = torch.arange(240, dtype=torch.uint8)
    crop = torch.zeros(240, 240, 3, dtype=torch.uint8)
    crop[..., 0], crop[..., 1] = place[None, :], place[:, None]
    batch |= {"exemplar": crop.expand(6, -1, -1, -1), "search": crop.expand(6, -1, -1, -1)}
    batch["boxes"] = torch.cat((torch.rand(6, 8, 2) * 30 + 80, torch.rand(6, 8, 2) * 30 + 10), dim=-1)
    lesson = module.lesson(batch, torch.Generator().manual_seed(1))
    mirrored = 0
    for image, regions, boxes in zip(lesson.searches, lesson.boxes, batch["boxes"], strict=True):
        for region, box in zip(regions, boxes, strict=True):
            centre = region[:2] + region[2:] / 2 - 0.5
            at = (2 * centre + 1) / image.shape[-1] - 1
            seen = torch.nn.functional.grid_sample(image[None], at.view(1, 1, 1, 2), align_corners=False).flatten()
            wanted = box[:2] + box[2:] / 2 - 0.5
            torch.testing.assert_close(seen[[2, 1]], wanted, atol=0.1, rtol=0)  # RGB: blue is last
        mirrored += int(image[2, 80, 60] > image[2, 80, 100])
    assert 0 < mirrored < 6


def test_targets_are_as_large_as_in_tracking():
    """Longer side, with context, as the tracker's; and what reaches into the margin does not count."""
    recipe = replace(SMALL, **UNCHANGED, tracking=replace(SMALL.tracking, context_amount=0.25))
    module, batch = made_module(recipe), made_batch()
    lesson = module.lesson(batch, torch.Generator())
    scale = module.side / (64 + 0.25 * 112)
    torch.testing.assert_close(
        lesson.targets[0, 0], torch.tensor([56.0, 56, 0, 0]) + torch.tensor([-46.0, -38, 92, 76]) * scale
    )
    for regions, counted in zip(lesson.boxes.tolist(), lesson.counted.tolist(), strict=True):
        for (x, y, width, height), count in zip(regions, counted, strict=True):
            assert count == (x >= 42 and y >= 42 and x + width <= 126 and y + height <= 126)
    assert 0 < lesson.counted.float().mean() < 1
    assert lesson.counted[:, :3].all()


def test_each_view_has_the_scale_of_its_own_target():
    """A target that has grown since the exemplar is as large as that in its view."""
    module, batch = made_module(replace(SMALL, **UNCHANGED)), made_batch()
    batch["search_size"] = batch["exemplar_size"] * 1.5
    batch["boxes"][:, 0] = torch.tensor([160 - 48.0, 160 - 36.0, 96, 72])
    lesson = module.lesson(batch, torch.Generator())
    longer = [boxes[:, 0, 2:].amax(dim=1) for boxes in (lesson.targets, lesson.boxes)]
    torch.testing.assert_close(longer[0], torch.full((2,), module.side))
    torch.testing.assert_close(longer[1], torch.full((2,), module.side))


def test_loss_is_that_of_pairs_one_by_one():
    recipe = replace(SMALL, **UNCHANGED, margin=0.7)
    module, batch = made_module(recipe), made_batch()
    values = module.losses(batch, torch.Generator())
    lesson, network = module.lesson(batch, torch.Generator()), module.network
    terms, right = [], []
    with torch.no_grad():
        for number in range(2):
            part = slice(number, number + 1)
            own = network.embed(network.maps(lesson.exemplars[part]), lesson.targets[part])[0, 0]
            others = network.embed(network.maps(lesson.searches[part]), lesson.boxes[part])[0]
            squared = ((others - own) ** 2).sum(dim=1).tolist()
            kept = [(d, y) for d, y, c in zip(squared, [1] * 3 + [0] * 5, lesson.counted[number], strict=True) if c]
            terms += [0.5 * d if y else 0.5 * max(0.0, 0.7 - d) for d, y in kept]
            right.append(min(kept)[1])
    assert float(values["loss"].detach()) == pytest.approx(np.mean(terms), rel=1e-3)
    assert float(values["right"]) == pytest.approx(np.mean(right))


@pytest.mark.parametrize(
    ("schedule", "open_"), [(Unfreezing(1000, 0), 0), (Unfreezing(1000, 3), 3), (Unfreezing(), 13)]
)
def test_what_learns_is_what_is_open(schedule, open_):
    module = made_module(replace(SMALL, unfreezing=schedule))
    set_training(module.backbone, schedule, 0)
    module.losses(made_batch(), torch.Generator().manual_seed(0))["loss"].backward()
    learning = [unit.weight.grad is not None for unit in module.network.backbone.units()]
    assert learning == [False] * (13 - open_) + [True] * open_
    for parameter in (*module.network.irnn.parameters(), module.network.balance):
        assert parameter.grad.abs().sum() > 0


def test_learns_to_tell_boxes_apart_and_draws_them():
    recipe = replace(SMALL, **UNCHANGED, margin=0.5)
    module, batch = made_module(recipe), made_batch()
    set_training(module.backbone, Unfreezing(1000, 0), 0)
    optimiser = torch.optim.Adam([p for p in module.network.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(12):
        values = module.losses(batch, torch.Generator())
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        losses.append(float(values["loss"].detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert values["alike"] > values["unlike"]
    with torch.no_grad():
        rows = module.eval().pictures(batch)
    assert [picture.shape for picture in rows[1]] == [(112, 112, 3), (168, 168, 3), (168, 168, 3)]


def test_settings_come_back_with_the_weights(tmp_path):
    values = {"layers": {"hidden": 6, "outputs": 4, "backbone": "vgg16"}, "tracking": {"scale_step": 1.05}}
    module = SRTModule.build(read_recipe(SRTTraining, values))
    assert isinstance(module.tracker(module.network).model, SRTModel)
    save_weights(tmp_path / "srt.safetensors", module.network.state_dict(), module.description())
    tracker = load_tracker(tmp_path / "srt.safetensors", "cpu")
    assert tracker.config == replace(module.recipe.tracking, lost=tracker.config.lost)
    assert tracker.model.network.layers == module.recipe.layers


def test_what_cannot_be_trained():
    with pytest.raises(ConfigError, match="multiple"):
        SRTTraining(search_size=270)
    with pytest.raises(ConfigError, match="exemplar_size is 120, too small for a target of 50"):
        made_module(SRTTraining(tracking=SRTConfig(exemplar_size=120)))
    batch = made_batch()
    del batch["boxes"]
    with pytest.raises(ConfigError, match="box_pairs"):
        made_module().losses(batch, torch.Generator())
