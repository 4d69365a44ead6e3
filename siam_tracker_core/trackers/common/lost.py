"""When a target is lost and found, and where to look for it in the meantime."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Window
from siam_tracker_core.trackers.common.limits import Count, Share
from siam_tracker_core.trackers.results import TrackState


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
    patience: Count = 7
    recover: Share = 0.7

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.uncertain > self.recover:
            raise ConfigError(
                f"uncertain {self.uncertain:g} is above recover {self.recover:g}: a target with a score between them "
                "would be found and lost in turn for ever; give recover the larger one"
            )
        if self.lost > self.recover:
            raise ConfigError(
                f"lost {self.lost:g} is above recover {self.recover:g}: a target would be found and lost by one score"
            )


@dataclass(frozen=True)
class Confidence:
    """TRACKING, UNCERTAIN or LOST after a stream of scores.

    Attributes:
        state: after the last score.
        doubtful: frames in a row that spoke for loss.
        on_trial: whether a lost target was taken up again in the last frame and is not confirmed yet.
    """

    state: TrackState = TrackState.TRACKING
    doubtful: int = 0
    on_trial: bool = False

    def after(self, score: float, config: LostConfig) -> Confidence:
        """What follows from the score of one more frame."""
        if self.state is TrackState.LOST:
            return Confidence(TrackState.UNCERTAIN, 0, True) if score >= config.recover else self
        if self.on_trial and score < config.uncertain:
            return Confidence(TrackState.LOST, self.doubtful)
        doubtful = self.doubtful + 1 if score < config.lost else 0
        if doubtful >= config.patience and config.enabled:
            return Confidence(TrackState.LOST, doubtful)
        return Confidence(TrackState.TRACKING if score >= config.uncertain else TrackState.UNCERTAIN, doubtful)

    def reason(self, score: float, config: LostConfig) -> str:
        """Why the last frame, with this score, did not leave the target in TRACKING, in words; empty if it did."""
        if self.state is TrackState.TRACKING:
            return ""
        if self.on_trial:
            return f"found again with score {score:.2f}, to be confirmed by the next frame"
        if self.state is TrackState.LOST:
            return f"no response with score {config.recover:g} or more, the best has {score:.2f}"
        return f"score {score:.2f} is below {config.uncertain:g}"


@dataclass(frozen=True)
class LostSearch:
    """A search of the whole picture for a lost target, at its own scale and at the cost of tracking.

    The picture is divided into tiles no further apart than ``step``, so that their responses meet and the last ones
    reach its borders. In every frame one window looks near the place of loss, at the place itself and at its eight
    neighbours in turn; all others go through the tiles, the nearest first, and begin again after the last.

    Attributes:
        home: the search window at the place of loss.
        step: largest distance in pixels between neighbouring windows.
        image_size: width and height in pixels.
        frame: frames that have been searched.
        looked: tiles that have been looked at.
    """

    home: Window
    step: float
    image_size: tuple[int, int]
    frame: int = 0
    looked: int = 0
    _tiles: NDArray[np.float64] = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self._tiles is None:
            object.__setattr__(self, "_tiles", self._ordered())

    def windows(self, count: int) -> tuple[Window, ...]:
        """The windows of the next frame, ``count`` of them."""
        near = self._near(count)
        places = (self.looked + np.arange(count - near)) % len(self._tiles)
        return (self._beside(),) * near + tuple(Window(float(x), float(y), self.home.size) for x, y in self._tiles[places])

    def after(self, count: int) -> LostSearch:
        """The search after a frame with ``count`` windows."""
        return replace(self, frame=self.frame + 1, looked=self.looked + count - self._near(count))

    def _near(self, count: int) -> int:
        """How many of a frame's windows stay near the place of loss; of a single one every other."""
        return 1 if count > 1 else (self.frame + 1) % 2

    def _beside(self) -> Window:
        """The place of loss in every other frame, and one of its neighbours inside the picture in the frames between."""
        turn, between = divmod(self.frame, 2)
        around = self._neighbours()
        if not between or not around:
            return self.home
        return around[turn % len(around)]

    def _neighbours(self) -> list[Window]:
        width, height = self.image_size
        offsets = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y]
        found = [Window(self.home.centre_x + x * self.step, self.home.centre_y + y * self.step, self.home.size) for x, y in offsets]
        return [window for window in found if 0 <= window.centre_x <= width and 0 <= window.centre_y <= height]

    def _ordered(self) -> NDArray[np.float64]:
        """Centres (n, 2) of the tiles, the nearest to the place of loss first."""
        axes = [(np.arange(count) + 0.5) * (extent / count) for extent in self.image_size for count in [max(1, int(np.ceil(extent / self.step)))]]
        centres = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        distances = np.hypot(*(centres - [self.home.centre_x, self.home.centre_y]).T)
        return centres[np.argsort(distances, kind="stable")]
