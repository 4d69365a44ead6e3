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


def test_near_the_target_it_is_the_squared_difference_but_for_the_common_length():
    target = cells(1, 4.0)
    answer = target + 1e-3 * cells(2, 4.0)
    common = (answer.norm(dim=1) / 4.0).log().mean().exp()
    torch.testing.assert_close(
        difference(answer, target), functional.mse_loss(answer / common, target), rtol=3e-3, atol=0
    )


def test_the_common_length_of_the_answers_does_not_matter():
    """Not for the value, nor for the pull relative to the length."""
    target = cells(1, 2.0)

    def pull(factor: float) -> tuple[torch.Tensor, torch.Tensor]:
        answer = ((cells(0, 1.0) + 0.3 * cells(3, 1.0)) * factor).requires_grad_()
        value = difference(answer, target)
        return value.detach(), torch.autograd.grad(value, answer)[0] * factor

    for one, other in zip(pull(60.0), pull(2.0), strict=True):
        torch.testing.assert_close(one, other)
