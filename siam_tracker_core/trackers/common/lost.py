"""When a target is lost and found, and where to look for it in the meantime."""

from __future__ import annotations

import math
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
        patience: so many such frames since the last one with a score of ``uncertain`` or more make the target LOST.
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

    def for_second_look(self) -> LostConfig:
        """The same for what is looked at from the middle, where look-alikes have higher scores too."""
        return replace(self, recover=(1 + self.recover) / 2)


@dataclass(frozen=True)
class Confidence:
    """TRACKING, UNCERTAIN or LOST after a stream of scores.

    Attributes:
        state: after the last score.
        doubtful: frames that spoke for loss since the target was last seen for certain. A frame between the two
            thresholds takes nothing away from them: on mere background scores go up and down around ``lost``, and a
            target that is gone would stay UNCERTAIN for ever.
        on_trial: whether a lost target was taken up again in the last frame and is not confirmed yet.
    """

    state: TrackState = TrackState.TRACKING
    doubtful: int = 0
    on_trial: bool = False

    def after(self, score: float, config: LostConfig, familiar: bool = True, recognised: bool = True) -> Confidence:
        """What follows from the score of one more frame.

        Args:
            score: of the best that was seen.
            config: thresholds.
            familiar: whether it may be a lost target by all else that is known of that one.
            recognised: whether it may be a target that frames spoke against by the same, which asks for less. What is
                not speaks for loss too, whatever its score: as a target goes behind something, its look-alike at the
                other side may be all that has one.
        """
        if self.state is TrackState.LOST:
            return Confidence(TrackState.UNCERTAIN, 0, True) if score >= config.recover and familiar else self
        if self.on_trial and (score < config.uncertain or not familiar):
            return Confidence(TrackState.LOST, self.doubtful)
        stranger = self.doubtful > 0 and not recognised
        if score >= config.uncertain and not stranger:
            return Confidence()
        doubtful = self.doubtful + (score < config.lost or (stranger and score >= config.uncertain))
        if doubtful >= config.patience and config.enabled:
            return Confidence(TrackState.LOST, doubtful)
        return Confidence(TrackState.UNCERTAIN, doubtful)

    def reason(self, score: float, config: LostConfig) -> str:
        """Why the last frame, with this score, did not leave the target in TRACKING, in words; empty if it did."""
        if self.state is TrackState.TRACKING:
            return ""
        if self.on_trial:
            return f"found again with score {score:.2f}, to be confirmed by the next frame"
        if self.state is TrackState.LOST:
            return f"no response with score {config.recover:g} or more, the best has {score:.2f}"
        if score >= config.uncertain:
            return f"after doubt, something with score {score:.2f} that is less like the target than it has to be"
        return f"score {score:.2f} is below {config.uncertain:g}"


# Frames in which the whole picture is seen once: three seconds of a camera of 30 images a second.
ROUND = 90
# So many frames a target that is hidden is thought to go on as it went.
AHEAD = 30
# So many frames something is looked at before the search goes on: what is not surer by then is something else.
FOLLOWED = 3


@dataclass(frozen=True, eq=False)
class LostSearch:
    """A search of the whole picture for a lost target, at its own scale and at the cost of tracking.

    The picture is divided into tiles no further apart than ``step``, so that their responses meet and the last ones
    reach its borders. In every other frame one window stays near the place of loss: at the place itself, where a target
    that moved would be by now, and at the place's eight neighbours in turn. All others go through the tiles, the
    nearest first, and begin again after the last. Something that was seen without being surely the target is looked at
    once more in the next frame, from the middle: at a window's edge a target has a lower score.

    Attributes:
        home: the search window at the place of loss.
        step: largest distance in pixels between neighbouring windows.
        image_size: width and height in pixels.
        velocity: of the target before it was lost, x and y in pixels a frame.
        doubtful: frames since it was last seen for certain, before the search began.
        tiles: float64 (n, 2), centres of the windows that cover the picture, the nearest first.
        frame: frames that have been searched.
        looked: tiles that have been looked at.
        candidate: centre of what is to be looked at once more; None for nothing.
        followed: frames in a row that a candidate was looked at.
    """

    home: Window
    step: float
    image_size: tuple[int, int]
    velocity: tuple[float, float]
    doubtful: int
    tiles: NDArray[np.float64] = field(repr=False)
    frame: int = 0
    looked: int = 0
    candidate: tuple[float, float] | None = None
    followed: int = 0

    @classmethod
    def around(
        cls,
        home: Window,
        step: float,
        image_size: tuple[int, int],
        velocity: tuple[float, float] = (0.0, 0.0),
        doubtful: int = 0,
    ) -> LostSearch:
        """A search that begins at the place of loss; arguments as the attributes."""
        return cls(home, step, image_size, velocity, doubtful, _tiles(home, step, image_size))

    def windows(self, count: int) -> tuple[Window, ...]:
        """The windows of the next frame, ``count`` of them."""
        if self.candidate is not None:
            again = Window(*self.candidate, self.home.size)
            return (again, *self._tiles_from(count - 1))
        near = self._near
        return (self._beside(),) * near + self._tiles_from(count - near)

    def _tiles_from(self, count: int) -> tuple[Window, ...]:
        places = self.tiles[(self.looked + np.arange(count)) % len(self.tiles)]
        return tuple(Window(x, y, self.home.size) for x, y in places.tolist())

    def budget(self, least: int, most: int) -> int:
        """How many windows a frame has: as few as show every tile once in ``ROUND`` frames.

        A frame in which the target is hidden should take no longer than one in which it is seen, for images that are
        skipped while it is hidden are those in which it comes back.

        Args:
            least: windows of a frame in which the target is tracked.
            most: windows that a frame may have where the picture is too large for fewer.
        """
        needed = math.ceil((2 * len(self.tiles) / ROUND + 1) / 2)  # one of every two frames' windows stays near
        return min(max(needed, least), max(least, most))

    def after(self, count: int) -> LostSearch:
        """The search after a frame with ``count`` windows in which nothing was noticed."""
        if self.candidate is not None:
            return replace(self, looked=self.looked + count - 1, candidate=None)
        return replace(self, frame=self.frame + 1, looked=self.looked + count - self._near, followed=0)

    def noticing(self, place: tuple[float, float]) -> LostSearch:
        """The search that looks at a place once more, unless it has done so for some frames already."""
        if self.followed >= FOLLOWED:
            return self
        return replace(self, candidate=place, followed=self.followed + 1)

    @property
    def _near(self) -> int:
        """How many of the next frame's windows stay near the place of loss."""
        return 1 - self.frame % 2

    def _beside(self) -> Window:
        """The place of loss and its neighbours in turn, or where a target that moved would be every other time."""
        looks = self.frame // 2
        offset = self._ahead() if looks % 2 == 0 else None
        if offset is None:
            turn, between = divmod(looks // 2 if self._moves else looks, 2)
            if not between:
                return self.home
            offset = _AROUND[turn % len(_AROUND)]
        width, height = self.image_size
        x, y = self.home.centre_x + offset[0] * self.step, self.home.centre_y + offset[1] * self.step
        return Window(x, y, self.home.size) if 0 <= x <= width and 0 <= y <= height else self.home

    @property
    def _moves(self) -> bool:
        """Whether the target would leave the place of loss before long."""
        return math.hypot(*self.velocity) * AHEAD >= self.step / 2

    def _ahead(self) -> tuple[float, float] | None:
        """Where a target that moved on would be, in steps from the place of loss; None for one that hardly moved."""
        if not self._moves:
            return None
        gone = min(self.doubtful + self.frame, AHEAD) / self.step
        return self.velocity[0] * gone, self.velocity[1] * gone


# The neighbours of a place, in columns and rows.
_AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (1, -1), (-1, 1))


def _tiles(home: Window, step: float, image_size: tuple[int, int]) -> NDArray[np.float64]:
    """Centres (n, 2) of tiles that cover a picture evenly, the nearest to a window first."""
    counts = [max(1, math.ceil(extent / step)) for extent in image_size]
    axes = [(np.arange(count) + 0.5) * (extent / count) for count, extent in zip(counts, image_size, strict=True)]
    centres = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    distances = np.hypot(centres[:, 0] - home.centre_x, centres[:, 1] - home.centre_y)
    return centres[np.argsort(distances, kind="stable")]
