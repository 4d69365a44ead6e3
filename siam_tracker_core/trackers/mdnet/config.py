"""Settings of MDNet and of the classifier that it shares with the cascaded tracker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt

from siam_tracker_core.config import STRICT
from siam_tracker_core.trackers.common.limits import Count, NotNegative, Positive, Whole
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.common.sampling import LEAST_SIDE


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of the classifier; defaults are those of HyeonseobNam/py-MDNet:tracking/options.yaml.

    Attributes:
        init_positives: boxes of the first frame that overlap the target by at least 0.7.
        init_negatives: boxes of the first frame that overlap it by at most 0.5, half of them near, half anywhere.
        init_lr: learning rate at the first frame; the MATLAB version takes 1e-4.
        init_rounds: rounds of learning at the first frame; the MATLAB version takes 30.
        update_positives: boxes of a later frame that overlap the target by at least 0.7.
        update_negatives: boxes of a later frame that overlap it by at most 0.3.
        update_lr: learning rate of updates; the MATLAB version takes 3e-4.
        update_rounds: rounds of an update; the MATLAB version takes 10.
        lr_mult: factor on the learning rate of fc6.
        momentum: of the descent.
        weight_decay: on all that learns.
        grad_clip_norm: largest norm of the gradient; 0 clips nothing.
        batch_positives: positives in a round.
        batch_negatives: negatives in a round, the hardest of a pool.
        hard_pool: negatives in that pool.
        long_memory: frames whose positives are remembered.
        short_memory: frames whose negatives are remembered, and whose positives a short-term update takes; the MATLAB
            version has 20.
        budget: most rounds of updates in a frame; the rest goes on in the frames after. 0: no limit.
        learning: ``same`` learns before a frame's result is handed out, ``worker`` after it; the boxes are the same.
        seed: of everything random.
    """

    init_positives: Count = 500
    init_negatives: Count = 5000
    init_lr: Positive = 5e-4
    init_rounds: Whole = 50
    update_positives: Count = 50
    update_negatives: Count = 200
    update_lr: Positive = 1e-3
    update_rounds: Whole = 15
    lr_mult: Positive = 10.0
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    weight_decay: NotNegative = 5e-4
    grad_clip_norm: NotNegative = 10.0
    batch_positives: Count = 32
    batch_negatives: Count = 96
    hard_pool: Count = 1024
    long_memory: Count = 100
    short_memory: Count = 30
    budget: Whole = 0
    learning: Literal["same", "worker"] = "same"
    seed: Whole = 0

    __pydantic_config__ = STRICT
    __renamed__: ClassVar = {
        "init_rate": "init_lr",
        "update_rate": "update_lr",
        "last_factor": "lr_mult",
        "clip": "grad_clip_norm",
    }


@dataclass(frozen=True)
class MDNetConfig:
    """Settings of the tracker; defaults are those of HyeonseobNam/py-MDNet:tracking/options.yaml.

    Attributes:
        candidates: boxes that are drawn in a frame.
        translation: unit of their displacement, relative to the mean of width and height.
        scale: unit of their change of size, as a factor.
        widening: factor on ``translation`` with each frame in which the target is not found.
        widest: what ``translation`` grows to at most.
        failure: without success, ``move`` takes the box and the place of the next search to the mean of the best,
            without regression, as py-MDNet's tracking/run_tracker.py does; ``stay`` leaves both where they were, which
            is this package's own, and worse on held-out videos (docs/mdnet.md).
        best: candidates whose mean is the result; the target is found if the mean of their scores is above zero.
        long_interval: frames from one long-term update to the next.
        regression_samples: boxes of the first frame that box regression learns from; 0 turns it off.
        regression_alpha: penalty of the ridge regression.
        least_side: of the box in pixels, unless it starts smaller.
        classifier: settings of the classifier.
        lost: when the target counts as lost and found; this package's own.
    """

    candidates: Count = 256
    translation: Positive = 0.6
    scale: Annotated[float, Ge(1)] = 1.05
    widening: Annotated[float, Ge(1)] = 1.1
    widest: Positive = 1.5
    failure: Literal["stay", "move"] = "move"
    best: Count = 5
    long_interval: Count = 10
    regression_samples: Whole = 1000
    regression_alpha: Positive = 1000.0
    least_side: Annotated[float, Ge(1)] = LEAST_SIDE
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    lost: LostConfig = field(default_factory=LostConfig)

    __pydantic_config__ = STRICT
