"""Whether a response can be believed: calibrated evidence in 0..1, and the states that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.trackers.base import TrackState

Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class Calibration:
    """Logistic regression from a response's evidence to the probability that the target is under its peak.

    The coefficients belong to one set of weights and travel with it; ``siam-tracker calibrate`` fits them on training
    sequences. The defaults are a guess for weights that were never calibrated.

    Attributes:
        bias: of the logit.
        peak: coefficient of the peak's height: relative to the exemplar's response on its own frame, or, of a network
            that gives probabilities, its log-odds.
        psr: coefficient of the logarithm of the peak-to-sidelobe ratio.
    """

    bias: float = -6.0
    peak: float = 8.0
    psr: float = 1.0

    __pydantic_config__ = STRICT

    def score(self, peak: float, psr: float) -> float:
        """Confidence in 0..1 of evidence as ``evidence_vector`` defines it; 0 for what is not a number."""
        logit = self.bias + self.peak * peak + self.psr * psr
        if math.isnan(logit):
            return 0.0
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def evidence_vector(raw_peak: float, own_peak: float, psr: float) -> tuple[float, float]:
    """The two numbers that ``Calibration`` weighs: relative peak height and log peak-to-sidelobe ratio."""
    return raw_peak / max(own_peak, 1e-6), math.log(max(psr, 1e-3))


def log_odds(probability: float) -> float:
    """Logit of a probability, within -14..14: what a probability close to 1 still tells apart."""
    held = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(held / (1 - held))


@dataclass(frozen=True)
class LostConfig:
    """When a target counts as lost and found. No paper gives these values; they are this package's own.

    Attributes:
        enabled: False keeps the reference implementation's behaviour: the box always follows the highest peak.
        uncertain: below this score a result is UNCERTAIN.
        lost: below this score a frame speaks for loss.
        patience: so many such frames in a row make the target LOST.
        recover: a LOST target is taken up again where the score reaches this, on trial until the next frame confirms.
    """

    enabled: bool = True
    uncertain: Share = 0.5
    lost: Share = 0.2
    patience: Annotated[int, Gt(0)] = 7
    recover: Share = 0.7

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.lost > self.recover:
            raise ConfigError(
                f"lost {self.lost:g} is above recover {self.recover:g}: a target would be found and lost by one score"
            )


class StateMachine:
    """TRACKING, UNCERTAIN and LOST from a stream of scores.

    Args:
        config: thresholds.
    """

    def __init__(self, config: LostConfig) -> None:
        self.config = config
        self.state = TrackState.TRACKING
        self._doubtful = 0
        self._on_trial = False

    def see(self, score: float) -> TrackState:
        """Take in the score of a frame; returns the state after it."""
        config = self.config
        if self.state is TrackState.LOST:
            if score >= config.recover:
                self.state, self._doubtful, self._on_trial = TrackState.UNCERTAIN, 0, True
        elif self._on_trial and score < config.uncertain:
            self.state, self._on_trial = TrackState.LOST, False
        else:
            self._on_trial = False
            self._doubtful = self._doubtful + 1 if score < config.lost else 0
            self.state = TrackState.TRACKING if score >= config.uncertain else TrackState.UNCERTAIN
            if self._doubtful >= config.patience and config.enabled:
                self.state = TrackState.LOST
        return self.state

    @property
    def on_trial(self) -> bool:
        """Whether a lost target was taken up again in the last frame and is not confirmed yet."""
        return self._on_trial

    def reason(self, score: float) -> str:
        """Why the last frame, with this score, did not leave the target in TRACKING, in words; empty if it did."""
        if self.state is TrackState.TRACKING:
            return ""
        if self._on_trial:
            return f"found again with score {score:.2f}, to be confirmed by the next frame"
        if self.state is TrackState.LOST:
            return f"no response with score {self.config.recover:g} or more, the best has {score:.2f}"
        return f"score {score:.2f} is below {self.config.uncertain:g}"


def peak_to_sidelobe(responses: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, radius: int) -> torch.Tensor:
    """How far each map's peak stands out: (peak - mean) / std of the cells away from it (Bolme et al., 2010).

    Args:
        responses: (N, H, W).
        rows, columns: (N,) cell of the peak.
        radius: cells up to this Chebyshev distance belong to the peak.

    Returns:
        (N,) ratio, not negative.
    """
    height, width = responses.shape[1:]
    down = (torch.arange(height, device=responses.device)[None, :, None] - rows[:, None, None]).abs()
    across = (torch.arange(width, device=responses.device)[None, None, :] - columns[:, None, None]).abs()
    outside = (torch.maximum(down, across) > radius).to(responses.dtype)
    count = outside.sum(dim=(1, 2)).clamp_min(1)
    mean = (responses * outside).sum(dim=(1, 2)) / count
    variance = ((responses - mean[:, None, None]).square() * outside).sum(dim=(1, 2)) / count
    peaks = responses[torch.arange(len(responses), device=responses.device), rows, columns]
    return ((peaks - mean) / variance.clamp_min(1e-12).sqrt()).clamp_min(0)
