"""Rectifiers that keep no masks compute, and have the gradients, of PyTorch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.siamban import anchor_free
from siam_tracker_core.training.engine.rectifiers import keep_no_masks


@pytest.mark.parametrize("rectifier", [nn.ReLU, nn.ReLU6])
def test_values_and_gradients_are_those_of_pytorch(rectifier: type[nn.ReLU]) -> None:
    values = torch.tensor([-2.0, -0.0, 0.0, 1e-30, 3.0, 6.0, 6.5, 1e30, -float("inf")])
    own, kept = (nn.Sequential(rectifier(inplace=True)) for _ in range(2))
    keep_no_masks(kept)
    results = []
    for layer in (own, kept):
        given = values.clone().requires_grad_()
        answer = layer(given + 0)
        answer.backward(torch.arange(1.0, len(values) + 1))
        assert given.grad is not None
        results.append((answer.detach(), given.grad))
    assert type(kept[0]) is not rectifier
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_not_a_number_stays_one() -> None:
    kept = nn.Sequential(nn.ReLU6())
    keep_no_masks(kept)
    assert kept(torch.tensor([float("nan")], requires_grad=True)).isnan().all()


def test_a_network_keeps_its_weights_its_answers_and_their_gradients() -> None:
    torch.manual_seed(0)
    own = anchor_free(backbone("mobilenetv2_stride16"), {"hidden": 16, "depth": 1, "kernel": 3}, 127).eval()
    kept = copy.deepcopy(own)
    keep_no_masks(kept)
    assert not [part for part in kept.modules() if type(part) in (nn.ReLU, nn.ReLU6)]
    images = torch.rand(1, 3, 127, 127) * 255, torch.rand(1, 3, 255, 255) * 255
    for network in (own, kept):
        answers = network(*images)
        (answers.logits.square().sum() + answers.distances.square().sum()).backward()
    pairs = list(zip(own.named_parameters(), kept.named_parameters(), strict=True))
    assert [name for (name, _), _ in pairs] == [name for _, (name, _) in pairs]
    for (name, first), (_, second) in pairs:
        assert first.grad is not None
        torch.testing.assert_close(first.grad, second.grad, msg=name)
    with torch.inference_mode():
        assert torch.equal(own(*images).logits, kept(*images).logits)
