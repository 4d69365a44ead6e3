"""SRT: the Siamese recurrent tracker (Xu et al.): candidates around the last place, matched with the first frame.

The search region goes through the convolutions once. All candidates, ten by ten places on rings and their centre at
five scales, are then pooled from its feature maps, given context by the IRNN and compared with the first frame's
target in one batch; the most similar one, refined by a box regression learned on the first frame, is the new box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.networks.inference import inference_dtype, ready
from siam_tracker_core.networks.srt import Maps, SRTNetwork
from siam_tracker_core.runtimes import as_images
from siam_tracker_core.trackers.common.box_regression import BoxRegression
from siam_tracker_core.trackers.common.boxes import bounded, scaled_boxes
from siam_tracker_core.trackers.common.sampling import Spread, draw
from siam_tracker_core.trackers.common.siamese import SiameseModel, best_of
from siam_tracker_core.trackers.results import ResponseMap
from siam_tracker_core.trackers.srt.candidates import ring_map, ring_offsets, standing_out
from siam_tracker_core.trackers.srt.config import SRTConfig
from siam_tracker_core.trackers.srt.state import SRTOutput, SRTState, SRTTarget, Template

# Search regions, and candidates of them, that are pooled and matched at once. All candidates of one region take 63 MB,
# which no CPU's cache holds; a hundred were fastest, and fewer than fifty slower than all.
CPU_BATCH, DEVICE_BATCH = 1, 16
CPU_CANDIDATES = 128

# Length of the regression's features. R-CNN scales them so that a penalty of 1000 fits (rbgirshick/rcnn:
# utils/rcnn_scale_features.m).
FEATURE_LENGTH = 20.0

# A target whose longer side has fewer pixels in the search crop fills less than three of the network's cells.
LEAST_TARGET = 12

# Boxes that the regression learns from, those that overlap the target by 0.6 (reference values, section 4).
REGRESSION = Spread("uniform", 0.3, 1.6, 1.1)

# Cells of the response map's side; places up to this share of the radius from the peak belong to it.
MAP_SIDE = 21
PEAK_SHARE = 0.35


class SRTModel(SiameseModel[SRTTarget, SRTOutput]):
    """SRT: see the module's docstring.

    Args:
        network: with its weights; it is taken over, put on ``device`` and made ready for inference.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.

    Attributes:
        factors: (S,) scales of the candidates.
        offsets: (P, 2) their places in radii.
        side: longer side of a target's region in pixels of the search crop.
    """

    config: SRTConfig
    draws = True

    def __init__(
        self,
        network: SRTNetwork,
        config: SRTConfig,
        device: torch.device,
        name: str = "srt",
        precision: str = "auto",
    ) -> None:
        self.config, self.device, self.name = config, device, name
        self.lost_windows, self.stride = config.lost_windows, network.backbone.stride
        self.dtype = inference_dtype(device, precision)
        self.network = ready(network, device, self.dtype)
        network.leave_out(config.leave_out)
        network.irnn.to(self.dtype)
        self.factors = config.factors()
        self.side = config.target_side(network.margin)
        if self.side < LEAST_TARGET:
            wanted = config.search_size + (LEAST_TARGET - self.side) * (2 * config.radius + self.factors[-1])
            raise ConfigError(
                f"search_size {config.search_size} shows the target {max(self.side, 0):.0f} pixels long, and less than "
                f"{LEAST_TARGET} tell nothing; give {math.ceil(wanted / 4) * 4} or more, or a smaller radius"
            )
        penalties = np.where(self.factors == 1, 1.0, config.scale_penalty)
        self.offsets = ring_offsets(config.radial, config.angular)
        window = 0.5 * (1 + np.cos(np.pi * np.hypot(*self.offsets.T)))
        share = config.window_influence
        self._weights, self._bonus = (1 - share) * penalties[None], share * window[:, None]

    def start(self, frame: Frame, box: Box) -> SRTState:
        config = self.config
        scale = self.side / max(config.region(box.width, box.height))
        search = Window(*box.centre, config.search_size / scale)
        maps = self.maps(frame.crops([search], config.search_size))
        size = box.width * scale, box.height * scale
        template = self.take_up(maps, *size)
        own = self._respond([template], maps, [search], [True])[0]
        regression = self.regression(maps, *size) if config.regression else None
        return self._begun(frame, box, search.size, own, SRTTarget(template, regression, box, search.size))

    def forward(self, states: Sequence[SRTState], frame: Frame, crops: torch.Tensor) -> list[SRTOutput]:
        windows = [self.search(state).windows for state in states]
        searched = [(state, window) for state, own in zip(states, windows, strict=True) for window in own]
        outputs = self.respond(
            [state.target.template for state, _ in searched],
            crops,
            [window for _, window in searched],
            [state.is_lost for state, _ in searched],
        )
        return best_of(outputs, [len(own) for own in windows])

    def warm_up(self, targets: int = 1) -> None:
        size, counts = self.config.search_size, {targets}
        if self.config.lost.enabled:
            counts.add(targets - 1 + self.config.lost_windows)  # one of them lost
        with torch.inference_mode():
            blank = torch.zeros(1, 3, size, size, device=self.device)
            template = self.take_up(self.maps(blank), self.side, self.side)
            for count in counts:
                crops = blank.repeat(count, 1, 1, 1)
                self.respond([template] * count, crops, [Window(0, 0, 1)] * count, [True] * count)

    def maps(self, crops: torch.Tensor) -> Maps:
        """Feature maps of BGR crops (N, 3, S, S)."""
        return self.network.maps(as_images(crops, self.dtype))

    def take_up(self, maps: Maps, width: float, height: float) -> Template:
        """A target in the middle of a search crop.

        Args:
            maps: of the crop.
            width, height: of the target in pixels of the crop.
        """
        config = self.config
        middle = config.search_size / 2
        centres = middle + self.offsets * (config.radius * max(width, height))
        region = config.region(width, height)
        boxes, regions = (scaled_boxes(centres, size, self.factors) for size in ((width, height), region))
        own = scaled_boxes(np.full((1, 2), middle), region, np.ones(1))
        exemplar = self.network.parts(maps, self._on_device(own))
        return Template(exemplar, boxes, self._on_device(regions))

    def _on_device(self, boxes: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(boxes).to(self.device, torch.float32)[None]

    def features(self, maps: Maps, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features (N, K, D) for the regression of boxes (N, K, 4), of conv4_3 (section 2.2)."""
        extra = self.config.context_amount * boxes[..., 2:].sum(axis=-1, keepdims=True)
        regions = np.concatenate([boxes[..., :2] - extra / 2, boxes[..., 2:] + extra], axis=-1)
        on_device = torch.from_numpy(regions).to(self.device, torch.float32)
        found = self.network.local_regions(maps, on_device).flatten(2)
        return (functional.normalize(found, dim=-1) * FEATURE_LENGTH).cpu().numpy()

    def regression(self, maps: Maps, width: float, height: float) -> BoxRegression:
        """A regression of boxes for a target in the middle of a search crop; arguments as for ``take_up``."""
        config = self.config
        size = config.search_size
        target = Box.from_centre(size / 2, size / 2, width, height)
        rng = np.random.default_rng(config.seed + self.repetition)
        boxes = draw(REGRESSION, target, config.regression_samples, (size, size), rng, overlap=(0.6, 1.0))
        return BoxRegression(self.features(maps, boxes[None])[0], boxes, target, config.regression_alpha)

    def respond(
        self, templates: Sequence[Template], crops: torch.Tensor, windows: Sequence[Window], free: Sequence[bool]
    ) -> list[SRTOutput]:
        """The best candidate in each of N windows.

        Args:
            templates: N, one for each window.
            crops: (N, 3, S, S) BGR.
            windows: N, that the crops are of.
            free: N, whether candidates are chosen by their similarity alone.
        """
        size = CPU_BATCH if self.device.type == "cpu" else DEVICE_BATCH
        parts = [slice(start, start + size) for start in range(0, len(templates), size)]
        return [
            output
            for part in parts
            for output in self._respond(templates[part], self.maps(crops[part]), windows[part], free[part])
        ]

    def match(self, templates: Sequence[Template], maps: Maps) -> torch.Tensor:
        """Similarities (N, P * S) of the candidates of N targets, in maps of one window each."""
        exemplars = [torch.cat(part) for part in zip(*(template.exemplar for template in templates), strict=True)]
        regions = torch.cat([template.regions for template in templates])
        parts = regions.split(CPU_CANDIDATES if self.device.type == "cpu" else regions.shape[1], dim=1)
        return torch.cat([self.network.match(exemplars, maps, part) for part in parts], dim=1)

    def _respond(
        self, templates: Sequence[Template], maps: Maps, windows: Sequence[Window], free: Sequence[bool]
    ) -> list[SRTOutput]:
        similar = self.match(templates, maps).double().cpu().numpy().reshape(len(templates), -1, len(self.factors))
        known = np.isfinite(similar).any(axis=(1, 2))
        similar = np.nan_to_num(similar, nan=-1.0)
        wanted = [
            scores if alone else scores * self._weights + self._bonus
            for scores, alone in zip(similar, free, strict=True)
        ]
        places = [int(scores.argmax()) for scores in wanted]
        boxes = np.stack([template.boxes[place] for template, place in zip(templates, places, strict=True)])
        if self.config.regression:
            features = self.features(maps, boxes[:, None])[:, 0]
        else:
            features = np.empty((len(templates), 0), np.float32)
        features[~known] = np.nan
        return [
            self._output(*each)
            for each in zip(
                windows, boxes, np.where(known[:, None, None], similar, np.nan), places, features, strict=True
            )
        ]

    def _output(
        self,
        window: Window,
        box: NDArray[np.float64],
        scores: NDArray[np.float64],
        place: int,
        features: NDArray[np.float32],
    ) -> SRTOutput:
        """The candidate at a place of (P * S), with the evidence for it among similarities (P, S)."""
        by_place = scores.max(axis=1)
        where, scale = divmod(place, len(self.factors))
        return SRTOutput(
            window=window,
            crop_size=self.config.search_size,
            peak=float(scores[where, scale]),
            psr=standing_out(by_place, self.offsets, where, PEAK_SHARE),
            response=torch.from_numpy(by_place),
            box=Box.from_array(box),
            scale=float(self.factors[scale]),
            features=features,
        )

    def _look(self, target: SRTTarget, frame: Frame, window: Window, box: Box) -> SRTOutput:
        crops = frame.crops([window], self.config.search_size)
        return self.respond([target.template], crops, [window], [True])[0]

    def _moved(self, state: SRTState, output: SRTOutput) -> SRTState:
        config, target, side = self.config, state.target, state.search_side
        chosen = output.window.box_to_image(output.box, output.crop_size)
        if not state.is_lost and config.scales_of == "last":
            low, high = (limit * target.first_side for limit in config.scale_limits)
            side = min(max(side * output.scale, low), high)
        if target.regression is not None:
            chosen = Box.from_array(target.regression.apply(output.features[None], chosen.to_array()[None])[0])
        if state.is_lost:
            chosen = Box.from_centre(*chosen.centre, state.box.width, state.box.height)
        return replace(state, box=bounded(chosen, state.box, config.least_side, state.image_size), search_side=side)

    def _reach(self, target: SRTTarget, side: float) -> float:
        """Side in pixels of the square around all candidates' centres in a window of the given side."""
        reach = 2 * self.config.radius * max(target.first_box.width, target.first_box.height)
        return reach * side / target.first_side

    def _lost_step(self, state: SRTState) -> float:
        return self._reach(state.target, state.search_side)

    def _response_map(self, state: SRTState, output: SRTOutput) -> ResponseMap:
        config, window = self.config, output.window
        side = self._reach(state.target, window.size)
        scores = output.response.numpy()
        return ResponseMap(
            lambda: ring_map(scores, config.radial, config.angular, MAP_SIDE),
            Box.from_centre(window.centre_x, window.centre_y, side, side),
        )
