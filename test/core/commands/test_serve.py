"""``siam-tracker serve``: what cannot be, and its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from siam_tracker_core.commands import serve as command
from siam_tracker_core.console import ServerOptions
from siam_tracker_core.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": ""}, "the host is empty"),
        ({"max_clients": 0}, "max_clients is 0; give 1 or more"),
        ({"port": 70000}, "from 0 to 65535"),
    ],
)
def test_what_nobody_could_open_is_refused_before_anything_is_loaded(
    options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "VideoSession", lambda *_: pytest.fail("a tracker is loaded"))
    with pytest.raises(ConfigError, match=words):
        command.serve("video.mp4", **options)


@pytest.mark.parametrize(("is_working", "statuses"), [(True, [0]), (False, [])])
def test_the_process_does_not_wait_for_a_network_at_work(
    is_working: bool, statuses: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own end under a network at work was a crash."""
    done: list[str] = []

    class Session:
        def __init__(self, *_: object) -> None:
            self.is_working = is_working

        def start(self) -> None:
            done.append("start")

        def close(self) -> None:
            done.append("close")

    class Server:
        def __init__(self, session: Session, access: object, options: ServerOptions, version: str) -> None:
            pass

        def start(self) -> None:
            raise KeyboardInterrupt

        def stop(self) -> None:
            done.append("stop")

    ended: list[int] = []
    monkeypatch.setattr(command, "VideoSession", Session)
    monkeypatch.setattr(command, "ConsoleServer", Server)
    monkeypatch.setattr(os, "_exit", ended.append)
    command.serve("video.mp4", port=0)
    assert (done, ended) == (["start", "stop", "close"], statuses)
