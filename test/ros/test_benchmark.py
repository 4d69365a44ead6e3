"""What the benchmark of the node shows to the tracker."""

import pytest

from siam_tracker_core import TrackerGroup, TrackState, load_tracker
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.overhead import picture_of, spread_boxes


@pytest.mark.parametrize("tracker", [DEFAULT_TRACKER, "siamfc"])
@pytest.mark.parametrize("targets", [1, 4])
def test_the_targets_of_the_picture_are_tracked(tracker, targets):
    """Else an update would take as long as the search for what is lost."""
    boxes = spread_boxes(targets, (640, 480))
    picture = picture_of((640, 480), boxes)
    group = TrackerGroup(load_tracker(tracker, "cpu"))
    for number, box in enumerate(boxes):
        group.init(number, picture, box)
    results = [result for _ in range(10) for result in group.update(picture).values()]
    assert {result.state for result in results} == {TrackState.TRACKING}
