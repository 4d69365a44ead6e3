"""What tests of several runtimes share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.runtimes.choosing import Wish, installed
from siam_tracker_core.zoo import torch_device


@pytest.fixture(autouse=True)
def _auto_as_users_have_it(monkeypatch):
    """Undo what the other tests do to runtime ``auto``."""
    monkeypatch.setattr("siam_tracker_core.loading.installed", installed)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for graphs, so that each network is exported once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="session")
def footage():
    """Sixty frames of a made sequence, between the pillar and the look-alike.

    While the target is hidden the highest of many low responses is taken, and the last bit decides which one it is.
    """
    whole = made_sequence(frames=108, size=(320, 240), seed=2)
    return replace(whole, frames=whole.frames[48:], boxes=whole.boxes[48:])


@pytest.fixture
def wish(tmp_path):
    """Makes a wish for the CPU with a cache of its own."""

    def make(runtime="auto", precision="auto", threads=None):
        return Wish(runtime, precision, torch_device("cpu"), threads, tmp_path / "cache")

    return make
