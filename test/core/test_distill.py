"""The loss of the distillation against squared differences."""

from __future__ import annotations

import torch
from torch.nn import functional

from siam_tracker_core.training.distill import difference


def cells(seed: int, length: float) -> torch.Tensor:
    values = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(values, dim=1) * length


def test_vectors_of_the_right_length_are_compared_by_squares():
    answer, target = cells(0, 1.92), cells(1, 1.92)
    torch.testing.assert_close(difference(answer, target), functional.mse_loss(answer, target))
    assert difference(target, target) < 1e-12


def test_near_the_target_it_is_the_squared_difference():
    """To second order: with a thousandth of a difference they agree to a thousandth."""
    target = cells(1, 4.0)
    answer = target + 1e-3 * cells(2, 4.0)
    torch.testing.assert_close(difference(answer, target), functional.mse_loss(answer, target), rtol=3e-3, atol=0)


def test_directions_are_taught_to_vectors_of_any_length():
    """The pull sideways on vectors thirty times too long, relative to their length, is that on right ones."""
    target = cells(1, 2.0)

    def sideways(length: float) -> torch.Tensor:
        answer = cells(0, length).requires_grad_()
        (gradient,) = torch.autograd.grad(difference(answer, target), answer)
        along = functional.normalize(answer.detach(), dim=1)
        return (gradient - (gradient * along).sum(dim=1, keepdim=True) * along) * length

    torch.testing.assert_close(sideways(60.0), sideways(2.0))
