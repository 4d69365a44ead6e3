"""SiamRPN: tracking as one-shot detection (Li et al., 2018), with the values of its published implementations.

The template branch runs once and leaves kernels; each frame runs the detection branch on one search crop at one scale,
and the best proposal gives position, size and shape. Selection (section 4.3) happens on the device for a batch of
targets: anchors near the centre, a penalty on changes of scale and ratio (equation 13), a cosine window; a row of
numbers for each window comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.anchors import decode
from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.cir import crop_early
from siam_tracker_core.networks.inference import fold_batch_norms, inference_dtype
from siam_tracker_core.networks.rpn import Kernels, SiamRPNNetwork
from siam_tracker_core.trackers.confidence import peak_to_sidelobe
from siam_tracker_core.trackers.following import FollowingConfig, FollowingTracker, Look, Share

# Cells around the peak that the peak-to-sidelobe ratio leaves out: half the middle anchor.
PEAK_RADIUS = 4


@dataclass(frozen=True)
class SiamRPNConfig(FollowingConfig):
    """Settings of the tracker; defaults are those of PySOT's AlexNet model (reference values, section 2).

    Attributes:
        penalty: k of equation 13, the penalty on changes of scale and ratio.
        window_influence: share of the cosine window in the final score.
        size_rate: share of a change of size that is taken over in one frame, times penalty and score.
        centre_cells: only anchors of the central so many cells are taken (g of section 4.3); 0 takes all.
        least_side: of the box in pixels.
        lost_windows: windows searched in a frame while the target is lost.
    """

    penalty: Annotated[float, Ge(0), Le(2)] = 0.16
    window_influence: Share = 0.40
    size_rate: Share = 0.30
    centre_cells: Annotated[int, Ge(0)] = 0
    least_side: Annotated[float, Ge(1)] = 10.0
    lost_windows: Annotated[int, Ge(1), Le(25)] = 3


@dataclass(frozen=True)
class Answer(Look):
    """The best proposal of one target in one frame; ``peak`` is its probability.

    Attributes:
        dx, dy: displacement of the proposal's centre in pixels of the search crop.
        width, height: of the proposal in pixels of the search crop.
        penalty: 0..1, on its change of scale and ratio (equation 13).
    """

    dx: float
    dy: float
    width: float
    height: float
    penalty: float


class SiamRPNModel:
    """The network with all that targets share: configuration, device and constant maps.

    Args:
        network: with its weights; it is taken over, put on ``device`` and made ready for inference.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.
    """

    def __init__(
        self,
        network: SiamRPNNetwork,
        config: SiamRPNConfig,
        device: torch.device,
        name: str = "siamrpn",
        precision: str = "auto",
    ) -> None:
        self.config, self.device, self.name = config, device, name
        self.dtype = inference_dtype(device, precision)
        self.network = network.eval().requires_grad_(False)
        fold_batch_norms(self.network)
        crop_early(self.network)
        channels_last(self.network).to(device)
        self.network.backbone.to(self.dtype)
        self.network.head.to(self.dtype)
        self._windows: dict[int, torch.Tensor] = {}

    def _images(self, crops: torch.Tensor) -> torch.Tensor:
        return crops.to(self.dtype).flip(1).contiguous(memory_format=torch.channels_last)

    def kernels(self, crops: torch.Tensor) -> Kernels:
        """Kernels of BGR exemplar crops (N, 3, S, S)."""
        return self.network.template(self._images(crops))

    def cosine_window(self, size: int) -> torch.Tensor:
        """Hann window (size, size) with maximum one, zero for anchors beyond the central cells."""
        if size not in self._windows:
            hann = torch.from_numpy(np.hanning(size + 2)[1:-1]).to(self.device, torch.float32)
            self._windows[size] = torch.outer(hann, hann)
        return self._windows[size]

    def allowed(self, size: int) -> torch.Tensor:
        """bool (size, size): cells whose anchors may be chosen."""
        distance = (torch.arange(size, device=self.device) - (size - 1) / 2).abs()
        inside = distance <= (self.config.centre_cells or size) / 2
        return inside[:, None] & inside

    def respond(
        self, kernels: Kernels, crops: torch.Tensor, sizes: torch.Tensor, influence: torch.Tensor, penalty: torch.Tensor
    ) -> tuple[list[list[float]], torch.Tensor]:
        """The best proposal in each window.

        Args:
            kernels: of N targets, one for each window.
            crops: (N, 3, S, S) BGR search crops.
            sizes: (N, 2) width and height of the targets in search pixels, as last seen.
            influence: (N,) share of the cosine window.
            penalty: (N,) k of equation 13.

        Returns:
            For each window: score, peak-to-sidelobe ratio, dx, dy, width, height, penalty; and the score maps
            (N, rows, columns), the best over anchors.
        """
        proposals = self.network.detect(self._images(crops), kernels)
        scores = proposals.scores
        count, size = len(scores), scores.shape[-1]
        boxes = decode(proposals.distances.float().permute(0, 2, 3, 4, 1), self.network.anchors.grid(size))
        # The printed exponent grows with the change; published implementations use this one.
        change = _change(boxes[..., 2:], sizes[:, None, None, None, :])
        factor = torch.exp(-(change - 1) * penalty[:, None, None, None])
        share = influence[:, None, None, None]
        ranked = scores * factor * (1 - share) + self.cosine_window(size) * share
        ranked = ranked.masked_fill(~self.allowed(size), -1.0)
        place = ranked.flatten(1).argmax(dim=1)
        each = torch.arange(count, device=self.device)
        map_, _ = scores.max(dim=1)
        cell = place % (size * size)
        psr = peak_to_sidelobe(map_, cell // size, cell % size, PEAK_RADIUS)
        best = torch.stack([scores.flatten(1)[each, place], psr], dim=1)
        rows = torch.cat([best, boxes.flatten(1, 3)[each, place], factor.flatten(1)[each, place, None]], dim=1)
        # One transfer for all targets.
        return rows.cpu().tolist(), map_


def _change(sizes: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """max(r/r', r'/r) * max(s/s', s'/s) of equation 13, at least 1; sizes (..., 2) as width and height."""

    def padded(size: torch.Tensor) -> torch.Tensor:
        margin = size.sum(dim=-1, keepdim=True) / 2
        return (size + margin).prod(dim=-1).sqrt()

    ratio = (sizes[..., 1] / sizes[..., 0]) / (last[..., 1] / last[..., 0])
    scale = padded(sizes) / padded(last)
    return torch.maximum(ratio, 1 / ratio) * torch.maximum(scale, 1 / scale)


class SiamRPN(FollowingTracker):
    """SiamRPN on one target.

    Args:
        model: the shared network and configuration.
    """

    config: SiamRPNConfig

    def __init__(self, model: SiamRPNModel) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        self.name, self.device = model.name, model.device
        self.stride = model.network.backbone.stride

    def another(self) -> SiamRPN:
        return SiamRPN(self.model)

    def warm_up(self, targets: int = 1) -> None:
        config = self.config
        with torch.inference_mode():
            kernels = self.model.kernels(torch.zeros(1, 3, config.exemplar_size, config.exemplar_size))
            kernels = Kernels(*(part.expand(targets, -1, -1, -1) for part in kernels))
            crops = torch.zeros(targets, 3, config.search_size, config.search_size, device=self.device)
            zeros = torch.zeros(targets, device=self.device)
            self.model.respond(kernels, crops, torch.ones(targets, 2, device=self.device), zeros, zeros)

    def _start(self, frame: Frame, box: Box) -> None:
        config = self.config
        side = context_size(box.width, box.height, config.context)
        kernels = self.model.kernels(frame.crops([Window(*box.centre, side)], config.exemplar_size))
        search = Window(*box.centre, side * config.search_size / config.exemplar_size)
        own = self._respond_once(kernels, frame, search, box)
        # Nothing is kept before all of it is known, so that a failure leaves a former target as it was.
        self._kernels = kernels
        self._begin(box, search.size, own)

    def _look(self, frame: Frame, window: Window) -> Answer:
        return self._respond_once(self._kernels, frame, window, self._box)

    def _respond_once(self, kernels: Kernels, frame: Frame, window: Window, box: Box) -> Answer:
        crops = frame.crops([window], self.config.search_size)
        scale = self.config.search_size / window.size
        sizes = torch.tensor([[box.width * scale, box.height * scale]], device=self.device, dtype=torch.float32)
        zero = torch.zeros(1, device=self.device)
        rows, maps = self.model.respond(kernels, crops, sizes, zero, zero)
        return _answer(0, rows[0], maps[0])

    def windows(self) -> list[Window]:
        if self._lost_search is not None:
            self._windows = self._lost_search.windows(self.config.lost_windows)
        else:
            self._windows = [self.search_window]
        return self._windows

    def answer(self, trackers: Sequence[Any], crops: torch.Tensor) -> list[Answer]:
        config = self.config
        owners = [index for index, tracker in enumerate(trackers) for _ in tracker._windows]
        kernels = Kernels(
            *(torch.cat([getattr(trackers[owner]._kernels, part) for owner in owners]) for part in Kernels._fields)
        )
        settings = np.array(
            [
                (
                    trackers[owner]._box.width * config.search_size / trackers[owner]._search,
                    trackers[owner]._box.height * config.search_size / trackers[owner]._search,
                    0.0 if trackers[owner].is_lost else config.window_influence,
                    config.penalty,
                )
                for owner in owners
            ],
            dtype=np.float32,
        )
        table = torch.from_numpy(settings).to(self.device)
        rows, maps = self.model.respond(kernels, crops, table[:, :2], table[:, 2], table[:, 3])
        answers: list[Answer] = []
        start = 0
        for tracker in trackers:
            stop = start + len(tracker._windows)
            choice = max(range(start, stop), key=lambda number: rows[number][0])
            answers.append(_answer(choice - start, rows[choice], maps[choice]))
            start = stop
        return answers

    def _move(self, window: Window, answer: Answer, resize: bool) -> None:
        pixels = window.size / self.config.search_size
        # A proposal that is less certain or has changed more changes the size less (reference values, section 2).
        rate = answer.penalty * answer.peak * self.config.size_rate if resize else 0.0
        width, height = self.image_size
        sides = [
            min(max((1 - rate) * old + rate * new * pixels, min(self.config.least_side, old)), float(limit))
            for old, new, limit in (
                (self._box.width, answer.width, width),
                (self._box.height, answer.height, height),
            )
        ]
        centre_x = min(max(window.centre_x + answer.dx * pixels, 0.0), width)
        centre_y = min(max(window.centre_y + answer.dy * pixels, 0.0), height)
        self._box = Box.from_centre(centre_x, centre_y, *sides)
        self._search = (
            context_size(sides[0], sides[1], self.config.context) * self.config.search_size / self.config.exemplar_size
        )


def _answer(choice: int, row: Sequence[float], map_: torch.Tensor) -> Answer:
    score, psr, dx, dy, width, height, penalty = row
    return Answer(choice, score, psr, map_, dx, dy, width, height, penalty)
