"""SiamRPN: tracking as one-shot detection (Li et al., 2018), with the values of its published implementations.

The template branch runs once and leaves kernels; each frame runs the detection branch on one search crop at one scale,
and the best proposal (``selection``) gives position, size and shape. All of that runs on the device for a batch of
targets; a row of numbers for each window comes back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le

from siam_tracker_core.crop import Frame
from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.anchors import suppress
from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.joined_head import JoinedDepthwiseHead
from siam_tracker_core.networks.rpn import DepthwiseHead, Kernels, Proposals, SiamRPNNetwork
from siam_tracker_core.trackers.base import Image
from siam_tracker_core.trackers.confidence import Calibration, LostConfig, log_odds
from siam_tracker_core.trackers.following import (
    FollowingConfig,
    FollowingTracker,
    Look,
    Share,
    best_of_windows,
    bounded,
    damped,
)
from siam_tracker_core.trackers.selection import Choice, Preference, Ranking, choose, cosine_window, rank
from siam_tracker_core.trackers.siamese_model import SiameseModel

# Crops that a CPU takes through the network at once. The features of more of them leave its caches: one batch of 16
# took 1.3 times as long as four of 4 on one core.
CPU_BATCH = 4


@dataclass(frozen=True)
class SiamRPNConfig(FollowingConfig):
    """Settings of the tracker; defaults are those of PySOT's AlexNet model (reference values, section 2).

    Attributes:
        small_search_size: side of the search crop in pixels for small targets (DaSiamRPN:code/run_SiamRPN.py, 287).
        small_share: targets that take up less of their first image than this are small (likewise); 0 for none.
        penalty: k of equation 13, the penalty on changes of scale and ratio.
        window_influence: share of the cosine window in the final score.
        size_rate: share of a change of size that is taken over in one frame, times penalty and score.
        centre_cells: only anchors of the central so many cells are taken (g of section 4.3); 0 takes all. A map of
            even size has one more where this is odd, and the other way round.
        least_side: of the box in pixels, unless it was smaller from the start.
        lost_search: what is searched while the target is lost, without cosine window and regardless of
            ``centre_cells``: ``sweep``, windows of the usual size at places that change from frame to frame, or
            ``enlarge``, one large window at the place of loss (PySOT:pysot/tracker/siamrpnlt_tracker.py).
        lost_windows: windows in a frame of the sweep.
        lost_size: side of the enlarged search crop in pixels, at the usual scale.
        top_k: so many of the best proposals take part in the suppression of ``SiamRPN.candidates``. The paper gives
            neither this number nor the next one.
        candidate_overlap: IoU above which of two proposals only the better one is a candidate.
        lost: log-odds tell much apart, so little speaks for loss, and much for a target that is found again.
        calibration: of log-odds; see ``Calibration``.
    """

    small_search_size: Annotated[int, Ge(64)] = 287
    small_share: Share = 0.004
    penalty: Annotated[float, Ge(0), Le(2)] = 0.16
    window_influence: Share = 0.40
    size_rate: Share = 0.30
    centre_cells: Annotated[int, Ge(0)] = 0
    least_side: Annotated[float, Ge(1)] = 10.0
    lost_search: Literal["sweep", "enlarge"] = "sweep"
    lost_windows: Annotated[int, Ge(2), Le(25)] = 3
    lost_size: Annotated[int, Ge(64), Le(2047)] = 831
    top_k: Annotated[int, Gt(0)] = 64
    candidate_overlap: Share = 0.3
    lost: LostConfig = field(default_factory=lambda: LostConfig(lost=0.05, recover=0.9))
    calibration: Calibration = field(default_factory=lambda: Calibration(bias=-4.0, peak=1.0, psr=0.2))

    def __post_init__(self) -> None:
        usual = max(self.search_size, self.small_search_size)
        if self.lost_search == "enlarge" and self.lost_size <= usual:
            raise ConfigError(f"lost_size {self.lost_size} enlarges nothing: search crops have {usual} pixels already")

    def searches(self) -> dict[str, int]:
        """Sides in pixels of the search crops that are in use, by the names of their settings."""
        sizes = {"search_size": self.search_size}
        if self.small_share:
            sizes["small_search_size"] = self.small_search_size
        if self.lost_search == "enlarge":
            sizes["lost_size"] = self.lost_size
        return sizes


@dataclass(frozen=True)
class Answer(Look):
    """What the network says of one target in one frame; ``peak`` is the best proposal's probability.

    Attributes:
        proposal: the best one.
    """

    proposal: Choice


@dataclass(frozen=True)
class Candidate:
    """A place where the network sees something like the target.

    Attributes:
        box: as proposed, in image pixels; it may reach beyond the image.
        score: probability of "target".
    """

    box: Box
    score: float


class SiamRPNModel(SiameseModel):
    """The network with all that targets share; arguments as for ``SiameseModel``."""

    network: SiamRPNNetwork
    config: SiamRPNConfig

    def __init__(
        self,
        network: SiamRPNNetwork,
        config: SiamRPNConfig,
        device: torch.device,
        name: str = "siamrpn",
        precision: str = "auto",
    ) -> None:
        super().__init__(network, config, device, name, precision)
        if isinstance(self.network.head, DepthwiseHead):
            self.network.head = channels_last(JoinedDepthwiseHead(self.network.head))
        self.network.head.to(self.dtype)
        check_crop_sizes(self.network, "template", config.exemplar_size, config.searches())
        self._windows: dict[int, torch.Tensor] = {}

    def kernels(self, crops: torch.Tensor) -> Kernels:
        """Kernels of BGR exemplar crops (N, 3, S, S)."""
        return self.network.template(self.images(crops))

    def detect(self, kernels: Kernels, crops: torch.Tensor) -> Proposals:
        """The detection branch on N BGR search crops (N, 3, S, S), each with its own kernels."""
        if self.device.type != "cpu" or len(crops) <= CPU_BATCH:
            return self.network.detect(self.images(crops), kernels)
        parts = [
            self.network.detect(self.images(some), Kernels(*own))
            for some, *own in zip(crops.split(CPU_BATCH), *(part.split(CPU_BATCH) for part in kernels), strict=True)
        ]
        return Proposals(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def rank(self, kernels: Kernels, crops: torch.Tensor, preferences: Sequence[Preference]) -> Ranking:
        """The proposals of N windows in order.

        Args:
            kernels: of N targets, one for each window.
            crops: (N, 3, S, S) BGR search crops.
            preferences: N.
        """
        proposals = self.detect(kernels, crops)
        size = proposals.logits.shape[-1]
        return rank(proposals, self.network.anchors.grid(size), self._cosine(size), preferences)

    def respond(
        self, kernels: Kernels, crops: torch.Tensor, preferences: Sequence[Preference]
    ) -> tuple[list[Choice], torch.Tensor]:
        """The best proposal in each window, and the score maps (N, rows, columns); arguments as for ``rank``."""
        ranking = self.rank(kernels, crops, preferences)
        # Scores were calibrated on maps of the usual size.
        beyond = (crops.shape[-1] - self.config.search_size) // self.network.backbone.stride
        return choose(ranking, ranking.scores.shape[-1] - max(0, beyond))

    def _cosine(self, size: int) -> torch.Tensor:
        if size not in self._windows:
            self._windows[size] = cosine_window(size, self.device)
        return self._windows[size]


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
        self._search_size = self._crop_size = self.config.search_size

    @property
    def search_size(self) -> int:
        return self._search_size

    @property
    def crop_size(self) -> int:
        return self._crop_size

    def another(self) -> SiamRPN:
        return SiamRPN(self.model)

    def warm_up(self, targets: int = 1) -> None:
        config = self.config
        with torch.inference_mode():
            blank = torch.zeros(1, 3, config.exemplar_size, config.exemplar_size, device=self.device)
            kernels = self.model.kernels(blank)
            for size, count in self._batches(targets):
                crops = torch.zeros(count, 3, size, size, device=self.device)
                alike = Kernels(*(part.expand(count, -1, -1, -1) for part in kernels))
                self.model.respond(alike, crops, [Preference(64, 64)] * count)

    def _batches(self, targets: int) -> set[tuple[int, int]]:
        """Sizes of crops, and how many there are of them in a frame: no target lost, and one."""
        config = self.config
        sizes = config.searches()
        enlarged = sizes.pop("lost_size", None)
        batches = {(size, targets) for size in sizes.values()}
        if not config.lost.enabled:
            return batches
        others = targets - 1
        if enlarged is None:
            return batches | {(size, others + config.lost_windows) for size in sizes.values()}
        return batches | {(enlarged, 1)} | {(size, others) for size in sizes.values() if others}

    def candidates(self, image: Image) -> list[Candidate]:
        """Where in an image something like the target is, best first: it, and what could be taken for it.

        The search window around the last place is looked at with the preferences of an update; the target and its state
        stay as they are.

        Args:
            image: as for ``update``.

        Raises:
            ImageError, RuntimeError: as ``update``.
        """
        frame = self.upload(image)
        self.check_frame(frame)
        window, config = self.search_window, self.config
        with torch.inference_mode():
            crops = frame.crops([window], self.search_size)
            ranking = self.model.rank(self._kernels, crops, [self._preference(window, self.search_size)])
            boxes, ranks = ranking.boxes.flatten(0, 3), ranking.ranks.flatten()
            kept = suppress(boxes, ranks, config.top_k, config.candidate_overlap)
            kept = kept[ranks[kept] >= 0]
            found = torch.cat([boxes[kept], ranking.scores.flatten()[kept, None]], dim=1).cpu().tolist()
        pixels = window.size / self.search_size
        return [
            Candidate(
                Box.from_centre(
                    window.centre_x + dx * pixels, window.centre_y + dy * pixels, width * pixels, height * pixels
                ),
                score,
            )
            for dx, dy, width, height, score in found
        ]

    def _start(self, frame: Frame, box: Box) -> None:
        config = self.config
        small = box.area < config.small_share * frame.width * frame.height
        size = config.small_search_size if small else config.search_size
        side = context_size(box.width, box.height, config.context)
        kernels = self.model.kernels(frame.crops([Window(*box.centre, side)], config.exemplar_size))
        search = Window(*box.centre, side * size / config.exemplar_size)
        own = self._respond_once(kernels, frame, search, size, box)
        # Nothing is kept before all of it is known, so that a failure leaves a former target as it was.
        self._kernels = kernels
        self._search_size = self._crop_size = size
        self._begin(box, search.size, own)

    def _look(self, frame: Frame, window: Window) -> Answer:
        return self._respond_once(self._kernels, frame, window, self.search_size, self._box)

    def _respond_once(self, kernels: Kernels, frame: Frame, window: Window, size: int, box: Box) -> Answer:
        scale = size / window.size
        preference = Preference(box.width * scale, box.height * scale)
        choices, maps = self.model.respond(kernels, frame.crops([window], size), [preference])
        return _answer(choices[0], maps[0])

    def _preference(self, window: Window, crop_size: int) -> Preference:
        """What is preferred in a window of the next frame."""
        config, scale = self.config, crop_size / window.size
        width, height = self._box.width * scale, self._box.height * scale
        if self.is_lost:
            return Preference(width, height, penalty=config.penalty)
        return Preference(width, height, config.window_influence, config.penalty, config.centre_cells or math.inf)

    def windows(self) -> list[Window]:
        self._crop_size = self.search_size
        if self._lost_search is None:
            self._windows = [self.search_window]
        elif self.config.lost_search == "sweep":
            self._windows = self._lost_search.windows(self.config.lost_windows)
        else:
            self._crop_size = self.config.lost_size
            self._windows = [self.search_window.scaled(self._crop_size / self.search_size)]
        return self._windows

    def answer(self, trackers: Sequence[Any], frame: Frame, crops: torch.Tensor) -> list[Answer]:
        searched = [(tracker, window) for tracker in trackers for window in tracker._windows]
        kernels = Kernels(
            *(torch.cat([getattr(tracker._kernels, part) for tracker, _ in searched]) for part in Kernels._fields)
        )
        preferences = [tracker._preference(window, crops.shape[-1]) for tracker, window in searched]
        choices, maps = self.model.respond(kernels, crops, preferences)
        looks = [_answer(choice, map_) for choice, map_ in zip(choices, maps, strict=True)]
        return best_of_windows(trackers, looks)

    def _evidence_of(self, look: Look) -> tuple[float, float]:
        return log_odds(look.peak), super()._evidence_of(look)[1]

    def _move(self, window: Window, answer: Answer, resize: bool) -> None:
        proposal, pixels = answer.proposal, window.size / self.crop_size
        # A proposal that is less certain or has changed more changes the size less (reference values, section 2).
        rate = proposal.factor * proposal.score * self.config.size_rate if resize else 0.0
        width, height = damped(self._box, proposal.width * pixels, proposal.height * pixels, rate)
        wanted = Box.from_centre(
            window.centre_x + proposal.dx * pixels, window.centre_y + proposal.dy * pixels, width, height
        )
        self._box = bounded(wanted, self._box, self.config.least_side, self.image_size)
        side = context_size(self._box.width, self._box.height, self.config.context)
        self._search = side * self.search_size / self.config.exemplar_size


def _answer(proposal: Choice, map_: torch.Tensor) -> Answer:
    return Answer(0, proposal.score, proposal.psr, map_, proposal)
