"""SiamFC's search over scales: which windows, which of their responses, and where the target is then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch.nn import functional

from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.trackers.common.boxes import scale_factors
from siam_tracker_core.trackers.common.response import cosine_window, peak_to_sidelobe, peaks
from siam_tracker_core.trackers.common.siamese import SiameseState
from siam_tracker_core.trackers.online.model import LearningOutput
from siam_tracker_core.trackers.siamfc.config import ScaleSearchConfig
from siam_tracker_core.trackers.siamfc.votes import Votes, fused

# Cells around the peak that the peak-to-sidelobe ratio leaves out: the labels' radius of 16 px, and one cell more.
PEAK_RADIUS = 3

TargetT = TypeVar("TargetT")


@dataclass(frozen=True)
class SiamFCOutput(LearningOutput):
    """What the network says of one target; ``peak`` is the raw correlation, without cosine window and bias.

    Attributes:
        dx, dy: displacement of the peak in pixels of the search crop.
        scale: of the chosen window, relative to the last one.
    """

    dx: float
    dy: float
    scale: float


class Move(NamedTuple):
    """Where a target has gone.

    Attributes:
        box: its new one, in pixels.
        search_side: of its search window, in pixels.
    """

    box: Box
    search_side: float


class ScalePyramid:
    """SiamFC's search over scales; see the module's docstring.

    Args:
        config: of the tracker.
        device: where responses are.
        stride: of the response, in pixels of the search crop.
    """

    def __init__(self, config: ScaleSearchConfig, device: torch.device, stride: int) -> None:
        self.config, self.device, self.stride = config, device, stride
        self.factors = scale_factors(config.scales, config.scale_step)
        self.penalties = np.where(self.factors == 1, 1.0, config.scale_penalty)
        self._cosine: dict[int, torch.Tensor] = {}

    def windows(self, search: Window) -> tuple[Window, ...]:
        """The windows of all scales around the last one."""
        return tuple(search.scaled(float(factor)) for factor in self.factors)

    def read(
        self,
        responses: torch.Tensor,
        windows: Sequence[Sequence[Window]],
        free: Sequence[bool],
        votes: Votes | None = None,
    ) -> list[SiamFCOutput]:
        """The best window of each target and the peak in it.

        Args:
            responses: (T * windows, 1, rows, columns), raw.
            windows: of T targets, equally many of each.
            free: T, whether a target is looked for without preference for the last scale and place.
            votes: of the targets' filters; they change window and place, and not how high a peak is.

        Returns:
            T outputs.
        """
        targets, count, up = len(windows), len(windows[0]), self.config.response_up
        raw = responses.float().view(targets, count, *responses.shape[2:])
        penalties, influence = self._preferences(free, count)
        upsampled = _upsampled(raw if votes is None else fused(raw, votes), up)
        choice = (upsampled.amax(dim=(2, 3)) * penalties).argmax(dim=1)
        each = torch.arange(targets, device=self.device)
        chosen, coarse = upsampled[each, choice], raw[each, choice]
        size = chosen.shape[-1]
        rows, columns = peaks(chosen, influence, self._window(size))
        cells = [(index // up).clamp_max(coarse.shape[-1] - 1) for index in (rows, columns)]
        psr = peak_to_sidelobe(coarse, cells[0], cells[1], PEAK_RADIUS)
        heights = chosen if votes is None else _upsampled(coarse[:, None], up)[:, 0]
        peak = heights[each, rows, columns]
        # One transfer for all targets.
        table = torch.stack([choice.float(), rows.float(), columns.float(), peak, psr], dim=1).cpu().numpy()
        step, middle = self.stride / up, (size - 1) / 2
        outputs = []
        for place, (own, row, response) in enumerate(zip(windows, table.astype(np.float64), coarse, strict=True)):
            window = int(row[0])
            seen = None if votes is None else votes.seen[place][window]
            output = SiamFCOutput(
                window=own[window],
                crop_size=self.config.search_size,
                peak=float(row[3]),
                psr=float(row[4]),
                response=response,
                dx=float(row[2] - middle) * step,
                dy=float(row[1] - middle) * step,
                scale=1.0 if free[place] else float(self.factors[window]),
            )
            outputs.append(output.heard(seen, (output.dx / self.stride, output.dy / self.stride)))
        return outputs

    def moved(self, state: SiameseState[TargetT], output: SiamFCOutput, first_side: float) -> Move:
        """Follow an output; the scale of its window is taken over damped and limited, and not at all when lost.

        Args:
            state: of the target before.
            output: of this frame.
            first_side: side in pixels of its first search window.
        """
        config, side = self.config, state.search_side
        if not state.is_lost:
            wanted = side * ((1 - config.scale_lr) + config.scale_lr * output.scale)
            low, high = (limit * first_side for limit in config.scale_limits)
            side = min(max(wanted, low), high)
        factor = side / state.search_side
        centre = output.window.centre_x + output.dx * output.pixels, output.window.centre_y + output.dy * output.pixels
        x, y = (min(max(place, 0.0), float(limit)) for place, limit in zip(centre, state.image_size, strict=True))
        return Move(Box.from_centre(x, y, state.box.width * factor, state.box.height * factor), side)

    def _preferences(self, free: Sequence[bool], count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Factors (T, count) on the windows' responses, and shares (T,) of the cosine window."""
        alone = np.array(free)
        penalties = np.where(alone[:, None], 1.0, self.penalties if not alone.all() else np.ones(count))
        influence = np.where(alone, 0.0, self.config.window_influence)
        return (
            torch.from_numpy(penalties).to(self.device, torch.float32),
            torch.from_numpy(influence).to(self.device, torch.float32),
        )

    def _window(self, size: int) -> torch.Tensor:
        """Hann window (size, size) that sums to one."""
        if size not in self._cosine:
            window = cosine_window(size)
            self._cosine[size] = (window / window.sum()).to(self.device)
        return self._cosine[size]


def _upsampled(maps: torch.Tensor, factor: int) -> torch.Tensor:
    return functional.interpolate(maps, scale_factor=factor, mode="bicubic")
