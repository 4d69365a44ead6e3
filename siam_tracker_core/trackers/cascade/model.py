"""The cascaded Siamese tracker: match, then classify, then decide whether to learn (Peng Gao et al., 2019).

A fully convolutional matching model (``siamfc``) looks at one window around the last place. Patches of three scales
at every peak of its response (``peaks``) go to a classifier in MDNet's manner (``mdnet.classifier``), whose best one is
the target. The classifier learns the target in its first frame, and later from those frames that ``gate`` lets pass.

Matching takes one batch for all targets, and so do the patches of all targets; each target's own last layers are
products of batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.mdnet import CROP_SIZE, MDNet
from siam_tracker_core.networks.siamfc import SiamFCNetwork
from siam_tracker_core.runtimes import Tensors, joined
from siam_tracker_core.trackers.cascade.config import CascadeConfig
from siam_tracker_core.trackers.cascade.peaks import find_peaks, ratios, strength
from siam_tracker_core.trackers.cascade.spots import Spots, placed
from siam_tracker_core.trackers.cascade.state import CascadeOutput, CascadeState, CascadeTarget
from siam_tracker_core.trackers.common.boxes import bounded, damped, scale_factors, scaled_boxes
from siam_tracker_core.trackers.common.gate import Decision, Gate
from siam_tracker_core.trackers.common.random_state import RandomState
from siam_tracker_core.trackers.common.response import peak_to_sidelobe
from siam_tracker_core.trackers.common.siamese import SiameseModel
from siam_tracker_core.trackers.mdnet.classifier import Classifier, Term, scores_together
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork
from siam_tracker_core.trackers.mdnet.update import Learner, OnlineUpdate, begin
from siam_tracker_core.trackers.results import TrackResult, TrackState
from siam_tracker_core.trackers.siamfc import PEAK_RADIUS, SiamFCModel


class CascadeModel(SiameseModel[CascadeTarget, CascadeOutput]):
    """The cascade: see the module's docstring.

    Args:
        matching: finds peaks.
        bias: of its correlation, which makes a logit of a response.
        patches: network of the classifier; its last layers are each target's to begin with.
        config: of the tracker.
        name: of the tracker.
    """

    config: CascadeConfig
    draws = True

    def __init__(
        self, matching: SiamFCModel, bias: float, patches: PatchNetwork, config: CascadeConfig, name: str = "cascade"
    ) -> None:
        self.matching, self.bias, self.patches, self.config, self.name = matching, bias, patches, config, name
        self.device, self.stride, self.lost_windows = matching.device, matching.stride, config.lost_windows
        learning = config.mdnet.classifier
        self.learner = Learner(patches, learning.learning == "worker", learning.budget)
        self.patch_factors = scale_factors(config.patch_scales, config.patch_step)

    @classmethod
    def from_networks(
        cls,
        matching: SiamFCNetwork,
        classification: MDNet,
        config: CascadeConfig,
        device: torch.device,
        name: str = "cascade",
        precision: str = "auto",
    ) -> CascadeModel:
        """The model of two PyTorch networks, which are taken over.

        Raises:
            ConfigError: if the matching network cannot take crops of the configured sizes.
        """
        bias = float(matching.correlation.bias.detach())
        model = SiamFCModel.from_network(matching, config.matching, device, name, precision)
        return cls(model, bias, PatchNetwork(classification, device, precision), config, name)

    def start(self, frame: Frame, box: Box) -> CascadeState:
        config = self.config
        self.learner.wait()
        learning = config.mdnet.classifier
        seeded = replace(learning, seed=learning.seed + self.repetition)
        rng = np.random.default_rng(seeded.seed)
        classifier = Classifier(self.patches, seeded)
        begin(classifier, frame, box, rng)
        own = classifier.scores(self.patches.look(frame, box.to_array()[None]))
        matched = self.matching.start(frame, box)
        scores = self.strength(matched.own_peak + self.bias), float(_margins(own).sigmoid()[0])
        gate = Gate(config.gate, (scores,))
        target = CascadeTarget(matched.target.template, matched.search_side, classifier, gate, RandomState.of(rng))
        return matched.about(target)

    def forward(self, states: Sequence[CascadeState], frame: Frame, crops: torch.Tensor) -> list[CascadeOutput]:
        self.learner.wait()
        windows = [self.search(state).windows for state in states]
        template = joined([state.target.template for state, own in zip(states, windows, strict=True) for _ in own])
        spots, maps = self.spots(template, crops, windows)
        boxes = [self._boxes(state, own) for state, own in zip(states, spots, strict=True)]
        best, chances = self.judge([state.target.classifier for state in states], frame, boxes)
        responses = maps.split([len(own) for own in windows])
        return [
            _output(self.config.search_size, *each)
            for each in zip(windows, spots, boxes, best, chances, responses, strict=True)
        ]

    def locate(self, state: CascadeState, output: CascadeOutput) -> tuple[CascadeState, TrackResult]:
        moved, result = super().locate(state, output)
        target = moved.target
        decision = self._decide(moved, output, result.state)
        if result.state is not TrackState.LOST and not moved.confidence.on_trial:
            target = replace(target, gate=target.gate.after(output.matching, output.classification))
        judged = not moved.is_lost and self.config.gate.policy != "never"
        fails = judged and output.classification < self.config.failure
        target = replace(target, decision=decision, fails=fails)
        return replace(moved, target=target), replace(result, learning=str(decision))

    def adapt(self, states: Sequence[CascadeState], frame: Frame) -> list[CascadeState]:
        taught = [self._taught(state) for state in states]
        self.learner.teach(frame, [update for _, update in taught])
        return [state for state, _ in taught]

    def warm_up(self, targets: int = 1) -> None:
        self.matching.warm_up(targets)
        with torch.inference_mode():
            count = targets * self.config.patch_scales
            self.patches.features(torch.zeros(count, 3, CROP_SIZE, CROP_SIZE, device=self.device))

    def strength(self, response: float) -> float:
        """A response with its bias as the gate takes it."""
        return float(strength(torch.tensor(response), self.config.peaks.measure))

    def spots(
        self, template: Tensors, crops: torch.Tensor, windows: Sequence[Sequence[Window]]
    ) -> tuple[list[Spots], torch.Tensor]:
        """The peaks in the windows of several targets that come near each target's highest.

        Args:
            template: one for each window.
            crops: (N, 3, S, S) BGR, one for each window.
            windows: of each target.

        Returns:
            Spots a target, and the responses (N, rows, columns) without bias.
        """
        config, measure, near = self.config, self.config.peaks.measure, self.config.peaks.ratio
        maps = self.matching.backend.search(template, crops)[0].float()[:, 0]
        peaks = find_peaks(maps + self.bias, config.siamfc.response_up, config.peaks.most)
        owners = torch.tensor([place for place, own in enumerate(windows) for _ in own], device=self.device)
        highest = torch.full((len(windows),), -torch.inf, device=self.device)
        highest = highest.scatter_reduce(0, owners, peaks.heights[:, 0], "amax")
        most = peaks.rows.shape[1]
        psr = peak_to_sidelobe(
            maps.repeat_interleave(most, dim=0), peaks.rows.flatten(), peaks.columns.flatten(), PEAK_RADIUS
        ).view(-1, most)
        columns = (
            peaks.across,
            peaks.down,
            peaks.heights - self.bias,
            psr,
            strength(peaks.heights, measure),
            ratios(peaks.heights, highest[owners], measure),
        )
        # One transfer for all targets.
        table = torch.stack(columns).cpu().numpy().astype(np.float64)
        pixels = self.stride / crops.shape[-1]
        found, start = [], 0
        for own in windows:
            stop = start + len(own)
            found.append(placed(table[:, start:stop], own, pixels, near))
            start = stop
        return found, maps

    def judge(
        self, classifiers: Sequence[Classifier], frame: Frame, boxes: Sequence[NDArray[np.float64]]
    ) -> tuple[list[int], list[float]]:
        """Which of each target's boxes its classifier likes best, and the softmax probability of "target" there.

        The probability is no number where the classifier has none for one of the boxes.

        Args:
            classifiers: of T targets.
            frame: to take the patches from.
            boxes: (n, 4) in pixels for each target.
        """
        features = self.patches.look(frame, np.concatenate(boxes))
        counts = np.array([len(own) for own in boxes])
        # Those with fewer boxes than others repeat their first one, so that all targets make one batch.
        places = np.arange(counts.max())[None]
        rows = np.where(places < counts[:, None], places, 0) + (counts.cumsum() - counts)[:, None]
        scores = scores_together(classifiers, features[torch.from_numpy(rows).to(self.device)])
        margins = _margins(scores).cpu()
        # Of margins, for the softmax of several may be 1 to the last digit.
        best = margins.argmax(dim=1)
        # A repetition is as good as what it repeats.
        chosen = torch.where(best < torch.from_numpy(counts), best, 0)
        return chosen.tolist(), margins.amax(dim=1).sigmoid().tolist()

    def _look(self, target: CascadeTarget, frame: Frame, window: Window, box: Box) -> CascadeOutput:
        """What matching says, which the evidence is of."""
        seen = self.matching.look(target.template, frame, window)
        return CascadeOutput(window, seen.crop_size, seen.peak, seen.psr, seen.response, box, 0.0, 1.0, ())

    def _boxes(self, state: CascadeState, spots: Spots) -> NDArray[np.float64]:
        """The boxes (n * scales, 4) that are judged, peak by peak."""
        centres = np.stack([spots.x, spots.y], axis=1)
        factors = np.ones(1) if state.is_lost else self.patch_factors
        return scaled_boxes(centres, (state.box.width, state.box.height), factors)

    def _score(self, evidence: tuple[float, float], output: CascadeOutput) -> float:
        # As sure as the less sure of both networks.
        return min(super()._score(evidence, output), output.classification)

    def _decide(self, state: CascadeState, output: CascadeOutput, track: TrackState) -> Decision:
        if track is TrackState.LOST:
            return Decision(False, "the target is lost")
        if state.confidence.on_trial:
            return Decision(False, "the target has just been found again, to be confirmed by the next frame")
        return state.target.gate.decide(output.matching, output.classification, output.others)

    def _moved(self, state: CascadeState, output: CascadeOutput) -> CascadeState:
        config = self.config
        size = damped(state.box, output.box.width, output.box.height, config.size_lr)
        wanted = Box.from_centre(*output.box.centre, *size)
        box = bounded(wanted, state.box, config.mdnet.least_side, state.image_size)
        context = context_size(box.width, box.height, config.context_amount)
        side = context * config.search_size / config.exemplar_size
        low, high = (limit * state.target.first_side for limit in config.siamfc.scale_limits)
        limited = min(max(side, low), high)
        box = Box.from_centre(*box.centre, box.width * limited / side, box.height * limited / side)
        return replace(state, box=box, search_side=limited)

    def _taught(self, state: CascadeState) -> tuple[CascadeState, OnlineUpdate]:
        """What a target takes from the frame in which it was located, and its state after that."""
        target, samples, term = state.target, None, None
        learned, random = target.learned + target.decision.learn, target.random
        if target.decision.learn:
            rng = random.generator()
            samples = target.classifier.samples(state.box, state.image_size, rng)
            random = RandomState.of(rng)
        if target.fails:
            term = Term.SHORT
        elif learned >= self.config.update_every:
            term = Term.LONG
        target = replace(target, learned=0 if term else learned, random=random)
        return replace(state, target=target), OnlineUpdate(target.classifier, samples, term)


def _margins(scores: torch.Tensor) -> torch.Tensor:
    """Logit of the softmax probability of "target" for logits (..., 2) of background and target."""
    return scores[..., 1].float() - scores[..., 0].float()


def _output(
    crop_size: int,
    windows: Sequence[Window],
    spots: Spots,
    boxes: NDArray[np.float64],
    best: int,
    chance: float,
    maps: torch.Tensor,
) -> CascadeOutput:
    """What is said of a target whose best patch is the given one of its ``boxes``.

    Args:
        maps: responses in its windows.
    """
    spot = best * len(spots.x) // len(boxes)
    choice = int(spots.window[spot])
    return CascadeOutput(
        window=windows[choice],
        crop_size=crop_size,
        peak=float(spots.peak[spot]),
        psr=float(spots.psr[spot]),
        response=maps[choice],
        box=Box.from_array(boxes[best]),
        matching=float(spots.matching[spot]),
        classification=chance,
        others=tuple(np.delete(spots.ratio, spot).tolist()),
    )
