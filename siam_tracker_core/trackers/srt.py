"""SRT: the Siamese recurrent tracker (Xu et al.): candidates around the last place, matched with the first frame.

The search region goes through the convolutions once. All candidates, ten by ten places on rings and their centre at
five scales, are then pooled from its feature maps, given context by the IRNN and compared with the first frame's
target in one batch; the most similar one, refined by a box regression learned on the first frame, is the new box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from torch.nn import functional

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.networks.srt import Maps, Part, SRTNetwork
from siam_tracker_core.trackers.base import ResponseMap
from siam_tracker_core.trackers.box_regression import BoxRegression
from siam_tracker_core.trackers.candidates import Spread, draw, scaled_boxes
from siam_tracker_core.trackers.following import (
    FollowingConfig,
    FollowingTracker,
    Look,
    Share,
    best_of_windows,
    bounded,
)
from siam_tracker_core.trackers.lost_search import LostSearch
from siam_tracker_core.trackers.radial import ring_map, ring_offsets, scale_factors, standing_out
from siam_tracker_core.trackers.siamese_model import SiameseModel

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


@dataclass(frozen=True)
class SRTConfig(FollowingConfig):
    """Settings of the tracker; defaults are the paper's (section 3.1), or this package's where it has none.

    Attributes:
        exemplar_size: side in pixels of the crop that shows the target in training; in tracking it is taken from the
            search crop of the first frame.
        search_size: side in pixels of the search crop, a multiple of 4. It holds all candidates and the receptive
            field's margin around them, and so sets the resolution at which the target is seen: 50 pixels for its
            longer side with 244.
        context: margin around every region that is matched, as a share of width plus height; the paper has none.
        radial, angular: rings of candidates, and candidates on each.
        radius: of the outermost ring, in longer sides of the target.
        scales: how many scales at each place, odd, so that one of them is that of the box.
        scale_step: ratio of neighbouring scales; the paper does not tell.
        scales_of: what the scales are of: the ``first`` box, as in the paper, or the ``last`` candidate taken.
        scale_limits: least and largest size relative to the first box, for scales of the last one.
        scale_penalty: factor on the similarity of other scales than the middle one; none in the paper.
        window_influence: share of a cosine window over the radius in the similarity; none in the paper.
        regression: whether boxes are refined.
        regression_samples: boxes of the first frame that the regression learns from.
        regression_alpha: weight of its penalty (R-CNN, MDNet), for features of length 20.
        least_side: of the box in pixels, unless it was smaller from the start.
        lost_windows: windows in a frame while the target is lost.
        leave_out: parts of the network that take no part in the match: ``conv4_3``, ``conv5_3``, ``irnn``.
        seed: of the regression's samples.
    """

    exemplar_size: Annotated[int, Ge(92)] = 144
    search_size: Annotated[int, Ge(92)] = 244
    context: Annotated[float, Ge(0), Le(4)] = 0.0
    radial: Annotated[int, Ge(1), Le(50)] = 10
    angular: Annotated[int, Ge(1), Le(50)] = 10
    radius: Annotated[float, Gt(0), Le(4)] = 1.0
    scales: Annotated[int, Ge(1), Le(15)] = 5
    scale_step: Annotated[float, Gt(1), Le(2)] = 1.1
    scales_of: Literal["first", "last"] = "first"
    scale_limits: tuple[Annotated[float, Gt(0), Le(1)], Annotated[float, Ge(1)]] = (0.2, 5.0)
    scale_penalty: Annotated[float, Gt(0), Le(1)] = 1.0
    window_influence: Share = 0.0
    regression: bool = True
    regression_samples: Annotated[int, Ge(10)] = 1000
    regression_alpha: Annotated[float, Gt(0)] = 1000.0
    least_side: Annotated[float, Ge(1)] = 10.0
    lost_windows: Annotated[int, Ge(2), Le(25)] = 2
    leave_out: tuple[Part, ...] = ()
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        for name, size in (("exemplar_size", self.exemplar_size), ("search_size", self.search_size)):
            if size % 4:
                raise ConfigError(f"{name} is {size}; the network's stride is 4, so give {size // 4 * 4 + 4}")
        if self.scales % 2 == 0:
            raise ConfigError(f"scales is {self.scales}; give an odd number, so that one is that of the box")

    def factors(self) -> NDArray[np.float64]:
        """The scales of the candidates."""
        return scale_factors(self.scales, self.scale_step)

    def target_side(self, margin: float) -> float:
        """Longer side of the target's region in pixels of a crop, for a network with this margin."""
        return (self.search_size - 2 * margin) / (2 * self.radius + float(self.factors()[-1]))

    def region(self, width: float, height: float) -> tuple[float, float]:
        """Width and height of what is matched of a box: it and its context."""
        margin = self.context * (width + height)
        return width + margin, height + margin


@dataclass(frozen=True)
class Answer(Look):
    """What the network says of one target in one frame; ``peak`` is the similarity of the best candidate.

    Attributes:
        box: the best candidate in pixels of the search crop.
        scale: its scale.
        features: float32 (D,), of its region of conv4_3, for the regression; empty without one.
    """

    box: Box
    scale: float
    features: NDArray[np.float32]


class Target(NamedTuple):
    """What is known of a target from its first frame, in pixels of the search crop; the same in every frame.

    Attributes:
        exemplar: parts of its own region (``SRTNetwork.parts``), each (1, 1, D).
        boxes: (P * S, 4) of ``x, y, width, height``, the candidates.
        regions: (1, P * S, 4), what is matched of them, on the device.
    """

    exemplar: list[torch.Tensor]
    boxes: NDArray[np.float64]
    regions: torch.Tensor


class SRTModel(SiameseModel):
    """The network with all that targets share; arguments as for ``SiameseModel``.

    Attributes:
        factors: (S,) scales of the candidates.
        offsets: (P, 2) their places in radii.
        side: longer side of a target's region in pixels of the search crop.
    """

    network: SRTNetwork
    config: SRTConfig

    def __init__(
        self,
        network: SRTNetwork,
        config: SRTConfig,
        device: torch.device,
        name: str = "srt",
        precision: str = "auto",
    ) -> None:
        super().__init__(network, config, device, name, precision)
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

    def maps(self, crops: torch.Tensor) -> Maps:
        """Feature maps of BGR crops (N, 3, S, S)."""
        return self.network.maps(self.images(crops))

    def take_up(self, maps: Maps, width: float, height: float) -> Target:
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
        return Target(exemplar, boxes, self._on_device(regions))

    def _on_device(self, boxes: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(boxes).to(self.device, torch.float32)[None]

    def features(self, maps: Maps, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features (N, K, D) for the regression of boxes (N, K, 4), of conv4_3 (section 2.2)."""
        extra = self.config.context * boxes[..., 2:].sum(axis=-1, keepdims=True)
        regions = np.concatenate([boxes[..., :2] - extra / 2, boxes[..., 2:] + extra], axis=-1)
        on_device = torch.from_numpy(regions).to(self.device, torch.float32)
        found = self.network.local_regions(maps, on_device).flatten(2)
        return (functional.normalize(found, dim=-1) * FEATURE_LENGTH).cpu().numpy()

    def regression(self, maps: Maps, width: float, height: float) -> BoxRegression:
        """A regression of boxes for a target in the middle of a search crop; arguments as for ``take_up``."""
        config = self.config
        size = config.search_size
        target = Box.from_centre(size / 2, size / 2, width, height)
        rng = np.random.default_rng(config.seed)
        boxes = draw(REGRESSION, target, config.regression_samples, (size, size), rng, overlap=(0.6, 1.0))
        return BoxRegression(self.features(maps, boxes[None])[0], boxes, target, config.regression_alpha)

    def respond(self, targets: Sequence[Target], crops: torch.Tensor, free: Sequence[bool]) -> list[Answer]:
        """The best candidate in each of N windows.

        Args:
            targets: N, one for each window.
            crops: (N, 3, S, S) BGR.
            free: N, whether candidates are chosen by their similarity alone.
        """
        size = CPU_BATCH if self.device.type == "cpu" else DEVICE_BATCH
        return [
            answer
            for start in range(0, len(targets), size)
            for answer in self._respond(
                targets[start : start + size], self.maps(crops[start : start + size]), free[start : start + size]
            )
        ]

    def match(self, targets: Sequence[Target], maps: Maps) -> torch.Tensor:
        """Similarities (N, P * S) of the candidates of N targets, in maps of one window each."""
        exemplars = [torch.cat(part) for part in zip(*(target.exemplar for target in targets), strict=True)]
        regions = torch.cat([target.regions for target in targets])
        parts = regions.split(CPU_CANDIDATES if self.device.type == "cpu" else regions.shape[1], dim=1)
        return torch.cat([self.network.match(exemplars, maps, part) for part in parts], dim=1)

    def _respond(self, targets: Sequence[Target], maps: Maps, free: Sequence[bool]) -> list[Answer]:
        similar = self.match(targets, maps).double().cpu().numpy()
        similar = np.nan_to_num(similar, nan=-1.0).reshape(len(targets), -1, len(self.factors))
        wanted = [
            scores if alone else scores * self._weights + self._bonus
            for scores, alone in zip(similar, free, strict=True)
        ]
        places = [int(scores.argmax()) for scores in wanted]
        boxes = np.stack([target.boxes[place] for target, place in zip(targets, places, strict=True)])
        if self.config.regression:
            features = self.features(maps, boxes[:, None])[:, 0]
        else:
            features = np.empty((len(targets), 0), np.float32)
        return [
            self._answer(target, scores, place, own)
            for target, scores, place, own in zip(targets, similar, places, features, strict=True)
        ]

    def _answer(self, target: Target, scores: NDArray[np.float64], place: int, features: NDArray[np.float32]) -> Answer:
        """The candidate at a place of (P * S), with the evidence for it among similarities (P, S)."""
        by_place = scores.max(axis=1)
        where, scale = divmod(place, len(self.factors))
        return Answer(
            choice=0,
            peak=float(scores[where, scale]),
            psr=standing_out(by_place, self.offsets, where, PEAK_SHARE),
            response=torch.from_numpy(by_place),
            box=Box.from_array(target.boxes[place]),
            scale=float(self.factors[scale]),
            features=features,
        )


class SRT(FollowingTracker):
    """SRT on one target.

    Args:
        model: the shared network and configuration.
    """

    config: SRTConfig

    def __init__(self, model: SRTModel) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        self.name, self.device = model.name, model.device
        self.stride = model.network.backbone.stride

    def another(self) -> SRT:
        return SRT(self.model)

    def warm_up(self, targets: int = 1) -> None:
        size, counts = self.config.search_size, {targets}
        if self.config.lost.enabled:
            counts.add(targets - 1 + self.config.lost_windows)  # one of them lost
        with torch.inference_mode():
            blank = torch.zeros(1, 3, size, size, device=self.device)
            target = self.model.take_up(self.model.maps(blank), self.model.side, self.model.side)
            for count in counts:
                self.model.respond([target] * count, blank.repeat(count, 1, 1, 1), [True] * count)

    def _start(self, frame: Frame, box: Box) -> None:
        config, model = self.config, self.model
        scale = model.side / max(config.region(box.width, box.height))
        search = Window(*box.centre, config.search_size / scale)
        maps = model.maps(frame.crops([search], config.search_size))
        target = model.take_up(maps, box.width * scale, box.height * scale)
        own = model._respond([target], maps, [True])[0]
        regression = model.regression(maps, box.width * scale, box.height * scale) if config.regression else None
        # Nothing is kept before all of it is known, so that a failure leaves a former target as it was.
        self._target, self._regressor, self._first_search = target, regression, search.size
        self._first_box = box
        self._begin(box, search.size, own)

    def _look(self, frame: Frame, window: Window) -> Answer:
        return self.model.respond([self._target], frame.crops([window], self.config.search_size), [True])[0]

    def windows(self) -> list[Window]:
        lost = self._lost_search
        self._windows = [self.search_window] if lost is None else lost.windows(self.config.lost_windows)
        return self._windows

    def answer(self, trackers: Sequence[Any], frame: Frame, crops: torch.Tensor) -> list[Answer]:
        searched = [tracker for tracker in trackers for _ in tracker._windows]
        found = self.model.respond(
            [tracker._target for tracker in searched], crops, [tracker.is_lost for tracker in searched]
        )
        return best_of_windows(trackers, found)

    def _move(self, window: Window, answer: Answer, resize: bool) -> None:
        chosen = window.box_to_image(answer.box, self.crop_size)
        if resize and self.config.scales_of == "last":
            low, high = (limit * self._first_search for limit in self.config.scale_limits)
            self._search = min(max(self._search * answer.scale, low), high)
        if self._regressor is not None:
            refined = self._regressor.apply(answer.features[None], chosen.to_array()[None])
            chosen = Box.from_array(refined[0])
        if not resize:
            chosen = Box.from_centre(*chosen.centre, self._box.width, self._box.height)
        self._box = bounded(chosen, self._box, self.config.least_side, self.image_size)

    def _give_up(self) -> None:
        super()._give_up()
        # Tiles meet where the candidates' centres end.
        reach = 2 * self.config.radius * max(self._first_box.width, self._first_box.height)
        step = reach * self._search / self._first_search
        self._lost_search = LostSearch(self.search_window, step, self.image_size)

    def _response_map(self, window: Window, look: Look) -> ResponseMap:
        config = self.config
        reach = 2 * config.radius * max(self._first_box.width, self._first_box.height)
        side = reach * window.size / self._first_search
        scores = look.response.numpy()
        return ResponseMap(
            lambda: ring_map(scores, config.radial, config.angular, MAP_SIDE),
            Box.from_centre(window.centre_x, window.centre_y, side, side),
        )
