"""SiamRPN: tracking as one-shot detection (Li et al., 2018), with the values of its published implementations.

The template branch runs once and leaves kernels; each frame runs the detection branch on one search crop at one scale,
and the best proposal (``proposals``) gives position, size and shape. All of that runs on the device for a batch of
targets; a row of numbers for each window comes back. A network without anchors, which gives scores and boxes in pixels
of the crop as well, is tracked by the same model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.anchors import suppress
from siam_tracker_core.networks.siamese import SiameseNetwork
from siam_tracker_core.runtimes import Backend, Tensors, joined, torch_backend
from siam_tracker_core.runtimes.in_batches import InBatches
from siam_tracker_core.trackers.common.boxes import bounded, damped
from siam_tracker_core.trackers.common.calibration import evidence_vector, log_odds
from siam_tracker_core.trackers.common.lost import LostSearch
from siam_tracker_core.trackers.common.response import cosine_window
from siam_tracker_core.trackers.common.siamese import best_of
from siam_tracker_core.trackers.model import SearchRequest
from siam_tracker_core.trackers.online import OnlineState, Seen
from siam_tracker_core.trackers.online.model import LearningModel, Spot
from siam_tracker_core.trackers.siamrpn.config import SiamRPNConfig
from siam_tracker_core.trackers.siamrpn.excess import Excess
from siam_tracker_core.trackers.siamrpn.host import HOST_WINDOWS, choose_on_host
from siam_tracker_core.trackers.siamrpn.proposals import PEAK_EXTENT, Preference, Proposal, Ranking, Votes, choose, rank
from siam_tracker_core.trackers.siamrpn.state import (
    Candidate,
    SiamRPNOutput,
    SiamRPNState,
    SiamRPNTarget,
    box_in_image,
)

# Crops that a CPU takes through the network at once. The features of more of them leave its caches: one batch of 16
# took 1.3 times as long as four of 4 on one core.
CPU_BATCH = 4


class SiamRPNModel(LearningModel[SiamRPNTarget, SiamRPNOutput]):
    """SiamRPN: see the module's docstring.

    Args:
        backend: runs a network that gives scores and boxes.
        config: of the tracker.
        name: of the tracker.
    """

    config: SiamRPNConfig

    def __init__(self, backend: Backend, config: SiamRPNConfig, name: str = "siamrpn") -> None:
        self.backend, self.config, self.name = backend, config, name
        self.device, self.stride, self.lost_windows = backend.device, backend.stride, config.lost_windows
        self._begin_learning(config.online)
        self._cosine: dict[tuple[int, torch.device], torch.Tensor] = {}

    @classmethod
    def from_network(
        cls,
        network: SiameseNetwork,
        config: SiamRPNConfig,
        device: torch.device,
        name: str = "siamrpn",
        precision: str = "auto",
    ) -> SiamRPNModel:
        """The model of a PyTorch network, which is taken over; see ``TorchBackend``.

        Raises:
            ConfigError: if the network cannot take crops of the configured sizes.
        """
        backend = torch_backend(network, device, precision, CPU_BATCH, features=config.online.features)
        check_crop_sizes(network, "template", config.exemplar_size, config.searches())
        return cls(backend, config, name)

    @property
    def together(self) -> int:
        return self.backend.count if isinstance(self.backend, InBatches) else 1

    def start(self, frame: Frame, box: Box) -> SiamRPNState:
        config = self.config
        small = box.area < config.small_share * frame.width * frame.height
        size = config.small_search_size if small else config.search_size
        side = context_size(box.width, box.height, config.context_amount)
        template = self.backend.template(frame.crops([Window(*box.centre, side)], config.exemplar_size))
        search = Window(*box.centre, side * size / config.exemplar_size)
        target = SiamRPNTarget(template, size)
        own = self._look(target, frame, search, box)
        target = target._replace(excess=self._excess(own, box, frame))
        target = self._first_lesson(target, template, frame, search, size, box, own.peak)
        return self._begun(frame, box, search.size, own, target)

    def forward(self, states: Sequence[SiamRPNState], frame: Frame, crops: torch.Tensor) -> list[SiamRPNOutput]:
        windows = [self.search(state).windows for state in states]
        searched = [(state, window) for state, own in zip(states, windows, strict=True) for window in own]
        template = joined([state.target.template for state, _ in searched])
        size = crops.shape[-1]
        preferences = [self._preference(state, window, size) for state, window in searched]
        choices, maps, seen = self.respond(template, crops, preferences, [state.target.online for state, _ in searched])
        outputs = [
            self._output(window, size, choice, response, told)
            for (_, window), choice, response, told in zip(searched, choices, maps, seen, strict=True)
        ]
        return best_of(outputs, [len(own) for own in windows])

    def warm_up(self, targets: int = 1) -> None:
        exemplar = self.config.exemplar_size
        with torch.inference_mode():
            template = self.backend.template(torch.zeros(1, 3, exemplar, exemplar, device=self.device))
            for size, count in self._batches(targets):
                crops = torch.zeros(count, 3, size, size, device=self.device)
                self.respond(joined([template] * count), crops, [Preference(64, 64)] * count)

    def rank(self, template: Tensors, crops: torch.Tensor, preferences: Sequence[Preference]) -> Ranking:
        """The proposals of N windows in order.

        Args:
            template: of N targets, one for each window.
            crops: (N, 3, S, S) BGR search crops.
            preferences: N.
        """
        scores, boxes, *_ = self.backend.search(template, crops)
        return rank(scores, boxes, self._window(scores.shape[-1], self.device), preferences)

    def respond(
        self,
        template: Tensors,
        crops: torch.Tensor,
        preferences: Sequence[Preference],
        online: Sequence[OnlineState | None] = (),
    ) -> tuple[list[Proposal], torch.Tensor, list[Seen | None]]:
        """The best proposal in each window.

        Args:
            template, crops, preferences: as for ``rank``.
            online: what is learned of the target of each window; none by default.

        Returns:
            N proposals, the score maps (N, rows, columns), and what the filters say where there are any.
        """
        scores, boxes, *features = self.backend.search(template, crops)
        seen = self._seen(online, features, scores.shape[-1])
        votes = Votes(torch.stack([told.response for told in seen]), [told.share for told in seen]) if seen else None
        on_host = self.device.type == "cpu" or len(scores) <= HOST_WINDOWS
        cosine = self._window(scores.shape[-1], torch.device("cpu") if on_host else self.device)
        # Scores were calibrated on maps of the usual size.
        beyond = (crops.shape[-1] - self.config.search_size) // self.stride
        surroundings, radius = scores.shape[-1] - max(0, beyond), PEAK_EXTENT // self.stride
        if on_host:
            choices, maps = choose_on_host(scores, boxes, cosine, preferences, surroundings, radius, votes)
        else:
            choices, maps = choose(rank(scores, boxes, cosine, preferences, votes), surroundings, radius)
        return choices, maps, [*seen] or [None] * len(choices)

    def candidates(self, state: SiamRPNState, frame: Frame) -> list[Candidate]:
        """Where in a frame something like the target is, best first: it, and what could be taken for it.

        The search window around the last place is looked at with the preferences of an update.
        """
        window, size, config = state.search_window, state.target.search_size, self.config
        with torch.inference_mode():
            preference = self._preference(state, window, size)
            ranking = self.rank(state.target.template, frame.crops([window], size), [preference])
            boxes, ranks = ranking.boxes.flatten(0, 3), ranking.ranks.flatten()
            kept = suppress(boxes, ranks, config.top_k, config.candidate_overlap)
            kept = kept[ranks[kept] >= 0]
            found = torch.cat([boxes[kept], ranking.scores.flatten()[kept, None]], dim=1).cpu().tolist()
        excess = state.target.excess
        return [
            Candidate(box_in_image(window, size, dx, dy, *excess.removed(width, height)), score)
            for dx, dy, width, height, score in found
        ]

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

    def _search_size(self, state: SiamRPNState) -> int:
        return state.target.search_size

    def _lost_request(self, state: SiamRPNState, search: LostSearch) -> SearchRequest:
        if self.config.lost_search == "sweep":
            return super()._lost_request(state, search)
        size = self.config.lost_size
        return SearchRequest((state.search_window.scaled(size / state.target.search_size),), size)

    def _noticing(self, state: SiamRPNState, box: Box) -> SiamRPNState:
        # The enlarged crop stays at the place of loss: there is no second look from the middle.
        return super()._noticing(state, box) if self.config.lost_search == "sweep" else state

    def _look(self, target: SiamRPNTarget, frame: Frame, window: Window, box: Box) -> SiamRPNOutput:
        size = target.search_size
        scale = size / window.size
        preference = Preference(box.width * scale, box.height * scale)
        choices, maps, seen = self.respond(target.template, frame.crops([window], size), [preference], [target.online])
        return self._output(window, size, choices[0], maps[0], seen[0])

    def _excess(self, own: SiamRPNOutput, box: Box, frame: Frame) -> Excess:
        """How much too large the network's boxes of a target are, whose own frame gave ``own``."""
        in_sight = box.clipped(frame.width, frame.height).area / box.area
        return Excess.of(own.proposal, box.width / own.pixels, box.height / own.pixels, self.config.own_size, in_sight)

    def _preference(self, state: SiamRPNState, window: Window, crop_size: int) -> Preference:
        """What is preferred in a window of the next frame."""
        config, scale = self.config, crop_size / window.size
        width, height = state.target.excess.added(state.box.width * scale, state.box.height * scale)
        if state.is_lost:
            return Preference(width, height, penalty_k=config.penalty_k)
        return Preference(width, height, config.window_influence, config.penalty_k, config.centre_cells or math.inf)

    def _spot(self, state: SiamRPNState, output: SiamRPNOutput) -> Spot:
        proposal = output.proposal
        centre, sides = (proposal.dx, proposal.dy), (proposal.width, proposal.height)
        return Spot(centre, sides, proposal.score, output.response)

    def _evidence(self, own_peak: float, output: SiamRPNOutput) -> tuple[float, float]:
        return log_odds(output.peak), evidence_vector(output.peak, own_peak, output.psr)[1]

    def _moved(self, state: SiamRPNState, output: SiamRPNOutput) -> SiamRPNState:
        proposal, pixels, config = output.proposal, output.pixels, self.config
        # A proposal that is less certain or has changed more changes the size less (reference values, section 2).
        rate = 0.0 if state.is_lost else proposal.factor * proposal.score * config.size_lr
        width, height = state.target.excess.removed(proposal.width, proposal.height)
        found = box_in_image(output.window, output.crop_size, proposal.dx, proposal.dy, width, height)
        size = damped(state.box, width * pixels, height * pixels, rate)
        box = bounded(Box.from_centre(*found.centre, *size), state.box, config.least_side, state.image_size)
        side = context_size(box.width, box.height, config.context_amount)
        return replace(state, box=box, search_side=side * state.target.search_size / config.exemplar_size)

    def _output(
        self, window: Window, size: int, proposal: Proposal, response: torch.Tensor, seen: Seen | None
    ) -> SiamRPNOutput:
        output = SiamRPNOutput(window, size, proposal.score, proposal.psr, response, proposal)
        return output.heard(seen, (proposal.dx / self.stride, proposal.dy / self.stride))

    def _window(self, size: int, device: torch.device) -> torch.Tensor:
        if (size, device) not in self._cosine:
            self._cosine[size, device] = cosine_window(size, inner=True).to(device)
        return self._cosine[size, device]
