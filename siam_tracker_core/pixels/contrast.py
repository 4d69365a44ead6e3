"""Wide pixels to eight bits: 12 bits in 16, thermal pictures of a few hundred levels, depth in metres.

Trackers see 256 levels. A fixed division of 65536 levels by 257 leaves a 12-bit camera sixteen of them and a thermal
one a single one, so by default each picture's own percentiles become black and white. The limits follow slowly, for a
picture whose brightness jumps from frame to frame is hard to track.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError

Wide = NDArray[np.uint16] | NDArray[np.float32]
ContrastMode = Literal["percentiles", "range", "full"]

_SAMPLES = 40_000  # pixels that percentiles are taken from
_LEAST_LEVELS = 8.0  # whole numbers are never stretched further than this, for the rest is noise


@dataclass(frozen=True)
class Contrast:
    """How pixels of more than eight bits become pixels of eight.

    Attributes:
        contrast: ``percentiles`` of each picture, ``range`` for ``low`` to ``high``, or ``full`` for all that the type
            can hold: 0 to 65535, and 0 to 1 for floating-point pixels.
        low, high: with ``range``, the values that become 0 and 255, in the units of the pixels.
        percentile: with ``percentiles``, the share in percent that becomes black, and the same that becomes white;
            0 to 49.
        hold: with ``percentiles``, the share of the former limits that stays with each picture, 0 to below 1; with
            0.95 the limits follow a change to two thirds within some twenty pictures.
    """

    contrast: ContrastMode = "percentiles"
    low: float = 0.0
    high: float = 65535.0
    percentile: float = 0.5
    hold: float = 0.95

    def __post_init__(self) -> None:
        if self.contrast not in ("percentiles", "range", "full"):
            raise ConfigError(f"contrast is {self.contrast!r}; expected percentiles, range or full")
        if not np.isfinite([self.low, self.high]).all() or not self.low < self.high:
            raise ConfigError(f"the contrast's range is {self.low:g} to {self.high:g}; the second must be the greater")
        if not 0 <= self.percentile < 50:
            raise ConfigError(f"the contrast's percentile is {self.percentile:g}; expected 0 to below 50")
        if not 0 <= self.hold < 1:
            raise ConfigError(f"the contrast's hold is {self.hold:g}; expected 0 to below 1")


DEFAULT = Contrast()


class Stretch:
    """Stretches the pictures of one camera, one after the other.

    Args:
        contrast: how.

    Attributes:
        limits: the values that become 0 and 255 at present; None before the first picture.
    """

    def __init__(self, contrast: Contrast = DEFAULT) -> None:
        self.contrast = contrast
        self.limits: tuple[float, float] | None = None

    def __call__(self, pixels: Wide, learn: bool = True) -> NDArray[np.uint8]:
        """The picture in eight bits.

        Args:
            pixels: uint16 or float32, of any shape; what is not finite becomes black.
            learn: let the limits follow this picture; False for one of a moment ago.

        Returns:
            uint8 of the same shape.
        """
        low, high = self._limits(pixels, learn)
        values = pixels.astype(np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            values -= np.float32(low)
            values *= np.float32(255.0 / (high - low))
        if pixels.dtype != np.uint16:
            np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(np.rint(np.clip(values, 0.0, 255.0, out=values)), dtype=np.uint8)

    def _limits(self, pixels: Wide, learn: bool) -> tuple[float, float]:
        whole = pixels.dtype == np.uint16
        if self.contrast.contrast == "range":
            return self.contrast.low, self.contrast.high
        if self.contrast.contrast == "full":
            return 0.0, 65535.0 if whole else 1.0
        if learn or self.limits is None:
            found = _percentiles(pixels, self.contrast.percentile)
            if found is not None:
                self.limits = _followed(self.limits, found, self.contrast.hold)
        low, high = self.limits or (0.0, 1.0)
        least = _LEAST_LEVELS if whole else max(1e-6, 1e-4 * abs(high))
        if high - low < least:
            middle = (low + high) / 2
            return middle - least / 2, middle + least / 2
        return low, high


def _percentiles(pixels: Wide, percent: float) -> tuple[float, float] | None:
    """The lower and upper percentile of a sample of the pixels; None where none is finite."""
    step = max(1, round((pixels.size / _SAMPLES) ** 0.5))
    sample = pixels[::step, ::step].ravel()
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return None
    low, high = np.percentile(sample, (percent, 100 - percent))
    return float(low), float(high)


def _followed(held: tuple[float, float] | None, found: tuple[float, float], hold: float) -> tuple[float, float]:
    """The limits a step nearer to those found; at once where the two do not overlap, as after a new exposure."""
    if held is None or held[1] <= found[0] or found[1] <= held[0]:
        return found
    return hold * held[0] + (1 - hold) * found[0], hold * held[1] + (1 - hold) * found[1]
