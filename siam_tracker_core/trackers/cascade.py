"""The cascaded Siamese tracker: match, then classify, then decide whether to learn (Peng Gao et al., 2019).

A fully convolutional matching network (``siamfc``) looks at one window around the last place. Patches of three scales
at every peak of its response (``peaks``) go to a classifier in MDNet's manner (``classifier``), whose best one is the
target. The classifier learns the target in its first frame, and later from those frames that ``gate`` lets pass.

Matching takes one batch for all targets, and so do the patches of all targets; each target's own last layers are
products of batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.mdnet import CROP_SIZE, MDNet
from siam_tracker_core.networks.siamfc import SiamFCNetwork
from siam_tracker_core.trackers.base import TrackResult, TrackState
from siam_tracker_core.trackers.candidates import scaled_boxes
from siam_tracker_core.trackers.classifier import Classifier, PatchNetwork, scores_together
from siam_tracker_core.trackers.confidence import peak_to_sidelobe
from siam_tracker_core.trackers.following import Look, Share, bounded, damped
from siam_tracker_core.trackers.gate import Decision, Gate, GateConfig
from siam_tracker_core.trackers.learning import Lesson, Term
from siam_tracker_core.trackers.mdnet import MDNetConfig
from siam_tracker_core.trackers.peaks import PeakConfig, find_peaks, ratios, strength
from siam_tracker_core.trackers.siamfc import PEAK_RADIUS, SiamFC, SiamFCConfig, SiamFCModel

# The networks, as the names of a weights file's tensors and descriptions begin.
HALVES = ("matching", "classification")


@dataclass(frozen=True)
class CascadeConfig(SiamFCConfig):
    """Settings of the tracker; defaults are those of section 4.1 where it has any.

    SiamFC's settings of scales and cosine window are for ``parts: matching``: the whole tracker searches one scale
    without preference for the middle, and its sizes come from the patches.

    Attributes:
        parts: ``both``; or one half alone, for the ablations of Figure 3: ``matching`` is SiamFC, ``classification``
            is MDNet.
        peaks: which places are looked at.
        patch_scales: how many patches there are at each, odd.
        patch_step: ratio of neighbouring ones.
        size_rate: share of a change of size that is taken over in a frame; the paper does not tell, 1 takes all of it.
        lost_windows: windows that are searched in a frame while the target is lost, with patches of one scale.
        gate: when to learn.
        update_every: after so many frames that were learned from the last layers are updated; 1 does so in every one,
            as the paper's text has it, 10 is MDNet's interval.
        failure: where the classification score is below this, the last layers are updated at once, with what the
            short memory holds, as MDNet's are.
        mdnet: ``classifier`` and ``least_side`` are the whole tracker's, all others are for ``parts: classification``;
            what is LOST the cascade's own settings say there, too.
    """

    parts: Literal["both", "matching", "classification"] = "both"
    peaks: PeakConfig = field(default_factory=PeakConfig)
    patch_scales: Annotated[int, Ge(1), Le(15)] = 3
    patch_step: Annotated[float, Gt(1), Le(2)] = 1.02
    size_rate: Annotated[float, Gt(0), Le(1)] = 1.0
    lost_windows: Annotated[int, Ge(2), Le(25)] = 3
    gate: GateConfig = field(default_factory=GateConfig)
    update_every: Annotated[int, Ge(1)] = 10
    failure: Share = 0.5
    mdnet: MDNetConfig = field(default_factory=MDNetConfig)

    def __post_init__(self) -> None:
        if self.gate.rival < self.peaks.ratio:
            raise ConfigError(
                f"gate.rival {self.gate.rival:g} is below peaks.ratio {self.peaks.ratio:g}, under which no peaks are "
                "looked for; give both the same, or the gate the larger one"
            )


class Spots(NamedTuple):
    """The peaks of one target in one frame that are near its highest, float64 (n,) each; window by window.

    Attributes:
        window: index of the target's window.
        x, y: in image pixels.
        peak: response without its bias.
        psr: peak-to-sidelobe ratio.
        matching: response as the gate takes it.
        ratio: to the highest peak.
    """

    window: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    peak: NDArray[np.float64]
    psr: NDArray[np.float64]
    matching: NDArray[np.float64]
    ratio: NDArray[np.float64]


@dataclass(frozen=True)
class Answer(Look):
    """What both networks say of one target in one frame; ``peak`` is the raw correlation, without bias.

    Attributes:
        box: of the best patch.
        matching: response at its peak as the gate takes it.
        classification: softmax probability of "target" of the best patch.
        others: of all other peaks, the ratios to the highest one.
    """

    box: Box
    matching: float
    classification: float
    others: tuple[float, ...]


class CascadeModel(SiamFCModel):
    """Both networks with all that targets share.

    Args:
        matching: finds peaks.
        classification: judges patches; its last layers are each target's to begin with.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: as for ``SiameseModel``.
    """

    config: CascadeConfig

    def __init__(
        self,
        matching: SiamFCNetwork,
        classification: MDNet,
        config: CascadeConfig,
        device: torch.device,
        name: str = "cascade",
        precision: str = "auto",
    ) -> None:
        super().__init__(matching, config, device, name, precision)
        self.patches = PatchNetwork(classification, config.mdnet.classifier, device, precision)
        exponents = np.arange(config.patch_scales) - (config.patch_scales - 1) / 2
        self.patch_factors = np.power(config.patch_step, exponents, dtype=np.float64)

    def strength(self, response: float) -> float:
        """A response with its bias as the gate takes it."""
        return float(strength(torch.tensor(response), self.config.peaks.measure))

    def spots(
        self, exemplars: torch.Tensor, crops: torch.Tensor, windows: Sequence[Sequence[Window]]
    ) -> tuple[list[Spots], torch.Tensor]:
        """The peaks in the windows of several targets that come near each target's highest.

        Args:
            exemplars: (N, C, h, w) features, one for each window.
            crops: (N, 3, S, S) BGR, one for each window.
            windows: of each target.

        Returns:
            Spots a target, and the responses (N, rows, columns) without bias.
        """
        config, measure, near = self.config, self.config.peaks.measure, self.config.peaks.ratio
        maps = self.network.correlation.raw(exemplars, self.embed(crops)).float()[:, 0]
        bias = self.network.correlation.bias.float()
        peaks = find_peaks(maps + bias, config.upsampling, config.peaks.most)
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
            peaks.heights - bias,
            psr,
            strength(peaks.heights, measure),
            ratios(peaks.heights, highest[owners], measure),
        )
        # One transfer for all targets.
        table = torch.stack(columns).cpu().numpy().astype(np.float64)
        pixels = self.network.backbone.stride / crops.shape[-1]
        found, start = [], 0
        for own in windows:
            stop = start + len(own)
            found.append(_placed(table[:, start:stop], own, pixels, near))
            start = stop
        return found, maps

    def judge(
        self, classifiers: Sequence[Classifier], frame: Frame, boxes: Sequence[NDArray[np.float64]]
    ) -> tuple[list[int], list[float]]:
        """Which of each target's boxes its classifier likes best, and the softmax probability of "target" there.

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


def _placed(table: NDArray[np.float64], windows: Sequence[Window], pixels: float, near: float) -> Spots:
    """The peaks of one target in the image; the middle of its first window where the response is no number anywhere.

    Args:
        table: (6, windows, K): place across and down in cells, then the other columns of ``Spots``.
        windows: of the target.
        pixels: side of a cell as a share of its window.
        near: the ratio to the highest peak that others must exceed.
    """
    frames = np.array([[window.centre_x, window.centre_y, window.size * pixels] for window in windows])
    share = table[5]
    number, kept = np.nonzero((share > near) | (share == 1))
    if not len(number):
        nothing = np.zeros(1)
        return Spots(nothing, frames[:1, 0], frames[:1, 1], nothing, nothing, nothing, np.ones(1))
    across, down, *rest = table[:, number, kept]
    x, y, cell = frames[number].T
    return Spots(number.astype(np.float64), x + across * cell, y + down * cell, *rest)


class Cascade(SiamFC):
    """The cascade on one target.

    Args:
        model: both networks and the configuration.
    """

    model: CascadeModel
    config: CascadeConfig

    def __init__(self, model: CascadeModel) -> None:
        super().__init__(model)

    def another(self) -> Cascade:
        return Cascade(self.model)

    def warm_up(self, targets: int = 1) -> None:
        super().warm_up(targets)
        with torch.inference_mode():
            count = targets * self.config.patch_scales
            self.model.patches.features(torch.zeros(count, 3, CROP_SIZE, CROP_SIZE, device=self.device))

    def _start(self, frame: Frame, box: Box) -> None:
        patches = self.model.patches
        patches.learner.wait()
        classifier = Classifier(patches)
        classifier.start(frame, box, (frame.width, frame.height))
        own = classifier.scores(patches.look(frame, box.to_array()[None]))
        super()._start(frame, box)
        self._classifier = classifier
        matching = self.model.strength(self._own_peak + float(self.model.network.correlation.bias))
        self._gate = Gate(self.config.gate, matching, float(_margins(own).sigmoid()[0]))
        self._decision = Decision(True, "the target was shown in this frame")
        self._classification = 1.0
        self._learned = 0

    def windows(self) -> list[Window]:
        if self._lost_search is not None:
            self._windows = self._lost_search.windows(self.config.lost_windows)
        else:
            self._windows = [self.search_window]
        return self._windows

    def answer(self, trackers: Sequence[Any], frame: Frame, crops: torch.Tensor) -> list[Any]:
        model = self.model
        model.patches.learner.wait()
        windows = [tracker._windows for tracker in trackers]
        exemplars = torch.cat([tracker._exemplar for tracker in trackers for _ in tracker._windows])
        spots, maps = model.spots(exemplars, crops, windows)
        boxes = [tracker._patches(own) for tracker, own in zip(trackers, spots, strict=True)]
        best, chances = model.judge([tracker._classifier for tracker in trackers], frame, boxes)
        starts = itertools.accumulate((len(own) for own in windows), initial=0)
        return [_answer(*each) for each in zip(spots, boxes, best, chances, starts, itertools.repeat(maps))]

    def _patches(self, spots: Spots) -> NDArray[np.float64]:
        """The boxes (n * scales, 4) that are judged, peak by peak."""
        centres = np.stack([spots.x, spots.y], axis=1)
        factors = np.ones(1) if self.is_lost else self.model.patch_factors
        return scaled_boxes(centres, (self._box.width, self._box.height), factors)

    def _score(self, answer: Answer) -> float:
        # As sure as the less sure of both networks.
        return min(super()._score(answer), answer.classification)

    def locate(self, answer: Any) -> TrackResult:
        result = super().locate(answer)
        self._classification = answer.classification
        self._decision = self._decide(answer, result.state)
        return replace(result, learning=str(self._decision))

    def _decide(self, answer: Answer, state: TrackState) -> Decision:
        if state is TrackState.LOST:
            return Decision(False, "the target is lost")
        if self._states.on_trial:
            return Decision(False, "the target has just been found again, to be confirmed by the next frame")
        return self._gate.decide(answer.matching, answer.classification, answer.others)

    def _move(self, window: Window, answer: Any, resize: bool) -> None:
        config = self.config
        found: Box = answer.box
        wanted = Box.from_centre(*found.centre, *damped(self._box, found.width, found.height, config.size_rate))
        box = bounded(wanted, self._box, config.mdnet.least_side, self.image_size)
        side = context_size(box.width, box.height, config.context) * config.search_size / config.exemplar_size
        low, high = (limit * self._first_search for limit in config.scale_limits)
        self._search = min(max(side, low), high)
        factor = self._search / side
        self._box = Box.from_centre(*box.centre, box.width * factor, box.height * factor)

    def learn(self, trackers: Sequence[Any], frame: Frame) -> None:
        self.model.patches.learner.teach(frame, [tracker._lesson() for tracker in trackers])

    def _lesson(self) -> Lesson:
        """What this target takes from the frame in which it was located."""
        classifier, config = self._classifier, self.config
        samples = classifier.samples(self._box, self.image_size) if self._decision.learn else None
        self._learned += self._decision.learn
        term: Term | None = None
        if self._fails:
            term = Term.SHORT
        elif self._learned >= config.update_every:
            term = Term.LONG
        if term is not None:
            self._learned = 0
        return Lesson(classifier, samples, term)

    @property
    def _fails(self) -> bool:
        """Whether the classifier no longer knows a target that is still followed."""
        if self.is_lost or self.config.gate.policy == "never":
            return False
        return self._classification < self.config.failure


def _margins(scores: torch.Tensor) -> torch.Tensor:
    """Logit of the softmax probability of "target" for logits (..., 2) of background and target."""
    return (scores[..., 1].float() - scores[..., 0].float()).nan_to_num(nan=-100.0)


def _answer(
    spots: Spots, boxes: NDArray[np.float64], best: int, chance: float, start: int, maps: torch.Tensor
) -> Answer:
    """What is said of a target whose best patch is the given one of its ``boxes``.

    Args:
        start: of its windows among the responses ``maps``.
    """
    spot = best * len(spots.x) // len(boxes)
    choice = int(spots.window[spot])
    return Answer(
        choice,
        float(spots.peak[spot]),
        float(spots.psr[spot]),
        maps[start + choice],
        Box.from_array(boxes[best]),
        float(spots.matching[spot]),
        chance,
        tuple(np.delete(spots.ratio, spot).tolist()),
    )
