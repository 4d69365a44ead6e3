"""Transformations that are learned from one frame and used in the next, in closed form (DSiam, section 3.2).

A transformation is a filter for each channel by itself, applied by circular convolution. In the Fourier domain both
learning and applying it are elementwise, so autograd gives the gradients of equations 11 to 15. Here a transformation
is kept as its spectrum: the half of it that real signals need, as ``rfft2`` has it.

The transforms are not normalised and their inverses are divided by the number N of cells, so that a product of spectra
is a circular convolution and equation 4 is the exact solution of equation 3. The published code (DSiam/utils, reference
values, section 5) divides the power of the source by N before it adds its lambda, and the result by N again: its lambda
is that of equation 3 divided by N. ``Regression`` keeps lambda in that form, by cell, which is free of a map's size.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError


def spectra(signals: torch.Tensor) -> torch.Tensor:
    """Half spectra (..., h, w // 2 + 1) of real signals (..., h, w), complex64 or complex128."""
    return torch.fft.rfft2(_precise(signals))


def _precise(signals: torch.Tensor) -> torch.Tensor:
    """Half precision as single, which transforms need."""
    return signals if signals.dtype == torch.float64 else signals.float()


def regress(source: torch.Tensor, target: torch.Tensor, ridge: torch.Tensor | float) -> torch.Tensor:
    """The transformation R that brings one signal near another (equations 3 and 4).

    Args:
        source, target: spectra (..., h, w // 2 + 1) of X and Y.
        ridge: lambda of equation 3, positive.

    Returns:
        The spectrum of the R with the least ``|R * X - Y|^2 + ridge |R|^2``, of each channel by itself.
    """
    return source.conj() * target / (source.real.square() + source.imag.square() + ridge)


def circular_convolution(transformation: torch.Tensor, signals: torch.Tensor) -> torch.Tensor:
    """``R * X`` of equation 2: signals (..., h, w) in place of those given, of the same size.

    Args:
        transformation: spectrum (..., h, w // 2 + 1) of R.
        signals: X, float (..., h, w).
    """
    return torch.fft.irfft2(transformation * spectra(signals), s=signals.shape[-2:])


def correlation_kernels(exemplars: torch.Tensor, transformation: torch.Tensor, width: int) -> torch.Tensor:
    """What search features are multiplied with to be transformed and correlated with an exemplar at once.

    Correlation is linear, so ``corr(O, W * Z)`` is one product of spectra, summed over the channels: the transformed
    features themselves are never needed, nor an inverse transform for each of their channels.

    Args:
        exemplars: (N, C, h, w), no larger than the search features.
        transformation: spectra (N, C, H, W // 2 + 1) of W.
        width: W, columns of the search features.

    Returns:
        Spectra (N, C, H, W // 2 + 1), for ``transformed_correlation``.
    """
    return torch.fft.rfft2(_precise(exemplars), s=(transformation.shape[-2], width)).conj() * transformation


def transformed_correlation(kernels: torch.Tensor, searches: torch.Tensor, side: int) -> torch.Tensor:
    """``corr(O, W * Z)`` of equation 2 where the exemplar lies inside the search features.

    Args:
        kernels: (N, C, H, W // 2 + 1), see ``correlation_kernels``.
        searches: (N, M, C, H, W), M search features for each exemplar.
        side: rows and columns of the exemplar.

    Returns:
        (N, M, H - side + 1, W - side + 1); further shifts would wrap around.
    """
    rows, columns = searches.shape[-2:]
    summed = (spectra(searches) * kernels[:, None]).sum(dim=2)
    return torch.fft.irfft2(summed, s=(rows, columns))[..., : rows - side + 1, : columns - side + 1]


def hann_window(rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """The Hann window (rows, columns), zero at the border, of the type and on the device of another tensor.

    The published implementation multiplies features with it before a transform; the paper does not say so.
    """
    down, across = (torch.hann_window(n, periodic=False, dtype=like.dtype, device=like.device) for n in (rows, columns))
    return torch.outer(down, across)


class Regression(nn.Module):
    """Regularised linear regression, the "RLR" layer of Figure 5, with a lambda that is learned.

    Training moves the logarithm of lambda, so that lambda stays positive whatever the step.

    Args:
        ridge: lambda of equation 3 divided by the number of cells, as the published code has it.

    Raises:
        ConfigError: unless that is positive.
    """

    def __init__(self, ridge: float) -> None:
        super().__init__()
        self.log_ridge = nn.Parameter(torch.zeros(()))
        self.set(ridge)

    def set(self, ridge: float) -> None:
        """Put lambda, as for the constructor, to a value."""
        if not ridge > 0:
            raise ConfigError(f"a lambda of regularised regression is {ridge:g}; it must be positive")
        nn.init.constant_(self.log_ridge, math.log(ridge))

    @property
    def ridge(self) -> torch.Tensor:
        """Lambda of equation 3 divided by the number of cells, a scalar."""
        return self.log_ridge.exp()

    def forward(self, source: torch.Tensor, target: torch.Tensor, cells: int) -> torch.Tensor:
        """The transformation's spectrum, see ``regress``.

        Args:
            source, target: spectra of X and Y.
            cells: of X and Y, ``h * w``.
        """
        return regress(source, target, self.ridge * cells)
