"""Taking a target up at a place that somebody else names, such as a detector, without showing it anew."""

from __future__ import annotations

import math
from dataclasses import replace

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.trackers.common.habits import Habits
from siam_tracker_core.trackers.common.lost import Confidence
from siam_tracker_core.trackers.common.siamese import NetworkOutput, SiameseModel, SiameseState, TargetT

_MOST_RESIZED = 2.0  # a box of another scale than this tells more of the detector than of the target


def recognised(
    model: SiameseModel[TargetT, NetworkOutput], state: SiameseState[TargetT], frame: Frame, box: Box
) -> float:
    """How sure a target's own network is that the target is in a box: a calibrated score in 0..1."""
    return model.config.calibration.score(*model.probe(state, frame, _search_window(state, box)))


def relocated(state: SiameseState[TargetT], box: Box) -> SiameseState[TargetT]:
    """The state of a target that is in a box, tracked from there; what is known of its looks stays."""
    side = _search_window(state, box).size
    return replace(
        state,
        box=box,
        search_side=side,
        confident_box=box,
        confident_side=side,
        habits=Habits.of(box),
        confidence=Confidence(),
        lost_search=None,
    )


def _search_window(state: SiameseState[TargetT], box: Box) -> Window:
    """The search window around a box, at the scale that the box has beside the last confident one."""
    area = max(state.confident_box.width * state.confident_box.height, 1.0)
    scale = math.sqrt(box.width * box.height / area)
    return Window(*box.centre, state.confident_side * min(max(scale, 1 / _MOST_RESIZED), _MOST_RESIZED))
