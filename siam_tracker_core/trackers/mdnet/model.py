"""MDNet: tracking by an online classifier of candidate boxes (Nam and Han, 2016), section 4 of the paper.

Every frame, boxes are drawn around the last one and classified; the mean of the five best is where the target is, if
the classifier takes them for the target. Then box regression corrects it, and the frame's own patches teach the
classifier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box
from siam_tracker_core.networks.mdnet import CROP_SIZE, MDNet
from siam_tracker_core.trackers.common.box_regression import BoxRegression
from siam_tracker_core.trackers.common.boxes import bounded
from siam_tracker_core.trackers.common.lost import Confidence
from siam_tracker_core.trackers.common.random_state import RandomState
from siam_tracker_core.trackers.common.sampling import Boxes, Spread, draw, splat
from siam_tracker_core.trackers.mdnet.classifier import Classifier, Term, scores_together
from siam_tracker_core.trackers.mdnet.config import MDNetConfig
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork
from siam_tracker_core.trackers.mdnet.update import Learner, OnlineUpdate, begin
from siam_tracker_core.trackers.model import SearchRequest, TargetState, TrackerModel
from siam_tracker_core.trackers.results import ResponseMap, TrackResult, TrackState

# What box regression learns from (reference values, section 4): overlap and area relative to the target.
REGRESSION = Spread("uniform", 0.3, 1.6, 1.1)
REGRESSION_OVERLAP, REGRESSION_AREA = (0.6, 1.0), (1.0, 2.0)

# Side in cells of the map of scores that is shown to people.
MAP_CELLS = 9


@dataclass(frozen=True)
class MDNetOutput:
    """What the classifier says of one target's candidates.

    Attributes:
        boxes: (n, 4) of ``x, y, width, height`` in pixels.
        scores: float32 (n,), logits of "target".
        best: (k,), places of the best of them, best first.
        features: float32 (k, 4608), of these.
        random: after the candidates were drawn.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    best: NDArray[np.intp]
    features: NDArray[np.float32]
    random: RandomState

    @property
    def is_finite(self) -> bool:
        """Whether all candidates have a number: which of them is best is not known otherwise."""
        return bool(np.isfinite(self.scores).all() and np.isfinite(self.features).all())


@dataclass(frozen=True)
class MDNetState(TargetState):
    """What is known of one target.

    Attributes:
        found: the box around which candidates are drawn, before its regression.
        translation: unit of their displacement.
        confidence: whether the target is tracked or lost.
        frames: that it has been looked for in.
        success: whether it was found in the last one.
        regression: corrects its boxes; None without one.
        classifier: its own, which learns.
        random: of all that is drawn.
    """

    found: Box
    translation: float
    confidence: Confidence
    frames: int
    success: bool
    regression: BoxRegression | None
    classifier: Classifier
    random: RandomState


class MDNetModel(TrackerModel[MDNetState, MDNetOutput]):
    """MDNet: see the module's docstring.

    The states are this package's: the score is the logistic function of the mean of the best logits, so that 0.5 is
    where the paper's "success" begins, and ``LostConfig`` makes states of it. Without success, and while the target is
    LOST, there is nothing new to learn from, and the box goes where the best are unless ``failure`` says ``stay``.

    Args:
        network: with its weights; it is taken over.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.
    """

    config: MDNetConfig
    draws = True

    def __init__(
        self,
        network: MDNet,
        config: MDNetConfig,
        device: torch.device,
        name: str = "mdnet",
        precision: str = "auto",
    ) -> None:
        self.config, self.device, self.name = config, device, name
        self.patches = PatchNetwork(network, device, precision)
        self.learner = Learner(self.patches, config.classifier.learning == "worker", config.classifier.budget)

    def start(self, frame: Frame, box: Box) -> MDNetState:
        learning = self.config.classifier
        seeded = replace(learning, seed=learning.seed + self.repetition)
        rng = np.random.default_rng(seeded.seed)
        classifier = Classifier(self.patches, seeded)
        begin(classifier, frame, box, rng)
        return MDNetState(
            box=box,
            image_size=(frame.width, frame.height),
            found=box,
            translation=self.config.translation,
            confidence=Confidence(),
            frames=0,
            success=True,
            regression=self._regression(frame, box, rng),
            classifier=classifier,
            random=RandomState.of(rng),
        )

    def search(self, state: MDNetState) -> SearchRequest:
        """No windows: the candidates are patches of any shape, which ``forward`` takes from the frame itself."""
        return SearchRequest((), CROP_SIZE)

    def forward(self, states: Sequence[MDNetState], frame: Frame, crops: torch.Tensor) -> list[MDNetOutput]:
        self.learner.wait()
        drawn = [self._candidates(state) for state in states]
        features = self.patches.look(frame, np.concatenate([boxes for boxes, _ in drawn]))
        features = features.view(len(states), self.config.candidates, -1)
        scores = scores_together([state.classifier for state in states], features)[..., 1]
        best = scores.topk(min(self.config.best, scores.shape[1]), dim=1).indices
        of_best = features.gather(1, best[..., None].expand(-1, -1, features.shape[2]))
        table = [part.cpu().numpy() for part in (scores, best, of_best.float())]
        return [
            MDNetOutput(boxes, logits, places, seen, random)
            for (boxes, random), logits, places, seen in zip(drawn, *table, strict=True)
        ]

    def locate(self, state: MDNetState, output: MDNetOutput) -> tuple[MDNetState, TrackResult]:
        config = self.config
        mean = float(output.scores[output.best].mean())
        score = 1 / (1 + math.exp(-max(-60.0, min(60.0, mean))))
        confidence = state.confidence.after(score, config.lost)
        success = mean > 0 and confidence.state is not TrackState.LOST
        best = output.boxes[output.best]
        moved = replace(state, frames=state.frames + 1, random=output.random, confidence=confidence, success=success)
        if success:
            boxes = best if state.regression is None else state.regression.apply(output.features, best)
            box = bounded(Box.from_array(boxes.mean(axis=0)), state.box, config.least_side, state.image_size)
            found = Box.from_array(best.mean(axis=0))
            moved = replace(moved, box=box, found=found, translation=config.translation)
        else:
            moved = replace(moved, translation=min(config.widest, state.translation * config.widening))
            if config.failure == "move":
                box = bounded(Box.from_array(best.mean(axis=0)), state.box, config.least_side, state.image_size)
                moved = replace(moved, box=box, found=box)
        reason = confidence.reason(score, config.lost)
        return moved, TrackResult(
            moved.box, score, confidence.state, _response_map(output), reason, self._learning(moved)
        )

    def adapt(self, states: Sequence[MDNetState], frame: Frame) -> list[MDNetState]:
        updates, adapted = [], []
        for state in states:
            samples, after = None, state
            if state.success:
                rng = state.random.generator()
                samples = state.classifier.samples(state.found, state.image_size, rng)
                after = replace(state, random=RandomState.of(rng))
            updates.append(OnlineUpdate(state.classifier, samples, self._term(state)))
            adapted.append(after)
        self.learner.teach(frame, updates)
        return adapted

    def lose(self, state: MDNetState) -> MDNetState:
        confidence = Confidence(TrackState.LOST) if self.config.lost.enabled else state.confidence
        return replace(state, confidence=confidence, success=False)

    def warm_up(self, targets: int = 1) -> None:
        count = min(self.patches.batch, targets * self.config.candidates)
        self.patches.features(torch.zeros(count, 3, CROP_SIZE, CROP_SIZE, device=self.device))

    def _regression(self, frame: Frame, box: Box, rng: np.random.Generator) -> BoxRegression | None:
        """What corrects boxes, learned from the first frame; None where it is off or has nothing to learn from."""
        config = self.config
        if not config.regression_samples:
            return None
        boxes = draw(
            REGRESSION,
            box,
            config.regression_samples,
            (frame.width, frame.height),
            rng,
            overlap=REGRESSION_OVERLAP,
            area=REGRESSION_AREA,
        )
        features = self.patches.look(frame, boxes)
        return BoxRegression(features.float().cpu().numpy(), boxes, box, config.regression_alpha)

    def _candidates(self, state: MDNetState) -> tuple[Boxes, RandomState]:
        config, rng = self.config, state.random.generator()
        spread = Spread("gaussian", config.translation, config.scale)
        boxes = draw(spread, state.found, config.candidates, state.image_size, rng, widen=state.translation)
        return boxes, RandomState.of(rng)

    def _learning(self, state: MDNetState) -> str:
        """What is learned of the frame, and why, in words."""
        if state.success:
            return "the target was found: remembered" + (", long-term update" if self._term(state) else "")
        if state.confidence.state is TrackState.LOST:
            return "nothing: the target is lost"
        return "the target was not found: short-term update"

    def _term(self, state: MDNetState) -> Term | None:
        """The update that the last frame asks for (MDNet section 4.1, Algorithm 1)."""
        if state.success:
            return None if state.frames % self.config.long_interval else Term.LONG
        return None if state.confidence.state is TrackState.LOST else Term.SHORT


def _response_map(output: MDNetOutput) -> ResponseMap:
    """The candidates' scores by their centres."""
    values, region = splat(output.boxes, output.scores, MAP_CELLS)
    return ResponseMap(lambda: values, region)
