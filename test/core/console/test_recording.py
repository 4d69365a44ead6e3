"""Bags that begin one after the other, and disks that fail."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from siam_tracker_core.console import recording
from siam_tracker_core.console.recording import TEXT, BagRecorder, text_bytes


def test_two_bags_may_begin_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(recording.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(recording, "datetime", Stopped)
    recorder = BagRecorder(tmp_path, lambda *words: None)
    folders = []
    for _ in range(3):
        folders.append(recorder.start())
        assert recorder.stop() == folders[-1]
    assert [Path(folder).name for folder in folders] == [
        f"console_2026-01-02_03-04-05{end}" for end in ("", "_2", "_3")
    ]


def test_a_disk_that_fails_while_the_bag_is_finished_holds_nobody_up(tmp_path: Path) -> None:
    """The queue is full and the writer fails just then: whoever stops the recording waited for room for ever."""
    said: list[str] = []
    recorder = BagRecorder(tmp_path, lambda text, level: said.append(text))
    folder = recorder.start()
    stopped = threading.Event()

    def fail() -> bytes:
        stopped.wait(30)
        raise OSError(28, "No space left on device")

    recorder.put("/words", TEXT, 1, fail)
    deadline = time.monotonic() + 30
    while recorder._queue is not None and not recorder._queue.full() and time.monotonic() < deadline:
        recorder.put("/words", TEXT, 2, lambda: text_bytes("one more"))
    stopping = threading.Thread(target=recorder.stop, daemon=True)
    stopping.start()
    while recorder.is_running and time.monotonic() < deadline:
        time.sleep(0.001)
    stopped.set()
    stopping.join(30)
    assert not stopping.is_alive()
    assert any(folder in text and "No space left on device" in text for text in said)
