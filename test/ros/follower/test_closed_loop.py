"""The whole chain in the made world: the real tracker node and the real follower drive a simulated robot.

The world waits for both in every step, on a clock of its own, so that a slow machine changes nothing but the time it
takes. The tracker is named, because how well a made world is tracked depends on the weights.
"""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tracker_graph import RELIABLE, TRACKER, Graph, Inbox, wait_heard, wait_ready, wait_until

from siam_tracker_core.simulation import FollowWorld, Script
from siam_tracker_ros.client import TrackerClient, TrackerError, TrackerTimeout
from siam_tracker_ros.follow_demo.messages import camera_info_message, depth_message, header_at, image_message
from siam_tracker_ros.follower.settings import FollowerSettings
from siam_tracker_ros.interfaces import FollowTarget, TargetEvent, TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess
from siam_tracker_ros.stamps import from_nanoseconds, to_nanoseconds

SIZE = (240, 180)
PERIOD = 0.1
PATIENCE = 120.0  # seconds of the machine's clock for an answer, however loaded the machine is
AGAIN = 2.0  # seconds after which what has no answer is sent again: its subscribers are best-effort
LIMITS = FollowerSettings()
FOLLOWER = (sys.executable, "-m", "siam_tracker_ros.follower.main")


class Loop:
    """The made world on this side of ROS; a step is one picture, its positions, and the commands that follow."""

    def __init__(self, graph: Graph, client: TrackerClient) -> None:
        self.world = FollowWorld(image_size=SIZE)
        self.client = client
        self.graph = graph
        self._seconds = 100.0
        node = graph.node
        self._info = node.create_publisher(CameraInfo, "/camera_info", RELIABLE)
        self._depth = node.create_publisher(Image, "/depth", RELIABLE)
        self.clock = node.create_publisher(Clock, "/clock", RELIABLE)
        # Last, because publishers are announced in their order: whoever hears this one hears the others.
        self.image = node.create_publisher(Image, "/image", RELIABLE)
        self.commands: Inbox = Inbox(graph, TwistStamped, "/cmd_vel")
        self.log: list[tuple[float, float]] = []

    def begin(self, script: Script) -> int:
        """A world from its beginning, with its target set."""
        self.client.remove_all(timeout=PATIENCE)
        self.world = FollowWorld(script, SIZE)
        self.log = []
        header = self.look()
        target = self.client.set_target(self.world.box, stamp=header, label="figure", timeout=PATIENCE)
        self.look()
        return target

    def look(self, image: bool = True) -> Any:
        """Publish what is seen now, and wait until it was answered; gives the header of the picture that was."""
        self._seconds += PERIOD
        if not image:
            return header_at(self._seconds)
        picture = self.world.picture()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            header = header_at(self._seconds)
            self._info.publish(camera_info_message(header, self.world.calibration))
            self._depth.publish(depth_message(header, picture.depth))
            self.image.publish(image_message(header, picture.image))
            if self._is_answered(header):
                return header
            self._seconds += PERIOD  # the world stands still, and the same picture comes anew
        raise AssertionError("no positions came for a picture")

    def _is_answered(self, header: Any) -> bool:
        try:
            self.client.positions(header, timeout=AGAIN)
        except TrackerTimeout:
            return False
        return True

    def tick(self, now: Time, answered: Callable[[], bool]) -> None:
        """Let the follower's clock go on, and wait until that was answered."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.clock.publish(Clock(clock=now))
            again = time.monotonic() + AGAIN
            while time.monotonic() < again:
                if answered():
                    return
                time.sleep(0.002)
            assert time.monotonic() < deadline, "no command came for a step"

    def step(self, following: threading.Thread, image: bool = True) -> None:
        """One period of the world, in which the follower's clock goes on in five steps."""
        began = to_nanoseconds(self.look(image).stamp)
        for part in range(5):
            now = from_nanoseconds(began + int(part * PERIOD / 5 * 1e9))
            self.tick(now, lambda now=now: not following.is_alive() or self.is_commanded(now))
            speeds = (0.0, 0.0)
            if following.is_alive():
                twist = self.commands.messages[-1].twist
                speeds = (twist.linear.x, twist.angular.z)
            self.log.append(speeds)
            self.world.step(*speeds, PERIOD / 5)

    def is_commanded(self, now: Time) -> bool:
        """Whether a command of this time has come."""
        return any(each.header.stamp == now for each in self.commands.messages[-10:])

    @contextmanager
    def following(self, target: int, distance: float, keep: bool) -> Iterator[tuple[threading.Thread, list[Any]]]:
        """A goal on its way in a thread, and where its end will be."""
        ends: list[Any] = []
        feedback: list[Any] = []

        def follow() -> None:
            try:
                ends.append(self.client.follow(target, distance, keep, timeout=1800, on_feedback=feedback.append))
            except TrackerError as error:
                ends.append(error)

        thread = threading.Thread(target=follow)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while not (feedback or ends):  # the follower may have missed the positions of the picture before
            assert time.monotonic() < deadline, "the follower has said nothing"
            self.look()
        yield thread, ends
        thread.join(timeout=PATIENCE)


def outcome(ends: list[Any]) -> int:
    """How a goal ended; one that the follower refused fails here, with the follower's sentence."""
    (end,) = ends
    if isinstance(end, TrackerError):
        raise AssertionError(f"the goal had no end of its own: {end}") from end
    return int(end.outcome)


def hidden_share(world: FollowWorld) -> float:
    """The share of the target that something nearer hides from the robot now; 0 where it is out of the picture."""
    box, depth = world.box, world.picture().depth
    if box is None:
        return 0.0
    rows, columns = slice(round(box.y), round(box.y + box.height)), slice(round(box.x), round(box.x + box.width))
    return float((depth[rows, columns] < world.distance - 0.3).mean())


@pytest.fixture(scope="module")
def loop(ros_environment: Mapping[str, str]) -> Iterator[Loop]:
    graph = Graph()
    environment = dict(ros_environment, OMP_NUM_THREADS="1")
    with ExitStack() as stack:
        stack.callback(graph.close)
        tracker = stack.enter_context(
            NodeProcess(
                {
                    "tracker_config": "careful",
                    "device": "cpu",
                    "reliability": "reliable",
                    "positions": "depth",
                    "detections": "siam_tracker_msgs",
                },
                environment=environment,
            )
        )
        stack.enter_context(
            NodeProcess(
                {"use_sim_time": True, "give_up": 6.0, "patience": 3.0}, environment=environment, program=FOLLOWER
            )
        )
        client = stack.enter_context(TrackerClient(graph.node, TRACKER))
        wait_ready(client, tracker)
        made = stack.enter_context(TrackerClient(graph.node, TRACKER))
        loop = Loop(graph, made)
        wait_until(lambda: loop.image.get_subscription_count() > 0, timeout=PATIENCE, what="the tracker's subscription")
        wait_heard(tracker, PATIENCE)
        wait_until(
            lambda: graph.node.count_subscribers(f"{TRACKER}/target_positions") > 1,
            timeout=PATIENCE,
            what="the follower's subscription beside the client's",
        )
        loop.commands.wait_connected()
        yield loop


@pytest.mark.parametrize(("radius", "loses"), [pytest.param(0.14, False, marks=pytest.mark.slow), (0.3, True)])
def test_the_target_is_followed_behind_a_pillar_and_past_a_look_alike(loop: Loop, radius: float, loses: bool) -> None:
    """The wide pillar hides all of the target: it is LOST, searched for by turning, and found again."""
    target = loop.begin(Script(walk=5.6, pillar_radius=radius))
    hidden, lost = 0.0, False
    with loop.following(target, 1.5, keep=False) as (thread, ends):
        for _ in range(260):
            loop.step(thread)
            if ends:
                break
            track = loop.client.wait_for_track(target, loop.client.latest.header, timeout=PATIENCE)
            hidden = max(hidden, hidden_share(loop.world))
            lost |= track.state == TrackedTarget.STATE_LOST
    assert outcome(ends) == FollowTarget.Result.OUTCOME_REACHED, ends
    assert hidden > (0.99 if loses else 0.5), "the pillar was never in the way"
    assert lost or not loses, "the wide pillar hid too little"
    assert loop.world.distance == pytest.approx(1.5, abs=2.5 * LIMITS.distance_dead_zone)
    assert abs(loop.world.azimuth) < 3 * LIMITS.bearing_dead_zone
    for before, after in zip(loop.log, loop.log[1:], strict=False):
        assert 0 <= after[0] <= LIMITS.max_speed
        assert abs(after[1]) <= LIMITS.max_turn_rate
        if after != (0.0, 0.0):  # a stop is sent at once
            assert after[0] - before[0] <= LIMITS.max_acceleration * PERIOD / 5 + 1e-6
            assert abs(after[1] - before[1]) <= LIMITS.max_turn_acceleration * PERIOD / 5 + 1e-6


def test_it_stops_when_blind_and_goes_on_when_it_sees_again(loop: Loop) -> None:
    target = loop.begin(Script(walk=0.0, pillar=False))
    with loop.following(target, 1.0, keep=True) as (thread, ends):
        for _ in range(12):
            loop.step(thread)
        assert loop.log[-1][0] > 0.1
        moved = len(loop.log)
        for _ in range(5):
            loop.step(thread, image=False)
        assert all(speeds == (0.0, 0.0) for speeds in loop.log[moved + 10 :]), "200 ms without a picture"
        for _ in range(12):
            loop.step(thread)
        assert loop.log[-1][0] > 0.1
        loop.client.remove_target(target, timeout=PATIENCE)
        for _ in range(3):
            loop.step(thread)
        thread.join(PATIENCE)
    assert outcome(ends) == FollowTarget.Result.OUTCOME_LOST, ends
    assert "does not know target" in ends[0].message


@pytest.mark.slow
def test_a_target_that_is_gone_is_searched_for_and_given_up(loop: Loop) -> None:
    target = loop.begin(Script(walk=0.0, pillar=False, look_alike=False, vanishes=1.0))
    with loop.following(target, 1.0, keep=True) as (thread, ends):
        for _ in range(160):
            loop.step(thread)
            if ends:
                break
    assert outcome(ends) == FollowTarget.Result.OUTCOME_LOST, ends
    kinds = [event.kind for event in loop.client.events if event.id == target]
    assert kinds[:2] == [TargetEvent.KIND_SET, TargetEvent.KIND_LOST]
    assert any(forward == 0.0 and abs(turn) > 0.1 for forward, turn in loop.log), "it never turned to search"


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ({"id": 4711, "distance": 1.0}, "there is no target 4711; the targets are"),
        ({"id": 1, "distance": -1.0}, "the distance -1 m is impossible"),
        ({"id": 1, "distance": math.nan}, "the distance nan m is impossible"),
    ],
)
def test_goals_that_cannot_be_followed_are_refused_in_words(loop: Loop, goal: dict[str, Any], words: str) -> None:
    loop.begin(Script(pillar=False))
    with pytest.raises(TrackerError, match=words):
        loop.client.follow(**goal, timeout=PATIENCE)


def test_the_frame_must_be_known(loop: Loop) -> None:
    target = loop.begin(Script(pillar=False))
    loop.look()
    with pytest.raises(TrackerError, match="the frame 'gripper'"):
        loop.client.follow(target, 1.0, frame_id="gripper", timeout=PATIENCE)


@pytest.mark.slow
def test_the_example_follows_the_best_detection(loop: Loop, repository_root: Path) -> None:
    """Its process is on the clock of the machine; the world waits for it as long as it starts."""
    loop.begin(Script(walk=0.0, pillar=False))
    loop.client.remove_all(timeout=PATIENCE)
    publisher = loop.graph.node.create_publisher(TrackedTargetArray, "/detections", RELIABLE)
    wait_until(publisher.get_subscription_count, PATIENCE, "the tracker's subscription to detections")
    box = loop.world.box
    assert box is not None
    found = TrackedTarget(x=box.x, y=box.y, width=box.width, height=box.height, label="person", score=0.9)
    example = subprocess.Popen(
        [sys.executable, str(repository_root / "examples" / "follow_from_detection.py"), "person", "1.5"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = _operated(loop, example, publisher, found)
    finally:
        example.kill()
    assert example.returncode == 0, said
    assert "the target is where it should be (at 1." in said
    assert "was set" in said


def _operated(loop: Loop, example: subprocess.Popen[str], publisher: Any, found: TrackedTarget) -> str:
    """Run the world until the example has ended; what it said."""
    waiting = threading.Thread(target=example.wait)
    waiting.start()
    loop.commands.messages.clear()
    while waiting.is_alive() and not loop.commands.messages:
        # The world stands still and the clock goes on: a detection must be of a picture that the tracker still has.
        header = loop.look()
        publisher.publish(TrackedTargetArray(header=header, targets=[found]))
        loop.clock.publish(Clock(clock=header.stamp))
        time.sleep(0.05)
    for _ in range(200):
        if not waiting.is_alive():
            break
        loop.step(waiting)
    said, _ = example.communicate(timeout=PATIENCE)
    return said
