"""Where a response could mean the target: all peaks of a map that come near its highest one.

Section 3.2 of the cascaded Siamese tracker (Peng Gao et al., 2019) takes "peaks whose ratio between its score and that
of the highest peak" exceeds gamma_p. The score is equation 1 with its bias, the logit of "the target is here", which
may be negative, and a ratio of such numbers says nothing; the paper is silent about that. So there are two readings,
see ``PeakConfig.measure``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Ge, Gt, Le
from torch.nn import functional

from siam_tracker_core.config import STRICT

# The eight neighbours of a cell in the order of reading; the first four come before it.
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
_EARLIER = 4


@dataclass(frozen=True)
class PeakConfig:
    """Which peaks of a response are places to look at.

    Attributes:
        ratio: gamma_p, the share of the highest peak that others must exceed (section 4.1).
        measure: what the ratio is taken of: ``probability``, the sigmoid of the response, which is never negative; or
            ``logit``, the response of equation 1 itself, as the paper has it. Where its highest peak is not positive,
            no other one is near it.
        most: so many of the highest peaks are looked at, which bounds the time that a frame takes.
    """

    ratio: Annotated[float, Gt(0), Le(1)] = 0.75
    measure: Literal["probability", "logit"] = "probability"
    most: Annotated[int, Ge(1), Le(64)] = 8

    __pydantic_config__ = STRICT


class Peaks(NamedTuple):
    """The highest peaks of N maps, highest first; K a map, of which a map with fewer fills the rest up.

    Attributes:
        rows, columns: int64 (N, K), the cell of the map.
        down, across: float32 (N, K), the place to a fraction of a cell, from the middle of the map in cells.
        heights: float32 (N, K), the response there; minus infinity where there is no peak.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    down: torch.Tensor
    across: torch.Tensor
    heights: torch.Tensor


def find_peaks(maps: torch.Tensor, response_up: int, most: int) -> Peaks:
    """All local maxima of response maps, whatever their height; places by bicubic response_up, as SiamFC's.

    A cell is a maximum if it is above the neighbours that come before it in the order of reading, and not below those
    that come after it; so one cell of a plateau is. Its peak is the highest point of the upsampled map within one cell
    of it. What is no finite number counts as lower than all that is.

    Args:
        maps: float32 (N, H, W), on any device.
        response_up: factor on the maps.
        most: K, how many peaks of a map are kept; fewer if the map has fewer cells.
    """
    height, width = maps.shape[1:]
    numbers = maps.isfinite()
    lowest = torch.where(numbers, maps, torch.inf).amin(dim=(1, 2), keepdim=True)
    fine = functional.interpolate(torch.where(numbers, maps, lowest)[:, None], scale_factor=response_up, mode="bicubic")
    maps = torch.where(numbers, maps, -torch.inf)
    kept = local_maxima(maps).flatten(1)
    # Cells are ranked before they are refined, with some to spare: refining changes the order of close ones.
    spare = min(2 * most, height * width)
    cells = torch.where(kept, maps.flatten(1), -torch.inf).topk(spare, dim=1)
    rows, columns = cells.indices // width, cells.indices % width
    down, across, heights = _refine(fine[:, 0], rows, columns, response_up)
    heights = torch.where(cells.values.isfinite(), heights, -torch.inf)
    order = heights.topk(min(most, spare), dim=1).indices
    return Peaks(
        rows.gather(1, order),
        columns.gather(1, order),
        (down.gather(1, order) + 0.5) / response_up - height / 2,
        (across.gather(1, order) + 0.5) / response_up - width / 2,
        heights.gather(1, order),
    )


def local_maxima(maps: torch.Tensor) -> torch.Tensor:
    """bool (N, H, W): the cells of maps (N, H, W) that are maxima, see ``find_peaks``."""
    height, width = maps.shape[1:]
    padded = functional.pad(maps, (1, 1, 1, 1), value=-torch.inf)
    found = maps.isfinite()
    for number, (down, across) in enumerate(_NEIGHBOURS):
        neighbour = padded[:, 1 + down : 1 + down + height, 1 + across : 1 + across + width]
        found = found & (maps > neighbour if number < _EARLIER else maps >= neighbour)
    return found


def _refine(
    fine: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, response_up: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Row, column and height of the highest sample of upsampled maps within one cell of each cell (N, K)."""
    around = torch.arange(2 * response_up, device=fine.device) - response_up // 2
    down = (rows[..., None] * response_up + around).clamp(0, fine.shape[1] - 1)
    across = (columns[..., None] * response_up + around).clamp(0, fine.shape[2] - 1)
    each = torch.arange(len(fine), device=fine.device)[:, None, None, None]
    heights, places = fine[each, down[..., :, None], across[..., None, :]].flatten(2).max(dim=2)
    side = 2 * response_up
    return (
        down.gather(2, (places // side)[..., None])[..., 0].float(),
        across.gather(2, (places % side)[..., None])[..., 0].float(),
        heights,
    )


def strength(heights: torch.Tensor, measure: str) -> torch.Tensor:
    """Responses in the measure that ratios are taken of, see ``PeakConfig``."""
    return heights.sigmoid() if measure == "probability" else heights


def ratios(heights: torch.Tensor, highest: torch.Tensor, measure: str) -> torch.Tensor:
    """How near peaks come to the highest one: 1 for that itself; not positive where nothing can be said.

    Args:
        heights: (N, K) responses; minus infinity where there is no peak.
        highest: (N,) responses of the peaks to compare with.
        measure: see ``PeakConfig``.
    """
    top = strength(highest, measure)[:, None]
    share = torch.where(top > 0, strength(heights, measure) / top, 0.0)
    share = torch.where(heights == highest[:, None], 1.0, share)
    return torch.where(heights.isfinite(), share, 0.0)
