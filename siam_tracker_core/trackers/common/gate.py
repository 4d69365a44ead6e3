"""When it is safe to learn from a frame: section 3.3 of the cascaded Siamese tracker (Peng Gao et al., 2019).

If no peak but the target's comes near the highest one, the frame is learned from. If another does, it is learned from
only where both scores, that of matching and that of classification, keep up with their means over the last frames.

The paper asks the first question with gamma_m ("no other peaks ... that exceed a ratio gamma_m of the highest peak
value") and its opposite with gamma_p ("one or more peaks exceeds the ratio gamma_p"), which leaves peaks between the
two open to both answers. Here both are one question and its threshold is ``GateConfig.distractor``: gamma_m by
default, and gamma_p's value for the other reading. *Other* is every peak but the one that the target is at; so where
classification prefers a lower peak, the highest is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Gt, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.trackers.common.limits import Share


@dataclass(frozen=True)
class GateConfig:
    """When to learn; the values are those of section 4.1.

    Attributes:
        policy: ``gate`` asks it; ``always`` learns from every frame, and ``never`` from none but the target's own.
        distractor: another peak above this share of the highest one makes a frame ambiguous: gamma_m.
        matching: share of the mean matching score that an ambiguous frame must exceed: gamma_m.
        classification: share of the mean classification score that it must exceed: gamma_c.
        frames: n, over so many frames before are the means taken.
        least: of the classification score, without which no frame is learned from. The paper has no such bound (0);
            0.5 leaves out what the classifier takes for background, as MDNet does.
    """

    policy: Literal["gate", "always", "never"] = "gate"
    distractor: Share = 0.8
    matching: Annotated[float, Gt(0), Le(2)] = 0.8
    classification: Annotated[float, Gt(0), Le(2)] = 0.6
    frames: Annotated[int, Ge(1), Le(1000)] = 6
    least: Share = 0.0

    __pydantic_config__ = STRICT
    __renamed__: ClassVar = {"rival": "distractor"}


class Decision(NamedTuple):
    """Whether to learn from a frame.

    Attributes:
        learn: the decision.
        reason: in words for a person.
    """

    learn: bool
    reason: str

    def __str__(self) -> str:
        return f"{'learned' if self.learn else 'not learned'}: {self.reason}"


@dataclass(frozen=True)
class Gate:
    """Decides frame after frame for one target, and remembers its scores.

    Both scores are probabilities, so that their means are positive and a share of them means something: the sigmoid
    of the response (or the response itself, see ``PeakConfig.measure``), and the softmax of the classifier. While fewer
    than ``frames`` have been seen, the means are over those that have; the target's own frame is the first.

    Attributes:
        config: thresholds.
        scores: of matching and classification at the target in the last frames, at least one of them.
    """

    config: GateConfig
    scores: tuple[tuple[float, float], ...]

    @property
    def means(self) -> tuple[float, float]:
        """S_M and S_C of the paper: the mean scores of the last frames."""
        matching, classification = zip(*self.scores, strict=True)
        return sum(matching) / len(matching), sum(classification) / len(classification)

    def after(self, matching: float, classification: float) -> Gate:
        """The gate that remembers the scores of one more frame."""
        return replace(self, scores=(*self.scores, (matching, classification))[-self.config.frames :])

    def decide(self, matching: float, classification: float, others: Sequence[float]) -> Decision:
        """Decide about a frame.

        Args:
            matching: score of matching where the target was found, S_M^t.
            classification: score of classification there, S_C^t.
            others: of all other peaks, the ratios to the highest one.
        """
        config = self.config
        if config.policy != "gate":
            return Decision(config.policy == "always", f"by the settings, which {config.policy} learn from a frame")
        if classification < config.least:
            return Decision(
                False, f"the classification score {classification:.2f} is below the least, {config.least:g}"
            )
        distractors = sum(ratio > config.distractor for ratio in others)
        near = f"above {config.distractor:g} of the highest"
        if not distractors:
            return Decision(True, f"no other peak is {near}")
        peaks = f"{distractors} other {'peak is' if distractors == 1 else 'peaks are'} {near}"
        means = self.means
        falls_short = [
            f"the {name} score {score:.2f} is not above {share:g} of its mean {mean:.2f}"
            for name, score, share, mean in (
                ("matching", matching, config.matching, means[0]),
                ("classification", classification, config.classification, means[1]),
            )
            if not score > share * mean
        ]
        if falls_short:
            return Decision(False, f"{peaks}, and {' and '.join(falls_short)}")
        return Decision(True, f"{peaks}, but both scores are near their means")
