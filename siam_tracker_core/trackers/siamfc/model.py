"""SiamFC: fully convolutional Siamese tracking (Bertinetto et al., 2016), with the reference implementation's values.

The exemplar is embedded once. Every frame is searched at three scales around the last position; the correlation maps
are upsampled, the best scale is chosen with a penalty on change, and the peak under a cosine window moves the box. All
of this runs on the device for a batch of targets; five numbers a target come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import Frame
from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.siamfc import SiamFCNetwork
from siam_tracker_core.runtimes import Backend, Tensors, joined, torch_backend
from siam_tracker_core.trackers.common.boxes import scale_factors
from siam_tracker_core.trackers.common.limits import Limits, Odd, Share
from siam_tracker_core.trackers.common.response import cosine_window, peak_to_sidelobe, peaks
from siam_tracker_core.trackers.common.siamese import NetworkOutput, SiameseConfig, SiameseModel, SiameseState

# Crops that a CPU takes through the network at once. The features of more of them leave its caches: one batch of 24
# took 1.4 times as long as four of 6 on two cores.
CPU_BATCH = 6

# Cells around the peak that the peak-to-sidelobe ratio leaves out: the labels' radius of 16 px, and one cell more.
PEAK_RADIUS = 3

TargetT = TypeVar("TargetT")


@dataclass(frozen=True)
class PyramidConfig:
    """Settings of the search over scales; defaults are those of the reference implementation's three-scale version.

    Attributes:
        scales: how many scales are searched, odd.
        scale_step: ratio of neighbouring scales.
        scale_penalty: factor on the response of other scales than the last one.
        scale_lr: share of a change of scale that is taken over in one frame.
        window_influence: share of the cosine window in the final response.
        response_up: factor on the response map's size before its peak is taken.
        scale_limits: least and largest search region relative to the first one.
    """

    scales: Annotated[Odd, Le(9)] = 3
    scale_step: Annotated[float, Gt(1), Le(2)] = 1.0375
    scale_penalty: Annotated[float, Gt(0), Le(1)] = 0.9745
    scale_lr: Share = 0.59
    window_influence: Share = 0.176
    response_up: Annotated[int, Ge(1), Le(32)] = 16
    scale_limits: Limits = (0.2, 5.0)

    __pydantic_config__ = STRICT
    __renamed__: ClassVar = {"scale_rate": "scale_lr", "upsampling": "response_up"}


@dataclass(frozen=True)
class SiamFCConfig(PyramidConfig, SiameseConfig):
    """Settings of the tracker."""


@dataclass(frozen=True)
class SiamFCOutput(NetworkOutput):
    """What the network says of one target; ``peak`` is the raw correlation, without cosine window and bias.

    Attributes:
        dx, dy: displacement of the peak in pixels of the search crop.
        scale: of the chosen window, relative to the last one.
    """

    dx: float
    dy: float
    scale: float


class SiamFCTarget(NamedTuple):
    """What is kept of a target.

    Attributes:
        template: of its exemplar.
        first_side: side in pixels of its first search window.
    """

    template: Tensors
    first_side: float


SiamFCState = SiameseState[SiamFCTarget]


class SiamFCModel(SiameseModel[SiamFCTarget, SiamFCOutput]):
    """SiamFC: see the module's docstring.

    Args:
        backend: runs the network.
        config: of the tracker.
        name: of the tracker.
    """

    config: SiamFCConfig

    def __init__(self, backend: Backend, config: SiamFCConfig, name: str = "siamfc") -> None:
        self.backend, self.config, self.name = backend, config, name
        self.device, self.stride, self.lost_windows = backend.device, backend.stride, config.scales
        self.pyramid = ScalePyramid(config, self.device, self.stride)

    @property
    def runtime(self) -> str:
        return self.backend.runtime

    @property
    def threads(self) -> int | None:
        return self.backend.threads

    @classmethod
    def from_network(
        cls,
        network: SiamFCNetwork,
        config: SiamFCConfig,
        device: torch.device,
        name: str = "siamfc",
        precision: str = "auto",
    ) -> SiamFCModel:
        """The model of a PyTorch network, which is taken over; see ``TorchBackend``.

        Raises:
            ConfigError: if the network cannot take crops of the configured sizes.
        """
        backend = torch_backend(network, device, precision, CPU_BATCH)
        check_crop_sizes(network, "embed", config.exemplar_size, {"search_size": config.search_size})
        return cls(backend, config, name)

    def start(self, frame: Frame, box: Box) -> SiamFCState:
        config = self.config
        exemplar = Window(*box.centre, context_size(box.width, box.height, config.context_amount))
        search = exemplar.scaled(config.search_size / config.exemplar_size)
        template = self.backend.template(frame.crops([exemplar], config.exemplar_size))
        target = SiamFCTarget(template, search.size)
        return self._begun(frame, box, search.size, self._look(target, frame, search, box), target)

    def forward(self, states: Sequence[SiamFCState], frame: Frame, crops: torch.Tensor) -> list[SiamFCOutput]:
        template = joined([state.target.template for state in states])
        (responses,) = self.backend.search(template, crops)
        windows = [self.search(state).windows for state in states]
        return self.pyramid.read(responses, windows, [state.is_lost for state in states])

    def warm_up(self, targets: int = 1) -> None:
        config = self.config
        with torch.inference_mode():
            template = self.backend.template(_blank(targets, config.exemplar_size, self.device))
            (responses,) = self.backend.search(
                template, _blank(targets * config.scales, config.search_size, self.device)
            )
            self.pyramid.read(responses, [[Window(0, 0, 1)] * config.scales] * targets, [False] * targets)

    def _windows(self, state: SiamFCState) -> tuple[Window, ...]:
        return self.pyramid.windows(state.search_window)

    def look(self, template: Tensors, frame: Frame, window: Window) -> SiamFCOutput:
        """What the network says of one window, without preference for its middle."""
        (responses,) = self.backend.search(template, frame.crops([window], self.config.search_size))
        return self.pyramid.read(responses, [[window]], [True])[0]

    def _look(self, target: SiamFCTarget, frame: Frame, window: Window, box: Box) -> SiamFCOutput:
        return self.look(target.template, frame, window)

    def _moved(self, state: SiamFCState, output: SiamFCOutput) -> SiamFCState:
        box, side = self.pyramid.moved(state, output, state.target.first_side)
        return replace(state, box=box, search_side=side)


class Move(NamedTuple):
    """Where a target has gone.

    Attributes:
        box: its new one, in pixels.
        search_side: of its search window, in pixels.
    """

    box: Box
    search_side: float


class ScalePyramid:
    """SiamFC's search over scales: which windows, which of their responses, and where the target is then.

    Args:
        config: of the tracker.
        device: where responses are.
        stride: of the response, in pixels of the search crop.
    """

    def __init__(self, config: SiamFCConfig, device: torch.device, stride: int) -> None:
        self.config, self.device, self.stride = config, device, stride
        self.factors = scale_factors(config.scales, config.scale_step)
        self.penalties = np.where(self.factors == 1, 1.0, config.scale_penalty)
        self._cosine: dict[int, torch.Tensor] = {}

    def windows(self, search: Window) -> tuple[Window, ...]:
        """The windows of all scales around the last one."""
        return tuple(search.scaled(float(factor)) for factor in self.factors)

    def read(
        self, responses: torch.Tensor, windows: Sequence[Sequence[Window]], free: Sequence[bool]
    ) -> list[SiamFCOutput]:
        """The best window of each target and the peak in it.

        Args:
            responses: (T * windows, 1, rows, columns), raw.
            windows: of T targets, equally many of each.
            free: T, whether a target is looked for without preference for the last scale and place.

        Returns:
            T outputs.
        """
        targets, count, up = len(windows), len(windows[0]), self.config.response_up
        raw = responses.float().view(targets, count, *responses.shape[2:])
        penalties, influence = self._preferences(free, count)
        upsampled = functional.interpolate(raw, scale_factor=up, mode="bicubic")
        choice = (upsampled.amax(dim=(2, 3)) * penalties).argmax(dim=1)
        each = torch.arange(targets, device=self.device)
        chosen, coarse = upsampled[each, choice], raw[each, choice]
        size = chosen.shape[-1]
        rows, columns = peaks(chosen, influence, self._window(size))
        cells = [(index // up).clamp_max(coarse.shape[-1] - 1) for index in (rows, columns)]
        psr = peak_to_sidelobe(coarse, cells[0], cells[1], PEAK_RADIUS)
        peak = chosen[each, rows, columns]
        # One transfer for all targets.
        table = torch.stack([choice.float(), rows.float(), columns.float(), peak, psr], dim=1).cpu().numpy()
        step, middle = self.stride / up, (size - 1) / 2
        return [
            SiamFCOutput(
                window=own[int(row[0])],
                crop_size=self.config.search_size,
                peak=float(row[3]),
                psr=float(row[4]),
                response=response,
                dx=float(row[2] - middle) * step,
                dy=float(row[1] - middle) * step,
                scale=1.0 if alone else float(self.factors[int(row[0])]),
            )
            for own, row, response, alone in zip(windows, table.astype(np.float64), coarse, free, strict=True)
        ]

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


def _blank(count: int, size: int, device: torch.device) -> torch.Tensor:
    return torch.zeros(count, 3, size, size, device=device)
