"""Settings of what is drawn of a track, see ``samplers``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count, NotNegative, Share, Whole


@dataclass(frozen=True)
class PairSampling:
    """Settings of image pairs.

    Attributes:
        frame_range: largest distance in annotated frames between the two; SiamFC takes 100.
        seconds: the same in time, for data sets that are not annotated in every frame; it takes the place of
            ``frame_range`` unless it is 0. 100 frames of ILSVRC are 3.34 s, in which YouTube-BB has three.
        negative_share: share of pairs whose search crop shows another video's target (DaSiamRPN, section 3.2).
        cutouts: folder of objects with alpha (PNG), to compose pairs of; none by default.
        cutout_share: share of composed pairs, where there are cut-outs.
    """

    frame_range: Whole = 100
    seconds: NotNegative = 0.0
    negative_share: Share = 0.0
    cutouts: str | None = None
    cutout_share: Share = 0.35

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {"negatives": "negative_share"}


@dataclass(frozen=True)
class ClipSampling:
    """Settings of clips.

    Attributes:
        length: frames in a clip; DSiam takes 10.
        gap: largest distance of two successive ones, as a multiple of the data set's ``every``; 1 leaves no gap.
    """

    length: Annotated[int, Ge(2)] = 10
    gap: Count = 1

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class BoxPairSampling:
    """Settings of box pairs (SRT section 3.1; that half of the 128 are positive is this package's choice).

    Attributes:
        frame_range: largest distance in frames; SRT takes any two frames of a video.
        positives: boxes that overlap the target by more than 0.7.
        negatives: boxes that overlap it by less than 0.5.
    """

    frame_range: Whole = 1_000_000
    positives: Count = 64
    negatives: Count = 64

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class DomainSampling:
    """Settings of MDNet's mini-batches (reference values, section 4: 8 frames, 32 positives, 96 negatives).

    Attributes:
        frames: of one domain.
        positives: boxes in all frames together that overlap the target by at least 0.7; a multiple of ``frames``.
        negatives: boxes in all frames together that overlap it by at most 0.5; a multiple of ``frames``.
    """

    frames: Count = 8
    positives: Count = 32
    negatives: Count = 96

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.positives % self.frames or self.negatives % self.frames:
            raise ConfigError(
                f"{self.positives} positives and {self.negatives} negatives cannot be shared evenly by {self.frames} "
                "frames; give multiples"
            )
