"""MDNet: tracking by an online classifier of candidate boxes (Nam and Han, 2016), section 4 of the paper.

Every frame, boxes are drawn around the last one and classified; the mean of the five best is where the target is, if
the classifier takes them for the target. Then box regression corrects it, and the frame's own patches teach the
classifier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.networks.mdnet import CROP_SIZE, MDNet
from siam_tracker_core.trackers.base import ResponseMap, Tracker, TrackResult, TrackState
from siam_tracker_core.trackers.box_regression import BoxRegression
from siam_tracker_core.trackers.candidates import LEAST_SIDE, Boxes, Spread, draw, splat
from siam_tracker_core.trackers.classifier import (
    Classifier,
    ClassifierConfig,
    PatchNetwork,
    scores_together,
)
from siam_tracker_core.trackers.confidence import LostConfig, StateMachine
from siam_tracker_core.trackers.following import bounded
from siam_tracker_core.trackers.learning import Lesson, Term

Count = Annotated[int, Ge(1)]

# What box regression learns from (reference values, section 4): overlap and area relative to the target.
REGRESSION = Spread("uniform", 0.3, 1.6, 1.1)
REGRESSION_OVERLAP, REGRESSION_AREA = (0.6, 1.0), (1.0, 2.0)

# Side in cells of the map of scores that is shown to people.
MAP_CELLS = 9


@dataclass(frozen=True)
class MDNetConfig:
    """Settings of the tracker; defaults are those of HyeonseobNam/py-MDNet:tracking/options.yaml.

    Attributes:
        candidates: boxes that are drawn in a frame.
        translation: unit of their displacement, relative to the mean of width and height.
        scale: unit of their change of size, as a factor.
        widening: factor on ``translation`` with each frame in which the target is not found.
        widest: what ``translation`` grows to at most.
        best: candidates whose mean is the result; the target is found if the mean of their scores is above zero.
        long_interval: frames from one long-term update to the next.
        regression_samples: boxes of the first frame that box regression learns from; 0 turns it off.
        regression_alpha: penalty of the ridge regression.
        least_side: of the box in pixels, unless it starts smaller.
        classifier: settings of the classifier.
        lost: when the target counts as lost and found; this package's own.
    """

    candidates: Count = 256
    translation: Annotated[float, Gt(0)] = 0.6
    scale: Annotated[float, Ge(1)] = 1.05
    widening: Annotated[float, Ge(1)] = 1.1
    widest: Annotated[float, Gt(0)] = 1.5
    best: Count = 5
    long_interval: Count = 10
    regression_samples: Annotated[int, Ge(0)] = 1000
    regression_alpha: Annotated[float, Gt(0)] = 1000.0
    least_side: Annotated[float, Ge(1)] = LEAST_SIDE
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    lost: LostConfig = field(default_factory=LostConfig)

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Answer:
    """What the classifier says of one target's candidates.

    Attributes:
        boxes: (n, 4) of ``x, y, width, height`` in pixels.
        scores: float32 (n,), logits of "target".
        best: (k,), places of the best of them, best first.
        features: float32 (k, 4608), of these.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    best: NDArray[np.intp]
    features: NDArray[np.float32]


class MDNetModel:
    """The network with all that targets share.

    Args:
        network: with its weights; it is taken over.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.
    """

    def __init__(
        self,
        network: MDNet,
        config: MDNetConfig,
        device: torch.device,
        name: str = "mdnet",
        precision: str = "auto",
    ) -> None:
        self.config, self.device, self.name = config, device, name
        self.patches = PatchNetwork(network, config.classifier, device, precision)


class MDNetTracker(Tracker):
    """MDNet on one target.

    The state is this package's: the score is the logistic function of the mean of the best logits, so that 0.5 is
    where the paper's "success" begins, and ``LostConfig`` makes states of it. The box stays where it is without
    success, and while the target is LOST; then there is nothing new to learn from either.

    Args:
        model: the shared network and configuration.
    """

    def __init__(self, model: MDNetModel) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        self.name, self.device = model.name, model.device
        self._box = Box(0, 0, 0, 0)

    def another(self) -> MDNetTracker:
        return MDNetTracker(self.model)

    def warm_up(self, targets: int = 1) -> None:
        network = self.model.patches
        count = min(network.batch, targets * self.config.candidates)
        network.features(torch.zeros(count, 3, CROP_SIZE, CROP_SIZE, device=self.device))

    @property
    def box(self) -> Box:
        return self._box

    @property
    def crop_size(self) -> int:
        return CROP_SIZE

    def windows(self) -> list[Window]:
        """None: the candidates are patches of any shape, which ``answer`` takes from the frame itself."""
        return []

    def _start(self, frame: Frame, box: Box) -> None:
        image_size = (frame.width, frame.height)
        classifier = Classifier(self.model.patches)
        classifier.start(frame, box, image_size)
        regression = self._regression(classifier, frame, box)
        # Nothing is kept before all of it is known, so that a failure leaves a former target as it was.
        self._classifier, self._regression_of_target = classifier, regression
        self._box = self._found = box
        self._translation = self.config.translation
        self._states = StateMachine(self.config.lost)
        self._frames = 0
        self._success = True

    def _regression(self, classifier: Classifier, frame: Frame, box: Box) -> BoxRegression | None:
        """What corrects boxes, learned from the first frame; None where it is off or has nothing to learn from."""
        config = self.config
        if not config.regression_samples:
            return None
        boxes = draw(
            REGRESSION,
            box,
            config.regression_samples,
            (frame.width, frame.height),
            classifier.rng,
            overlap=REGRESSION_OVERLAP,
            area=REGRESSION_AREA,
        )
        features = self.model.patches.look(frame, boxes)
        return BoxRegression(features.float().cpu().numpy(), boxes, box, config.regression_alpha)

    def _candidates(self) -> Boxes:
        config = self.config
        spread = Spread("gaussian", config.translation, config.scale)
        return draw(
            spread,
            self._found,
            config.candidates,
            self.image_size,
            self._classifier.rng,
            widen=self._translation,
        )

    def answer(self, trackers: Sequence[Any], frame: Frame, crops: torch.Tensor) -> list[Answer]:
        network, targets = self.model.patches, len(trackers)
        network.learner.wait()
        boxes = [tracker._candidates() for tracker in trackers]
        features = network.look(frame, np.concatenate(boxes)).view(targets, self.config.candidates, -1)
        scores = scores_together([tracker._classifier for tracker in trackers], features)[..., 1]
        best = scores.topk(min(self.config.best, scores.shape[1]), dim=1).indices
        of_best = features.gather(1, best[..., None].expand(-1, -1, features.shape[2]))
        table = [part.cpu().numpy() for part in (scores, best, of_best.float())]
        return [Answer(each, *row) for each, *row in zip(boxes, *table, strict=True)]

    def locate(self, answer: Answer) -> TrackResult:
        config = self.config
        self._frames += 1
        mean = float(answer.scores[answer.best].mean())
        score = 1 / (1 + math.exp(-max(-60.0, min(60.0, mean))))
        state = self._states.see(score)
        self._success = mean > 0 and state is not TrackState.LOST
        if self._success:
            boxes = answer.boxes[answer.best]
            self._found = Box.from_array(boxes.mean(axis=0))
            if self._regression_of_target is not None:
                boxes = self._regression_of_target.apply(answer.features, boxes)
            corrected = Box.from_array(boxes.mean(axis=0))
            self._box = bounded(corrected, self._box, config.least_side, self.image_size)
            self._translation = config.translation
        else:
            self._translation = min(config.widest, self._translation * config.widening)
        reason, learning = self._states.reason(score), self._learning(state)
        return TrackResult(self._box, score, state, _response_map(answer), reason, learning)

    def _learning(self, state: TrackState) -> str:
        """What is learned of the frame, and why, in words."""
        if self._success:
            return "the target was found: remembered" + (", long-term update" if self._update() else "")
        return (
            "nothing: the target is lost" if state is TrackState.LOST else "the target was not found: short-term update"
        )

    def _update(self) -> Term | None:
        """The update that this frame asks for (MDNet section 4.1, Algorithm 1)."""
        if self._success:
            return None if self._frames % self.config.long_interval else Term.LONG
        return None if self._states.state is TrackState.LOST else Term.SHORT

    def learn(self, trackers: Sequence[Any], frame: Frame) -> None:
        self.model.patches.learner.teach(frame, [tracker._lesson() for tracker in trackers])

    def _lesson(self) -> Lesson:
        """What this target takes from the frame that it was looked for in."""
        samples = self._classifier.samples(self._found, self.image_size) if self._success else None
        return Lesson(self._classifier, samples, self._update())


def _response_map(answer: Answer) -> ResponseMap:
    """The candidates' scores by their centres."""
    values, region = splat(answer.boxes, answer.scores, MAP_CELLS)
    return ResponseMap(lambda: values, region)
