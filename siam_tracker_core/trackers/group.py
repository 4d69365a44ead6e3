"""Following many targets with one network: a model, and a state of each. It is the same for all papers."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Generic, cast

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Box, BoxLike
from siam_tracker_core.trackers.images import Image, upload, view_for
from siam_tracker_core.trackers.model import OutputT, StateT
from siam_tracker_core.trackers.rescaling import FrameView
from siam_tracker_core.trackers.results import TrackResult, TrackState
from siam_tracker_core.trackers.tracker import Tracker, start
from siam_tracker_core.trackers.update import adapt_targets, update_targets


class TrackerGroup(Generic[StateT, OutputT]):
    """Follows several targets with one network: one upload of the image a frame, and one forward pass for all of them.

    Targets whose search crops differ in size, as SiamRPN's small ones and lost ones may, take one pass for each size.

    Args:
        tracker: a loaded tracker; its network, configuration and device are shared by all targets.
    """

    def __init__(self, tracker: Tracker[StateT, OutputT]) -> None:
        self.model = tracker.model
        self._states: dict[Hashable, StateT] = {}
        self._unlearned: dict[Hashable, Frame] = {}

    @property
    def ids(self) -> list[Hashable]:
        """The targets that are followed, in the order in which they were given."""
        return list(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, target: Hashable) -> bool:
        return target in self._states

    def init(self, target: Hashable, image: Image, box: BoxLike) -> None:
        """Start following a target under the given id, in place of one that had it.

        Raises:
            ImageError, BoxError: as ``Tracker.init``; nothing changes then, for this id or any other.
        """
        self._states[target] = start(self.model, image, box)
        self._unlearned.pop(target, None)

    def state(self, target: Hashable) -> StateT:
        """What is known of a target.

        Raises:
            KeyError: if there is none with this id.
        """
        return self._states[target]

    def remove(self, target: Hashable) -> None:
        """Stop following a target.

        Raises:
            KeyError: if there is none with this id.
        """
        del self._states[target]
        self._unlearned.pop(target, None)

    def clear(self) -> None:
        """Stop following all targets."""
        self._states.clear()
        self._unlearned.clear()

    def update(
        self, image: Image, only: Collection[Hashable] | None = None, learn: bool = True
    ) -> dict[Hashable, TrackResult]:
        """Find all targets in the next image.

        Args:
            image: uint8 (H, W, 3) BGR, or a ``Frame`` from ``upload``.
            only: the ids to update; all by default.
            learn: False leaves learning to ``learn``, for models that can wait with it, so that the answer is out
                before. What was not learned by the next update is passed over.

        Returns:
            A result for each id. A target that was shown on the same picture at another scale is followed on. One that
            fails, or that was shown on images of another shape, is LOST in this one with the reason; the others are not
            disturbed.

        Raises:
            ImageError: if the image is not of that form; no target has been touched then.
        """
        frame = upload(self.model, image)
        self.pass_over("the next image came before it", only)
        later = self.model.can_wait and not learn
        wanted = {key: state for key, state in self._states.items() if only is None or key in only}
        results: dict[Hashable, TrackResult] = {}
        ready: dict[tuple[int, int], dict[Hashable, StateT]] = {}
        views: dict[tuple[int, int], FrameView] = {}
        for key, state in wanted.items():
            size = state.image_size
            try:
                views[size] = views.get(size) or view_for(state, frame)
                ready.setdefault(size, {})[key] = state
            except ImageError as error:
                results[key] = TrackResult(state.box, 0.0, TrackState.LOST, None, str(error))
        for size, states in ready.items():
            seen = views[size].frame
            updated = dict(zip(states, update_targets(self.model, list(states.values()), seen, not later), strict=True))
            self._states |= {key: state for key, (state, _) in updated.items()}
            self._unlearned |= dict.fromkeys(states, seen) if later else {}
            results |= {key: views[size].to_image(result) for key, (_, result) in updated.items()}
        return {key: results[key] for key in wanted}

    def learn(self) -> None:
        """Learn from the last image what ``update`` left to this."""
        waiting, self._unlearned = self._unlearned, {}
        together: dict[int, dict[Hashable, Frame]] = {}
        for key, frame in waiting.items():
            if key in self._states:
                together.setdefault(id(frame), {})[key] = frame
        for frames in together.values():
            states = [self._states[key] for key in frames]
            learned = adapt_targets(self.model, states, next(iter(frames.values())))
            self._states |= dict(zip(frames, learned, strict=True))

    def pass_over(self, reason: str, only: Collection[Hashable] | None = None) -> None:
        """Leave out what waits to be learned.

        Args:
            reason: in words, for the next results.
            only: the ids concerned; all by default.
        """
        for key in [key for key in self._unlearned if only is None or key in only]:
            del self._unlearned[key]
            if key in self._states:
                self._states[key] = self.model.pass_over(self._states[key], reason)

    def recognise(self, target: Hashable, image: Image, boxes: Sequence[Box]) -> tuple[Box | None, float]:
        """Look whether a lost target is in one of several boxes, such as a detector's, without moving it.

        Args:
            target: its id.
            image: as for ``update``.
            boxes: in pixels of the image, anywhere in it.

        Returns:
            The box that the target's own network is surest of, in pixels of the images that the target was shown on, as
            ``relocate`` takes it, with its calibrated score in 0..1; None for the box where no
            score reaches ``lost.recover``, without boxes, and for trackers that cannot look at one place alone.

        Raises:
            ImageError: if the image is not of that form, or of another size than the target's.
        """
        from siam_tracker_core.trackers.common.relocation import recognised  # here, for settings take long to load
        from siam_tracker_core.trackers.common.siamese import SiameseModel, SiameseState

        state, model = self._states[target], self.model
        if not boxes or not isinstance(model, SiameseModel) or not isinstance(state, SiameseState):
            return None, 0.0
        frame = self.upload(image)
        view = view_for(state, frame)
        seen = [view.from_image(box) for box in boxes]
        scores = [recognised(model, state, view.frame, box) for box in seen]
        best = max(range(len(boxes)), key=scores.__getitem__)
        return (seen[best] if scores[best] >= model.config.lost.recover else None), scores[best]

    def relocate(self, target: Hashable, box: Box) -> None:
        """Track a target on from a box; what is known of its looks stays. Others than siamese trackers are left alone.

        Args:
            target: its id.
            box: in pixels of the images that the target was shown on, with sides of at least one.
        """
        from siam_tracker_core.trackers.common.relocation import relocated
        from siam_tracker_core.trackers.common.siamese import SiameseState

        state = self._states[target]
        if isinstance(state, SiameseState):
            self._states[target] = cast(StateT, relocated(state, box))

    def upload(self, image: Image) -> Frame:
        """As ``Tracker.upload``."""
        return upload(self.model, image)
