"""Regularised regression and circular convolution: against brute force, the spatial definition and the equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import cross_correlation
from siam_tracker_core.networks.dynamic import (
    Regression,
    circular_convolution,
    correlation_kernels,
    hann_window,
    regress,
    spectra,
    transformed_correlation,
)

SIZES = [(4, 5), (6, 6), (5, 3)]  # even, odd, and both: the half spectrum differs


def signal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def circulant(x):
    """The matrix that convolves with x circularly, from the definition: out[p] = sum_q r[q] x[p - q]."""
    rows, columns = x.shape
    matrix = np.zeros((rows * columns, rows * columns))
    for p in np.ndindex(rows, columns):
        for q in np.ndindex(rows, columns):
            shifted = (p[0] - q[0]) % rows, (p[1] - q[1]) % columns
            matrix[p[0] * columns + p[1], q[0] * columns + q[1]] = x[shifted]
    return matrix


def spatial(transformation, size):
    return torch.fft.irfft2(transformation, s=size)


@pytest.mark.parametrize("size", SIZES)
def test_circular_convolution_is_its_spatial_definition(size):
    r, x = signal(2, *size), signal(2, *size, seed=1)
    got = circular_convolution(spectra(r), x)
    for channel in range(2):
        expected = circulant(x[channel].numpy()) @ r[channel].numpy().ravel()
        np.testing.assert_allclose(got[channel].numpy().ravel(), expected, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ridge", [1e-3, 0.7])
def test_closed_form_is_the_least_squares_solution(size, ridge):
    """Equation 4 against ridge regression over the circulant matrix of X, a channel at a time."""
    x, y = signal(3, *size), signal(3, *size, seed=1)
    got = spatial(regress(spectra(x), spectra(y), ridge), size)
    for channel in range(3):
        matrix = circulant(x[channel].numpy())
        rows = np.vstack([matrix, np.sqrt(ridge) * np.eye(matrix.shape[1])])
        wanted = np.concatenate([y[channel].numpy().ravel(), np.zeros(matrix.shape[1])])
        expected = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        np.testing.assert_allclose(got[channel].numpy().ravel(), expected, atol=1e-5)


def test_lambda_by_cell_is_the_published_one():
    """alphaf = y / (|x|^2 / N + lambda), applied as alphaf . f . conj(x) / N (reference values, section 5)."""
    x, y, f = signal(2, 6, 6), signal(2, 6, 6, seed=1), signal(2, 6, 6, seed=2)
    x_hat, y_hat, f_hat = (torch.fft.fft2(each) for each in (x, y, f))
    cells, published = 36, 1e-2
    alpha = y_hat / (x_hat.abs() ** 2 / cells + published)
    expected = torch.fft.ifft2(alpha * f_hat * x_hat.conj() / cells).real
    regression = Regression(published).double()
    got = circular_convolution(regression(spectra(x), spectra(y), cells), f)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


def test_a_signal_onto_itself_is_nearly_the_identity():
    x, other = signal(2, 6, 6), signal(2, 6, 6, seed=3)
    transformation = regress(spectra(x), spectra(x), 1e-7)
    impulse = torch.zeros(6, 6, dtype=torch.float64)
    impulse[0, 0] = 1
    torch.testing.assert_close(spatial(transformation, (6, 6)), impulse.expand(2, 6, 6), atol=1e-4, rtol=0)
    torch.testing.assert_close(circular_convolution(transformation, other), other, atol=1e-4, rtol=0)


def test_transformed_correlation_is_correlation_of_the_transformed():
    """Against convolving the search features first, for two exemplars with three search images each."""
    exemplars, searches = signal(2, 3, 3, 3), signal(2, 3, 3, 7, 8, seed=1)
    w = spectra(signal(2, 3, 7, 8, seed=2))
    got = transformed_correlation(correlation_kernels(exemplars, w, 8), searches, 3)
    moved = circular_convolution(w[:, None], searches)
    expected = cross_correlation(exemplars, moved.flatten(0, 1)).view(2, 3, 5, 6)
    torch.testing.assert_close(got, expected)


def test_gradients_are_numerical_ones():
    x, y, z = (signal(2, 4, 5, seed=seed).requires_grad_() for seed in range(3))
    log_ridge = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def applied(x, y, z, log_ridge):
        return circular_convolution(regress(spectra(x), spectra(y), log_ridge.exp()), z)

    assert torch.autograd.gradcheck(applied, (x, y, z, log_ridge))


def test_gradients_are_those_of_the_paper():
    """Equations 11 to 15, for O~ = V * F_1 with V of equation 6 and any gradient that comes back to O~.

    Two slips are put right: the product of equation 11 needs the conjugate of F_1's spectrum, and so do the factors of
    U in equations 12, 13 and 15, because a gradient goes back through the adjoint of a product. The last term of
    equation 15 likewise has V's conjugate, and its first one is the derivative of V with respect to F_1, which depends
    on it in numerator and denominator.
    """
    first, now, back = (signal(2, 4, 6, seed=seed) for seed in range(3))
    first.requires_grad_()
    now.requires_grad_()
    ridge = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    variation = regress(spectra(first), spectra(now), ridge)
    circular_convolution(variation, first).backward(back)

    fft, ifft = torch.fft.fft2, lambda spectrum: torch.fft.ifft2(spectrum).real
    f1, f, g = fft(first.detach()), fft(now.detach()), fft(back)
    u = 1 / (f1.conj() * f1 + ridge.detach())  # equation 14
    v = u * f1.conj() * f
    to_v = f1.conj() * g  # equation 11
    torch.testing.assert_close(now.grad, ifft((u * f1.conj()).conj() * to_v))  # equation 12
    # Equation 13, an inner product of the spatial derivative of V with its gradient
    torch.testing.assert_close(ridge.grad, (ifft(-(u**2) * f1.conj() * f) * ifft(to_v)).sum())
    # Equation 15: through V's dependence on F_1 and on its conjugate, and through the convolution itself
    of_f1 = -(u**2) * f1.conj() ** 2 * f
    of_conjugate = u * f - u**2 * f1 * f1.conj() * f
    through_v = ifft(of_f1.conj() * to_v) + ifft((of_conjugate.conj() * to_v).conj())
    torch.testing.assert_close(first.grad, through_v + ifft(v.conj() * g))


def test_lambda_stays_positive_and_is_learned():
    regression = Regression(10.0)
    regression.log_ridge.data -= 40
    assert regression.ridge > 0
    with pytest.raises(ConfigError, match="must be positive"):
        Regression(0.0)


def test_half_precision_is_transformed_as_single():
    x = signal(1, 6, 6)
    assert spectra(x.bfloat16()).dtype == torch.complex64
    assert spectra(x).dtype == torch.complex128


def test_the_window_is_zero_at_the_border_only():
    window = hann_window(6, 8, torch.zeros(1))
    expected = np.outer(np.hanning(6), np.hanning(8))
    np.testing.assert_allclose(window.numpy(), expected, atol=1e-6)
