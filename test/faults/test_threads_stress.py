"""Many threads at the tracking loop, with a switch between two bytecodes: no request is lost, no count is wrong.

Free-threaded builds of Python promise no less than this: what is shared is under the loop's one lock (queue, ring and
which targets there are), under a lock of its own (statistics, complaints), or belongs to the tracking thread alone.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tracker_graph import wait_until

from siam_tracker_core import Box, TrackResult, TrackState
from siam_tracker_core.threads import ThreadChooser
from siam_tracker_ros.image_conversion import bgr_to_message
from siam_tracker_ros.node import followed
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.commands import Refused, RemoveCommand, SetCommand
from siam_tracker_ros.node.ring import FrameRing
from siam_tracker_ros.node.statistics import Statistics
from siam_tracker_ros.node.tracking_loop import TrackingLoop
from siam_tracker_ros.stamps import from_nanoseconds

LIMIT = 8


class StillGroup:
    """Finds every target where it was set; as strict about ids as the real one."""

    def __init__(self, tracker: object) -> None:
        self.boxes: dict[Any, Box] = {}

    def init(self, target: Any, image: Any, box: Box) -> None:
        self.boxes[target] = box

    def remove(self, target: Any) -> None:
        del self.boxes[target]

    def learn(self) -> None:
        pass

    def pass_over(self, reason: str) -> None:
        pass

    def update(self, image: Any, only: Any, learn: bool) -> dict[Any, TrackResult]:
        return {each: TrackResult(self.boxes[each], 1.0, TrackState.TRACKING) for each in only}


@pytest.fixture
def hasty() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_images_requests_and_readers_from_many_threads(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "TrackerGroup", StillGroup)
    answers: list[Answer] = []
    reports: list[str] = []
    statistics = Statistics()
    loop = TrackingLoop(
        None,  # type: ignore[arg-type]
        answers.append,
        lambda answer: None,
        lambda kind, sentence: reports.append(sentence),
        ThreadChooser((1,), lambda count: None),
    )
    loop.start(FrameRing(20, 1, "/image"), statistics)
    ended = threading.Event()
    outcomes: list[str] = []
    most = 0

    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)  # a flat one is complained of

    def film() -> None:
        for number in range(1, 500):
            image = bgr_to_message(picture)
            image.header.stamp = from_nanoseconds(number * 1_000_000)
            loop.offer(image)
            time.sleep(0.001)
        ended.set()

    def ask(worker: int) -> None:
        while not ended.is_set():
            command = SetCommand(0, Box(5, 5, 20, 20), label=str(worker))
            try:
                loop.set_target(command, LIMIT)
                target = command.answer.result(30)
                removal = RemoveCommand(target)
                loop.remove(removal)
                outcomes.append("removed" if removal.answer.result(30) == 1 else "?")
            except Refused as error:
                outcomes.append("refused" if "max_targets" in str(error) or "no image" in str(error) else str(error))

    def read() -> None:
        nonlocal most
        while not ended.is_set():
            most = max(most, len(loop.targets))
            loop.saved()
            assert loop.trouble(60.0) is None
            statistics.snapshot()

    threads = [threading.Thread(target=film), *(threading.Thread(target=ask, args=(i,)) for i in range(12))]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    wait_until(lambda: not loop.targets)
    assert set(outcomes) <= {"removed", "refused"}
    assert outcomes.count("removed") > 20
    assert 1 <= most <= LIMIT
    assert reports == []
    assert loop.stop(30.0)
    figures = statistics.snapshot()
    assert figures.received == 499
    assert figures.processed + figures.skipped in (498, 499)
    assert len(answers) == figures.processed
    numbers = [answer.image.number for answer in answers]
    assert numbers == sorted(set(numbers))


def test_nobody_waits_for_ever_when_the_loop_stops(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "TrackerGroup", StillGroup)
    for _ in range(20):
        loop = TrackingLoop(
            None,  # type: ignore[arg-type]
            lambda answer: None,
            lambda answer: None,
            lambda kind, sentence: None,
            ThreadChooser((1,), lambda count: None),
        )
        loop.start(FrameRing(20, 1, "/image"), Statistics())
        commands: list[SetCommand] = []

        def ask(loop: TrackingLoop = loop, commands: list[SetCommand] = commands) -> None:
            for _ in range(50):
                command = SetCommand(10**9, Box(5, 5, 20, 20), image_deadline=time.monotonic() + 3600)
                try:
                    loop.set_target(command, 1000)
                except Refused:
                    return
                commands.append(command)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert loop.stop(30.0)
        for thread in threads:
            thread.join(30)
        for command in commands:
            with pytest.raises(Refused):
                command.answer.result(5)
