"""From a response's evidence to a confidence in 0..1."""

from __future__ import annotations

import math
from dataclasses import dataclass

from siam_tracker_core.config import STRICT


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
