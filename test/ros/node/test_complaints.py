"""Complaints are limited by kind, from any thread."""

from __future__ import annotations

import sys
import threading

from siam_tracker_ros.node.complaints import Complaints


def test_sentences_of_one_kind_are_held_back_together_and_counted() -> None:
    now = [0.0]
    said: list[str] = []
    complain = Complaints(said.append, seconds=5.0, clock=lambda: now[0])
    for number in range(40):
        complain("truncated image", f"the image has {number} bytes")
        now[0] += 0.03
    complain("time jumped back", "time jumped back")
    assert said == ["the image has 0 bytes", "time jumped back"]
    now[0] = 5.1
    complain("truncated image", "the image has 99 bytes")
    assert said[-1] == "the image has 99 bytes (39 more of this kind since the last time this was said)"
    now[0] = 11.0
    complain("truncated image", "the image has 100 bytes")
    assert said[-1] == "the image has 100 bytes"


def test_many_kinds_do_not_fill_the_memory() -> None:
    complain = Complaints(lambda sentence: None)
    for number in range(10_000):
        complain(f"target {number}", "is lost")
    assert len(complain._said) <= 101


def test_one_of_a_kind_gets_through_from_many_threads() -> None:
    said: list[str] = []
    complain = Complaints(said.append, seconds=60.0)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda: [complain("kind", "words") for _ in range(500)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert said == ["words"]
    assert complain._said["kind"][1] == 8 * 500 - 1
