"""The least squares of the online filter against brute force in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from siam_tracker_core.trackers.online import filter as least_squares
from siam_tracker_core.trackers.online.filter import Projection, Statistics

CHANNELS, KERNEL, SIZE = 3, 3, 7


@pytest.fixture
def samples():
    return torch.randn(2, CHANNELS, SIZE + 2, SIZE + 2, generator=torch.Generator().manual_seed(0))


def slow_patches(sample, kernel, size, dilation):
    """Every patch of a sample (D, rows, columns), cell by cell."""
    padding = dilation * (kernel // 2)
    padded = np.pad(sample, ((0, 0), (padding, padding), (padding, padding)))
    margin = (sample.shape[1] - size) // 2
    found = []
    for row in range(margin, margin + size):
        for column in range(margin, margin + size):
            patch = padded[:, row : row + 2 * padding + 1 : dilation, column : column + 2 * padding + 1 : dilation]
            found.append(patch.ravel())
    return np.stack(found, axis=1)


@pytest.mark.parametrize("dilation", [1, 2])
def test_patches_and_responses(samples, dilation):
    around = least_squares.patches(samples, KERNEL, SIZE, dilation)
    filters = torch.randn(2, CHANNELS * KERNEL**2, generator=torch.Generator().manual_seed(1))
    maps = least_squares.respond(samples, filters, KERNEL, SIZE, dilation)
    for sample, patches, weights, response in zip(samples, around, filters, maps, strict=True):
        expected = slow_patches(sample.numpy(), KERNEL, SIZE, dilation)
        np.testing.assert_allclose(patches.numpy(), expected, atol=1e-6)
        np.testing.assert_allclose(response.numpy().ravel(), weights.numpy() @ expected, atol=1e-5)


def test_conjugate_gradients_reach_the_closed_form(samples):
    """All unknowns' worth of steps give the ridge regression that a direct solver gives on the stacked patches."""
    around = least_squares.patches(samples, KERNEL, SIZE)
    wanted = least_squares.gaussians(torch.tensor([[0.0, 1.0], [-2.0, 0.5]]), torch.tensor([[1.0, 0.8]]), SIZE)
    weights = torch.rand(2, SIZE**2, generator=torch.Generator().manual_seed(2)) + 0.5
    nothing = Statistics(torch.zeros(2, 27, 27).double(), torch.zeros(2, 27).double())
    known = least_squares.with_frames(nothing, around.double(), wanted.flatten(1).double(), 1.0, weights.double())
    found = least_squares.descend(known, torch.zeros(2, 27, dtype=torch.float64), 0.01, 60)
    for patches, target, cells, answer in zip(around, wanted.flatten(1), weights, found, strict=True):
        rows = patches.double().numpy() * np.sqrt(cells.double().numpy() / SIZE**2)
        right = target.double().numpy() * np.sqrt(cells.double().numpy() / SIZE**2)
        stacked = np.concatenate([rows, 0.1 * np.eye(27)], axis=1)
        expected = np.linalg.lstsq(stacked.T, np.concatenate([right, np.zeros(27)]), rcond=None)[0]
        np.testing.assert_allclose(answer.numpy(), expected, atol=1e-6)


def test_every_step_lowers_the_error(samples):
    around = least_squares.patches(samples, KERNEL, SIZE)
    wanted = least_squares.gaussians(torch.zeros(2, 2), torch.ones(1, 2), SIZE).flatten(1)
    known = least_squares.statistics(around, wanted)

    def error(filters):
        fitted = torch.bmm(filters[:, None], around)[:, 0]
        return (fitted - wanted).square().mean(dim=1) + 0.01 * filters.square().sum(dim=1)

    errors = [error(least_squares.descend(known, torch.zeros(2, 27), 0.01, steps)) for steps in range(5)]
    assert all((later < earlier).all() for earlier, later in itertools.pairwise(errors))


def test_a_running_mean_is_a_memory_of_every_frame():
    """After frames 1..n with rate r, frame i weighs r (1 - r)^(n - i), and the first one what is left."""
    rng, rate = np.random.default_rng(0), 0.2
    frames = [Statistics(*(torch.from_numpy(rng.normal(size=size)) for size in ((4, 4), (4,)))) for _ in range(6)]
    known = frames[0]
    for frame in frames[1:]:
        known = known.mixed(frame, rate)
    shares = np.array([(1 - rate) ** 5, *(rate * (1 - rate) ** (5 - i) for i in range(1, 6))])
    assert shares.sum() == pytest.approx(1)
    for part in range(2):
        expected = sum(share * frame[part].numpy() for share, frame in zip(shares, frames, strict=True))
        np.testing.assert_allclose(known[part].numpy(), expected, atol=1e-12)


def test_a_frame_more_is_a_running_mean(samples):
    around = least_squares.patches(samples, KERNEL, SIZE)
    noise = torch.Generator().manual_seed(4)
    before, wanted = (torch.rand(2, SIZE**2, generator=noise) for _ in range(2))
    known = least_squares.statistics(around.flip(-1), before)
    later = least_squares.with_frames(known, around, wanted, 0.3)
    for part, expected in zip(later, known.mixed(least_squares.statistics(around, wanted), 0.3), strict=True):
        torch.testing.assert_close(part, expected)


def test_principal_directions():
    """Those of NumPy's singular values, with a mean squared length of 1, and the same sign every time."""
    features = torch.randn(3, 6, 5, 4, generator=torch.Generator().manual_seed(3)) * torch.arange(1, 7)[:, None, None]
    projection = least_squares.principal(features, 2)
    flat = features.numpy().transpose(1, 0, 2, 3).reshape(6, -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    left = np.linalg.svd(centred)[0][:, :2]
    space = projection.matrix.numpy().T
    assert np.linalg.matrix_rank(np.hstack([space, left]), tol=1e-3) == 2
    projected = least_squares.project(features, Projection(*(part.expand(3, *part.shape) for part in projection)))
    assert projected.square().sum(dim=1).mean().item() == pytest.approx(1, abs=1e-4)
    assert torch.equal(projection.matrix, least_squares.principal(features, 2).matrix)


def test_a_gaussian_is_highest_at_its_centre():
    maps = least_squares.gaussians(torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 2.0]]), SIZE)
    assert divmod(int(maps[0].argmax()), SIZE) == (SIZE // 2 - 1, SIZE // 2 + 2)
    assert maps.max() == 1
    assert maps[0, 2, 6].item() == pytest.approx(np.exp(-0.5))
    assert maps[0, 4, 5].item() == pytest.approx(np.exp(-0.5))
