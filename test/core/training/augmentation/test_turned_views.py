"""Views that are turned and slanted, against rotations by quarters and slow definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from siam_tracker_core.training.augmentation.views import Jitter, Views, turns

SIDE = 24


def views(angle: float, slant: float = 0.0, shift=(0.0, 0.0), scale=(1.0, 1.0), flip: bool = False) -> Views:
    turn = turns(torch.tensor([angle]), torch.tensor([slant]))
    return Views(torch.tensor([shift]), torch.tensor([scale]), torch.tensor([flip]), turn)


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.randint(0, 255, (1, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_quarters_are_those_of_torch_and_no_turn_is_the_usual_view(crops):
    plain = Views(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([False]))
    whole = plain.resample(crops, SIDE)
    torch.testing.assert_close(views(0.0).resample(crops, SIDE), whole, atol=1e-3, rtol=0)
    # From x towards y, which points down: the view's right is the crop's lower side.
    turned = torch.rot90(whole, 1, (2, 3))
    torch.testing.assert_close(views(math.pi / 2).resample(crops, SIDE), turned, atol=1e-2, rtol=0)
    box = views(math.pi / 2, shift=(3.0, 5.0)).boxes(torch.tensor([[10.0, 4.0]]))
    torch.testing.assert_close(box, torch.tensor([[-5.0, 3.0, 4.0, 10.0]]), atol=1e-5, rtol=0)


def test_the_box_is_that_of_the_turned_ellipse():
    looked = views(0.4, slant=0.2, shift=(2.0, -1.0), scale=(1.3, 0.8))
    width, height = 16.0, 6.0
    angles = np.linspace(0, 2 * np.pi, 20001)
    on_crop = np.stack([width / 2 * np.cos(angles), height / 2 * np.sin(angles)])  # the crop's middle is the target's
    turned = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]) @ np.array([[1, 0.2], [0, 1]])
    on_view = np.diag([1 / 1.3, 1 / 0.8]) @ np.linalg.inv(turned) @ (on_crop - np.array([[2.0], [-1.0]]))
    low, high = on_view.min(axis=1), on_view.max(axis=1)
    expected = np.concatenate([(low + high) / 2, high - low])
    np.testing.assert_allclose(looked.boxes(torch.tensor([[width, height]]))[0].numpy(), expected, atol=1e-4)


def test_the_target_is_where_its_box_says(crops):
    crops = torch.full((1, 96, 96, 3), 20, dtype=torch.uint8)
    crops[:, 44:52, 44:52] = 240  # in the middle
    looked = views(0.7, slant=-0.3, shift=(9.0, -6.0), scale=(1.1, 0.9), flip=True)
    image = looked.resample(crops, 80)[0, 0]
    rows, columns = torch.nonzero(image > 130, as_tuple=True)
    place = torch.stack((columns, rows)).float().mean(dim=1) + 0.5 - 40
    torch.testing.assert_close(place, looked.boxes(torch.tensor([[8.0, 8.0]]))[0, :2], atol=0.5, rtol=0)


def test_jitter_draws_within_its_bounds_and_only_where_it_is_asked_for():
    flip = torch.zeros(400, dtype=torch.bool)
    assert Views.draw(Jitter(shift=4.0), flip, torch.Generator().manual_seed(0)).turn is None
    turn = Views.draw(Jitter(rotation=10.0), flip, torch.Generator().manual_seed(0)).turn
    assert turn is not None
    angles = torch.rad2deg(torch.atan2(turn[:, 1, 0], turn[:, 0, 0]))
    assert 9 < angles.abs().max() <= 10
    slanted = Views.draw(Jitter(shear=0.2), flip, torch.Generator().manual_seed(0)).turn
    assert slanted is not None
    assert 0.18 < slanted[:, 0, 1].abs().max() <= 0.2
    assert (slanted[:, 1, 0] == 0).all()
