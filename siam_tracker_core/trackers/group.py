"""Many targets over one set of weights."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.base import Image, Tracker, TrackResult
from siam_tracker_core.trackers.rescaling import FrameView


class TrackerGroup:
    """Follows several targets with one network: one upload of the image a frame, and one forward pass for all of them.

    Targets whose search crops differ in size, as SiamRPN's small ones and lost ones may, take one pass for each size.

    Args:
        tracker: a loaded tracker; its network, configuration and device are shared by all targets.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._model = tracker
        self._trackers: dict[Hashable, Tracker] = {}

    @property
    def model(self) -> Tracker:
        """The tracker whose network all targets share."""
        return self._model

    @property
    def ids(self) -> list[Hashable]:
        """The targets that are followed, in the order in which they were given."""
        return list(self._trackers)

    def __len__(self) -> int:
        return len(self._trackers)

    def __contains__(self, target: Hashable) -> bool:
        return target in self._trackers

    def init(self, target: Hashable, image: Image, box: Box | Sequence[float]) -> None:
        """Start following a target under the given id, in place of one that had it.

        Raises:
            ImageError, BoxError: as ``Tracker.init``; nothing changes then, for this id or any other.
        """
        tracker = self._model.another()
        tracker.init(image, box)
        self._trackers[target] = tracker

    def remove(self, target: Hashable) -> None:
        """Stop following a target.

        Raises:
            KeyError: if there is none with this id.
        """
        del self._trackers[target]

    def clear(self) -> None:
        """Stop following all targets."""
        self._trackers.clear()

    def update(self, image: Image, only: Collection[Hashable] | None = None) -> dict[Hashable, TrackResult]:
        """Find all targets in the next image.

        Args:
            image: uint8 (H, W, 3) BGR, or a ``Frame`` from ``model.upload``.
            only: the ids to update; all by default.

        Returns:
            A result for each id. A target that was shown on the same picture at another scale is followed on; one that
            was shown on images of another shape is LOST in this one, with the reason; the others are not disturbed.

        Raises:
            ImageError: if the image is not of that form; no target has been touched then.
        """
        frame = self._model.upload(image)
        wanted = {key: tracker for key, tracker in self._trackers.items() if only is None or key in only}
        results: dict[Hashable, TrackResult] = {}
        ready: dict[tuple[int, int], dict[Hashable, Tracker]] = {}
        views: dict[tuple[int, int], FrameView] = {}
        for key, tracker in wanted.items():
            size = tracker.image_size
            try:
                views[size] = views.get(size) or tracker.view(frame)
                ready.setdefault(size, {})[key] = tracker
            except ImageError as error:
                results[key] = tracker.lost(str(error))
        for size, trackers in ready.items():
            found = self._model.update_together(list(trackers.values()), views[size].frame)
            results.update(zip(trackers, map(views[size].to_image, found), strict=True))
        return {key: results[key] for key in wanted}
