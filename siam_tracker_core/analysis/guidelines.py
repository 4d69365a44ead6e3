"""What the guidelines of SiamDW (Zhang and Peng, 2019, section 3.2) ask of a backbone, measured on any module.

Nothing is taken from what a module says of itself. Which pixels a cell depends on is found with NaN, which every
layer hands on: just those cells turn NaN that see a pixel that is. Whether cells depend on padding is found by
comparing the features of an image with those of the same pixels inside a larger one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import parameter_count

# Strips of this height show the receptive field along the width cheaply, if the network takes them.
STRIP = 32

# Images wider than this are not tried when looking for the border of a receptive field.
WIDEST = 1100

# Widening an image by this much adds a whole number of cells for every usual stride: 960 = 2^6 * 3 * 5.
WIDENING = 960

# Features that differ by less than this share of the greatest one are equal: it is far above float64's rounding.
EQUAL = 1e-9

# The bounds of the guidelines: strides, shares of the exemplar, and the least cells of its features. The last is from
# section 3.1: "OFS <= 3 does not benefit tracking accuracy".
STRIDES = (4, 8)
SHARES = (0.6, 0.8)
LEAST_CELLS = 4


@dataclass(frozen=True)
class Analysis:
    """A backbone in figures; sizes are sides of squares.

    Attributes:
        exemplar, search: of the images, in pixels.
        stride: pixels between neighbouring cells.
        receptive_field: pixels that a cell depends on, along the width; None if more than ``WIDEST``.
        channels: of the features.
        cells, search_cells: of the features of the exemplar and of the search image.
        padded_cells: how many of the exemplar's ``cells * cells`` cells depend on padding.
        parameters: number of learnable scalars.
        exemplar_macs, search_macs: multiply-adds of the convolutions and linear layers on one image.
    """

    exemplar: int
    search: int
    stride: int
    receptive_field: int | None
    channels: int
    cells: int
    search_cells: int
    padded_cells: int
    parameters: int
    exemplar_macs: int
    search_macs: int

    @property
    def share(self) -> float:
        """Receptive field relative to the exemplar; infinite if it has no border that could be found."""
        return math.inf if self.receptive_field is None else self.receptive_field / self.exemplar

    @property
    def response(self) -> int:
        """Side of the response map in cells."""
        return self.search_cells - self.cells + 1


@dataclass(frozen=True)
class Verdict:
    """Whether a backbone keeps one of the guidelines.

    Attributes:
        number: of the guideline in section 3.2, counted from 1.
        guideline: what it asks for.
        finding: what was found.
        kept: whether it is kept.
    """

    number: int
    guideline: str
    finding: str
    kept: bool


def verdicts(analysis: Analysis) -> list[Verdict]:
    """The four guidelines of section 3.2, in the paper's order.

    The third, that stride, receptive field and feature size be chosen together, has no number in the paper; it counts
    as broken where their outcome, the size of the exemplar's features, is one that section 3.1 finds too small.
    """
    seen = f"{analysis.receptive_field} px" if analysis.receptive_field else f"more than {WIDEST} px"
    share = f"{seen}, {analysis.share:.0%} of the exemplar" if analysis.receptive_field else seen
    return [
        Verdict(1, "a small stride, 4 or 8 px", f"{analysis.stride} px", analysis.stride in STRIDES),
        Verdict(
            2,
            "a receptive field of 60 to 80 % of the exemplar, never larger than it",
            share,
            SHARES[0] <= analysis.share <= SHARES[1],
        ),
        Verdict(
            3,
            f"stride and receptive field that leave the exemplar {LEAST_CELLS} or more cells a side",
            f"{analysis.cells}",
            analysis.cells >= LEAST_CELLS,
        ),
        Verdict(
            4,
            "no features that have seen padding",
            f"{analysis.padded_cells} of {analysis.cells**2} cells have",
            analysis.padded_cells == 0,
        ),
    ]


def analyse(module: nn.Module, exemplar: int = 127, search: int = 255) -> Analysis:
    """Measure a backbone on the CPU; the module itself is left as it is.

    Args:
        module: maps images (N, 3, H, W) to features (N, C, h, w) for any H and W that are large enough.
        exemplar: side of the exemplar image in pixels.
        search: side of the search image in pixels.

    Raises:
        ConfigError: if the sizes are impossible, or the module does not map images to features.
    """
    if not 0 < exemplar <= search:
        raise ConfigError(f"an exemplar of {exemplar} pixels must fit into a search image of {search}")
    network = copy.deepcopy(module).cpu().float().eval()
    with torch.inference_mode():
        features, exemplar_macs = count_multiply_adds(network, exemplar)
        searched, search_macs = count_multiply_adds(network, search)
        network.double()
        stride = stride_of(network, exemplar)
        return Analysis(
            exemplar=exemplar,
            search=search,
            stride=stride,
            receptive_field=receptive_field_of(network, exemplar),
            channels=features.shape[1],
            cells=features.shape[-1],
            search_cells=searched.shape[-1],
            padded_cells=padded_cells(network, exemplar, stride),
            parameters=parameter_count(module),
            exemplar_macs=exemplar_macs,
            search_macs=search_macs,
        )


def features_of(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Features of images, checked.

    Raises:
        ConfigError: if they are not (N, C, h, w) with at least one cell.
    """
    size = f"{images.shape[-1]}x{images.shape[-2]}"
    try:
        features = network(images)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ConfigError(f"the network fails on an image of {size} pixels: {reason}") from error
    if not isinstance(features, torch.Tensor) or features.dim() != 4:
        got = tuple(features.shape) if isinstance(features, torch.Tensor) else f"a {type(features).__name__}"
        raise ConfigError(f"a backbone maps images (N, 3, H, W) to features (N, C, h, w), this network gives {got}")
    if not features.numel():
        raise ConfigError(f"an image of {size} pixels is too small for the network: its features have no cell")
    return features


Counted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def count_multiply_adds(network: nn.Module, size: int) -> tuple[torch.Tensor, int]:
    """Features of a black square image of this side, and the multiply-adds that they cost in convolutions and linear
    layers; biases, normalisations, activations and poolings are not counted.

    Raises:
        ConfigError: if the network does not map the image to features.
    """
    total = 0

    def count(layer: Counted, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        # A transposed convolution spreads each of its inputs, the others gather each of their outputs.
        each = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += each.numel() * layer.weight[0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, Counted)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        return features_of(network, torch.zeros(1, 3, size, size)), total
    finally:
        for handle in handles:
            handle.remove()


def stride_of(network: nn.Module, size: int) -> int:
    """Pixels between cells of a float64 network, from how many cells a wider image has."""
    height = _strip(network, size)
    cells = [_cells(network, height, width) for width in (size, size + WIDENING)]
    if cells[0] == cells[1]:
        raise ConfigError(f"the network gives {cells[0]} cells for images of any width, so it has no stride")
    return round(WIDENING / (cells[1] - cells[0]))


def receptive_field_of(network: nn.Module, size: int) -> int | None:
    """Pixels along the width that one cell of a float64 network depends on.

    Args:
        network: maps images to features.
        size: width of the first image to try; wider ones follow until the whole receptive field lies inside.

    Returns:
        None if it is wider than ``WIDEST`` (with a global pooling inside, for instance).
    """
    height, width = _strip(network, size), size
    while True:
        cell = _cells(network, height, width) // 2
        image = torch.zeros(1, 3, height, width, dtype=torch.float64)
        left = _least(width, lambda count: _sees(network, image, slice(0, count), cell))  # noqa: B023 (called at once)
        right = _least(width, lambda count: _sees(network, image, slice(width - count, width), cell))  # noqa: B023
        # Inside the image on both sides, or the border may have cut it.
        if left > 1 and right > 1:
            return (width - right) - (left - 1) + 1
        if width == WIDEST:
            return None
        width = min(WIDEST, 2 * width)


def padding_change(network: nn.Module, size: int, stride: int) -> torch.Tensor:
    """How much each cell of a square image changes when, in place of padding, more of the scene surrounds it.

    Args:
        network: in float64.
        size: side of the image in pixels.
        stride: of the network; the larger image begins two cells earlier and ends two later.

    Returns:
        (rows, columns), the greatest change of a channel relative to the greatest feature, for a scene of noise.
    """
    margin = 2
    generator = torch.Generator().manual_seed(0)
    side = size + 2 * margin * stride
    scene = 255 * torch.rand(1, 3, side, side, dtype=torch.float64, generator=generator)
    inner = slice(margin * stride, margin * stride + size)
    alone = features_of(network, scene[:, :, inner, inner])
    rows, columns = alone.shape[2:]
    within = features_of(network, scene)[:, :, margin : margin + rows, margin : margin + columns]
    return ((alone - within).abs().amax(dim=1) / alone.abs().max())[0]


def padded_cells(network: nn.Module, size: int, stride: int) -> int:
    """How many cells of a square image see padding; arguments as for ``padding_change``."""
    return int((padding_change(network, size, stride) > EQUAL).sum())


def _strip(network: nn.Module, size: int) -> int:
    """The height of a strip that the network takes: ``STRIP``, or ``size`` where there is not enough to see in that."""
    try:
        features_of(network, torch.zeros(1, 3, STRIP, size, dtype=torch.float64))
    except ConfigError:
        return size
    return min(STRIP, size)


def _cells(network: nn.Module, height: int, width: int) -> int:
    return features_of(network, torch.zeros(1, 3, height, width, dtype=torch.float64)).shape[-1]


def _sees(network: nn.Module, image: torch.Tensor, columns: slice, cell: int) -> bool:
    """Whether a column of cells depends on any of these columns of pixels."""
    probe = image.clone()
    probe[..., columns] = torch.nan
    return bool(features_of(network, probe)[..., cell].isnan().any())


def _least(highest: int, is_enough: Callable[[int], bool]) -> int:
    """The least number in 1..highest that is enough, if more than enough is enough too."""
    low, high = 1, highest
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low
