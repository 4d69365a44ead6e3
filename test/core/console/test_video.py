"""File mode: played at will, tracked, recorded; with a real tracker on a made sequence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.bags import BagReader
from siam_tracker_core.bags.storage import BagStorage
from siam_tracker_core.console import session as session_module
from siam_tracker_core.console import video
from siam_tracker_core.console.player import Player
from siam_tracker_core.console.recording import REQUESTS_TOPIC
from siam_tracker_core.console.reel import Reel, ReelFrame
from siam_tracker_core.console.session import RequestRefused
from siam_tracker_core.console.video import VideoSession
from siam_tracker_core.datasets.made import MadeSequence, made_sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box
from siam_tracker_core.zoo import load_tracker

TRACKER = "siamfc"


def wait_until(condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def made() -> MadeSequence:
    whole = made_sequence(frames=150, size=(320, 240), seed=0)
    return MadeSequence(whole.name, whole.frames[:28], whole.boxes[:28])  # before the target is hidden


@pytest.fixture(scope="module")
def footage(made: MadeSequence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write_otb_form(tmp_path_factory.mktemp("footage") / "made")


@pytest.fixture
def session(footage: Path, tmp_path: Path) -> Iterator[VideoSession]:
    session = VideoSession(str(footage), TRACKER, "cpu", tmp_path / "recordings", max_targets=2)
    session.start()
    wait_until(lambda: session.feed.newest, "the first picture")
    yield session
    session.close()


def box_at(made: MadeSequence, frame: int) -> Box:
    return Box.from_array(made.boxes[frame])


def test_it_waits_for_a_target_then_follows_it_records_it_and_ends(session: VideoSession, made: MadeSequence) -> None:
    status = session.status()
    assert (status.paused, status.position) == (True, (1, 28))
    folder = session.record(True)
    with pytest.raises(RequestRefused, match="already"):
        session.record(True)
    stamp = session.feed.newest.stamp
    assert session.set_target(stamp, box_at(made, 0), 0, "cat") == 1
    wait_until(lambda: session.status().ended, "the end")
    target = session.feed.newest.targets[0]
    assert target.age == 27
    assert target.box.iou(box_at(made, 27)) > 0.4
    assert session.record(False) == folder
    with BagReader(folder) as bag:
        assert len(bag) == 27, "all that was played since"
        truth = bag.truth()
        assert Box.from_array(truth[-1]).iou(target.box) > 0.99
    storage = BagStorage(Path(folder))
    _, raw = next(storage.messages(REQUESTS_TOPIC))
    storage.close()
    request = json.loads(raw[8:].rstrip(b"\0"))
    assert (request["request"], request["label"], request["stamp"]) == ("set_target", "cat", str(stamp))


def test_a_late_box_starts_on_the_picture_it_was_drawn_on(session: VideoSession, made: MadeSequence) -> None:
    early = session.feed.newest.stamp
    for count in range(2, 12):
        session.play("step")
        wait_until(lambda count=count: session.status().position[0] == count, "the step")
    target_id = session.set_target(early, box_at(made, 0), 0, "")
    target = session.feed.newest.targets[0]
    assert (target.id, target.age) == (target_id, 10)
    assert target.box.iou(box_at(made, 10)) > 0.4
    with pytest.raises(RequestRefused, match="not kept"):
        session.set_target(12345, box_at(made, 0), 0, "")


def test_targets_are_named_removed_and_limited(session: VideoSession, made: MadeSequence) -> None:
    first = session.set_target(0, box_at(made, 0), 0, "one")
    second = session.set_target(0, box_at(made, 0), 0, "two")
    with pytest.raises(RequestRefused, match="max_targets is 2"):
        session.set_target(0, box_at(made, 0), 0, "three")
    session.change_setting("max_targets", 3)
    with pytest.raises(RequestRefused, match="a whole number from 1 to 1024"):
        session.change_setting("max_targets", 0)
    session.rename_target(first, "uno")
    assert session.feed.newest.targets[0].label == "uno"
    session.remove_target(first)
    assert [target.id for target in session.feed.newest.targets] == [second]
    with pytest.raises(RequestRefused, match=f"there is no target {first}; the targets are: {second}"):
        session.remove_target(first)
    with pytest.raises(ValueError, match="covers the whole"):
        session.set_target(0, Box(0, 0, 320, 240), second, "all")
    assert [target.label for target in session.feed.newest.targets] == ["two"], "what was held is kept"
    assert session.remove_target(None) == 1


def test_another_tracker_goes_on_with_the_targets(session: VideoSession, made: MadeSequence) -> None:
    session.play("pause")
    target_id = session.set_target(0, box_at(made, 0), 0, "cat")
    session.play("pause")
    session.change_tracker("siamrpn_mobilenetv2")
    assert session.status().tracker == "siamrpn_mobilenetv2"
    target = session.feed.newest.targets[0]
    assert (target.id, target.label, target.age) == (target_id, "cat", 0)
    with pytest.raises(RequestRefused, match="no tracker 'nothing'"):
        session.change_tracker("nothing")


def test_what_a_session_is_costs_next_to_nothing_to_tell(
    session: VideoSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice a second is it told: the list of the zoo, read each time, took a third of a core."""
    known = session.describe().trackers
    assert TRACKER in known
    monkeypatch.setattr(session_module, "read_zoo", lambda: pytest.fail("the zoo is read again"))
    assert session.describe().trackers == known


@pytest.mark.parametrize(("runtime", "title"), [("torch", "PyTorch"), ("openvino", "OpenVINO")])
def test_the_page_tells_the_library_that_the_network_really_runs_in(runtime: str, title: str) -> None:
    module = pytest.importorskip(runtime)
    told = video.runtime_of(load_tracker(TRACKER, "cpu", runtime=runtime))
    name, number = told.split()
    assert name == title
    assert module.__version__.startswith(number)


def test_a_video_is_held_stepped_and_played_again(footage: Path) -> None:
    player = Player(str(footage), speed=8.0)
    first = player.take()
    player.poke()
    assert player.take() is None, "held"
    player.control("step")
    assert player.take() is not None
    player.control("play")
    frames = [player.take() for _ in range(26)]
    assert all(frame is not None for frame in frames)
    assert player.take() is None
    assert player.ended
    player.control("play")
    assert np.array_equal(player.take(), first), "from the beginning"
    player.close()


def test_a_camera_that_ends_says_so(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that stands still without a word leaves its reader to guess."""
    monkeypatch.setattr("siam_tracker_core.console.player.is_camera", lambda source: True)
    player = Player(str(footage))
    wait_until(lambda: player.ended, "the end")
    assert player.take() is not None, "the last picture comes first"
    with pytest.raises(DatasetError, match=f"{footage.name} gives no more pictures; see whether it is still there"):
        player.take()
    player.poke()
    assert player.take() is None, "told once"
    player.close()


def test_a_request_is_refused_before_it_begins_or_not_at_all(
    session: VideoSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some trackers take longer than a minute to begin with a few targets, and it was called refused meanwhile."""
    monkeypatch.setattr(video, "_PATIENCE", 0.2)
    begun, may_end, done = threading.Event(), threading.Event(), []

    def work() -> str:
        begun.set()
        may_end.wait(60)
        return "done"

    first = threading.Thread(target=lambda: done.append(session._in_turn(work)))
    first.start()
    assert begun.wait(60)
    with pytest.raises(RequestRefused, match="did not get to the request"):
        session.remove_target(None)
    with pytest.raises(RequestRefused, match="did not get to the request"):
        session._in_turn(lambda: done.append("what was refused"))
    may_end.set()
    first.join(60)
    monkeypatch.setattr(video, "_PATIENCE", 60.0)
    session._in_turn(lambda: None)
    assert done == ["done"]


def test_a_source_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        Player(str(tmp_path / "nowhere.mp4"))


def test_the_reel_is_bounded_in_memory() -> None:
    reel = Reel(most_frames=100, most_bytes=10 * 300)
    for stamp in range(1, 51):
        reel.add(ReelFrame(stamp, np.zeros((10, 10, 3), np.uint8)))
    assert [frame.stamp for frame in reel.since(41)] == list(range(41, 51))
    with pytest.raises(RequestRefused, match="not kept"):
        reel.since(40)
