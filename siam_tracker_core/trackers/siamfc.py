"""SiamFC: fully convolutional Siamese tracking (Bertinetto et al., 2016), with the reference implementation's values.

The exemplar is embedded once. Every frame is searched at three scales around the last position; the correlation maps
are upsampled, the best scale is chosen with a penalty on change, and the peak under a cosine window moves the box. All
of this runs on the device for a batch of targets; five numbers a target come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch.nn import functional

from siam_tracker_core.crop import Frame
from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.siamfc import SiamFCNetwork
from siam_tracker_core.trackers.confidence import peak_to_sidelobe
from siam_tracker_core.trackers.following import FollowingConfig, FollowingTracker, Look, Share
from siam_tracker_core.trackers.siamese_model import SiameseModel

# Crops that a CPU takes through the network at once. The features of more of them leave its caches: one batch of 24
# took 1.4 times as long as four of 6 on two cores.
CPU_BATCH = 6

# Cells around the peak that the peak-to-sidelobe ratio leaves out: the labels' radius of 16 px, and one cell more.
PEAK_RADIUS = 3


@dataclass(frozen=True)
class SiamFCConfig(FollowingConfig):
    """Settings of the tracker; defaults are those of the reference implementation's three-scale version.

    Attributes:
        scales: how many scales are searched, odd.
        scale_step: ratio of neighbouring scales.
        scale_penalty: factor on the response of other scales than the last one.
        scale_rate: share of a change of scale that is taken over in one frame.
        window_influence: share of the cosine window in the final response.
        upsampling: factor on the response map.
        scale_limits: least and largest search region relative to the first one.
    """

    scales: Annotated[int, Ge(1), Le(9)] = 3
    scale_step: Annotated[float, Gt(1), Le(2)] = 1.0375
    scale_penalty: Annotated[float, Gt(0), Le(1)] = 0.9745
    scale_rate: Share = 0.59
    window_influence: Share = 0.176
    upsampling: Annotated[int, Ge(1), Le(32)] = 16
    scale_limits: tuple[Annotated[float, Gt(0), Le(1)], Annotated[float, Ge(1)]] = (0.2, 5.0)


@dataclass(frozen=True)
class Answer(Look):
    """What the network says of one target in one frame; ``peak`` is the raw correlation, without window and bias.

    Attributes:
        dx, dy: displacement of the peak in pixels of the search crop.
    """

    dx: float
    dy: float


class SiamFCModel(SiameseModel):
    """The network with all that targets share; arguments as for ``SiameseModel``."""

    network: SiamFCNetwork
    config: SiamFCConfig

    def __init__(
        self,
        network: SiamFCNetwork,
        config: SiamFCConfig,
        device: torch.device,
        name: str = "siamfc",
        precision: str = "auto",
    ) -> None:
        super().__init__(network, config, device, name, precision)
        sizes = {"search_size": config.search_size}
        check_crop_sizes(self.network, "embed", config.exemplar_size, sizes)
        exponents = np.arange(config.scales) - (config.scales - 1) / 2
        self.scale_factors = config.scale_step**exponents
        self.penalties = np.where(exponents == 0, 1.0, config.scale_penalty)
        self._cosine: dict[int, torch.Tensor] = {}

    @property
    def stride(self) -> int:
        """Of the response, in pixels of the search crop."""
        return self.network.backbone.stride

    def parts(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """BGR crops (N, 3, S, S) as images for the network, in as many batches as the device takes best."""
        images = self.images(crops)
        return images.split(CPU_BATCH) if self.device.type == "cpu" else (images,)

    def embed(self, crops: torch.Tensor) -> Any:
        """Float32 features of BGR crops (N, 3, S, S), computed in ``dtype``."""
        features = [self.network.embed(part).float() for part in self.parts(crops)]
        return features[0] if len(features) == 1 else torch.cat(features)

    def cosine_window(self, size: int) -> torch.Tensor:
        """Hann window (size, size) that sums to one."""
        if size not in self._cosine:
            self._cosine[size] = cosine_window(size).to(self.device)
        return self._cosine[size]

    def correlate(self, exemplars: Any, crops: torch.Tensor) -> torch.Tensor:
        """Responses without bias (T * windows, 1, rows, columns), see ``respond``."""
        return self.network.correlation.raw(exemplars, self.embed(crops))

    def respond(
        self, exemplars: Any, crops: torch.Tensor, penalties: torch.Tensor, influence: torch.Tensor
    ) -> list[Answer]:
        """Search the windows of several targets.

        Args:
            exemplars: (T, C, h, w) features, or what else ``correlate`` takes.
            crops: (T * windows, 3, S, S) BGR.
            penalties: (T, windows) factors on the responses.
            influence: (T,) share of the cosine window.

        Returns:
            An answer a target.
        """
        raw = self.correlate(exemplars, crops)
        targets, windows = penalties.shape
        raw = raw.float().view(targets, windows, *raw.shape[2:])
        upsampled = functional.interpolate(raw, scale_factor=self.config.upsampling, mode="bicubic")
        choice = (upsampled.amax(dim=(2, 3)) * penalties).argmax(dim=1)
        each = torch.arange(targets, device=self.device)
        chosen, coarse = upsampled[each, choice], raw[each, choice]
        size = chosen.shape[-1]
        rows, columns = peaks(chosen, influence, self.cosine_window(size))
        cells = [(index // self.config.upsampling).clamp_max(coarse.shape[-1] - 1) for index in (rows, columns)]
        psr = peak_to_sidelobe(coarse, cells[0], cells[1], PEAK_RADIUS)
        peak = chosen[each, rows, columns]
        # One transfer for all targets.
        table = torch.stack([choice.float(), rows.float(), columns.float(), peak, psr], dim=1).cpu().numpy()
        step = self.stride / self.config.upsampling
        middle = (size - 1) / 2
        return [
            Answer(int(row[0]), float(row[3]), float(row[4]), map_, (row[2] - middle) * step, (row[1] - middle) * step)
            for row, map_ in zip(table.astype(np.float64), coarse, strict=True)
        ]


def cosine_window(size: int) -> torch.Tensor:
    """Hann window (size, size), float32, that sums to one."""
    hann = torch.from_numpy(np.hanning(size)).float()
    window = torch.outer(hann, hann)
    return window / window.sum()


def peaks(responses: torch.Tensor, influence: torch.Tensor, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where responses are highest under a cosine window.

    Args:
        responses: (N, size, size); each is shifted to a least value of 0 and divided by its sum first.
        influence: (N,) share of the window.
        window: (size, size), see ``cosine_window``.

    Returns:
        int64 (N,) rows, and columns.
    """
    floored = responses - responses.amin(dim=(1, 2), keepdim=True)
    share = influence[:, None, None]
    final = (1 - share) * floored / (floored.sum(dim=(1, 2), keepdim=True) + 1e-16)
    final = final + share * window
    place = final.flatten(1).argmax(dim=1)
    return place // responses.shape[-1], place % responses.shape[-1]


class SiamFC(FollowingTracker):
    """SiamFC on one target.

    Args:
        model: the shared network and configuration.
    """

    config: SiamFCConfig

    def __init__(self, model: SiamFCModel) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        self.name, self.device = model.name, model.device
        self.stride = model.stride

    def another(self) -> SiamFC:
        return SiamFC(self.model)

    def warm_up(self, targets: int = 1) -> None:
        config = self.config
        with torch.inference_mode():
            exemplars = self.model.embed(
                torch.zeros(targets, 3, config.exemplar_size, config.exemplar_size, device=self.device)
            )
            crops = torch.zeros(targets * config.scales, 3, config.search_size, config.search_size, device=self.device)
            penalties = torch.ones(targets, config.scales, device=self.device)
            self.model.respond(exemplars, crops, penalties, torch.zeros(targets, device=self.device))

    def _start(self, frame: Frame, box: Box) -> None:
        config = self.config
        side = context_size(box.width, box.height, config.context)
        exemplar_window = Window(*box.centre, side)
        exemplar = self.model.embed(frame.crops([exemplar_window], config.exemplar_size))
        search = exemplar_window.scaled(config.search_size / config.exemplar_size)
        own = self._respond_once(exemplar, frame, search)
        # Nothing is kept before all of it is known, so that a failure leaves a former target as it was.
        self._exemplar = exemplar
        self._first_search = search.size
        self._begin(box, search.size, own)

    def _look(self, frame: Frame, window: Window) -> Answer:
        return self._respond_once(self._exemplar, frame, window)

    def _respond_once(self, exemplar: Any, frame: Frame, window: Window) -> Answer:
        crops = frame.crops([window], self.config.search_size)
        ones = torch.ones(1, 1, device=self.device)
        return self.model.respond(exemplar, crops, ones, torch.zeros(1, device=self.device))[0]

    def windows(self) -> list[Window]:
        if self._lost_search is not None:
            self._windows = self._lost_search.windows(self.config.scales)
        else:
            self._windows = [self.search_window.scaled(factor) for factor in self.model.scale_factors]
        return self._windows

    def _exemplars(self, trackers: Sequence[Any]) -> Any:
        """What the windows of several targets are compared with."""
        return torch.cat([tracker._exemplar for tracker in trackers])

    def answer(self, trackers: Sequence[Any], frame: Frame, crops: torch.Tensor) -> list[Answer]:
        config = self.config
        searching = [tracker.is_lost for tracker in trackers]
        penalties = np.where(np.array(searching)[:, None], 1.0, self.model.penalties[None])
        influence = np.where(searching, 0.0, config.window_influence)
        return self.model.respond(
            self._exemplars(trackers),
            crops,
            torch.from_numpy(penalties).to(self.device, torch.float32),
            torch.from_numpy(influence).to(self.device, torch.float32),
        )

    def _move(self, window: Window, answer: Answer, resize: bool) -> None:
        # The scale of the chosen window is taken over damped and limited.
        pixels = window.size / self.config.search_size
        centre_x = window.centre_x + answer.dx * pixels
        centre_y = window.centre_y + answer.dy * pixels
        if resize:
            rate = self.config.scale_rate
            wanted = self._search * ((1 - rate) + rate * float(self.model.scale_factors[answer.choice]))
            low, high = (limit * self._first_search for limit in self.config.scale_limits)
            limited = min(max(wanted, low), high)
            factor, self._search = limited / self._search, limited
        else:
            factor = 1.0
        width, height = self.image_size
        self._box = Box.from_centre(
            min(max(centre_x, 0.0), width),
            min(max(centre_y, 0.0), height),
            self._box.width * factor,
            self._box.height * factor,
        )
