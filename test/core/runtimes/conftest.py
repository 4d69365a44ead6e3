"""What tests of several runtimes share."""

from __future__ import annotations

import pytest

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.runtimes.choosing import Wish
from siam_tracker_core.zoo import torch_device


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for graphs, so that each network is exported once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="session")
def footage():
    """Sixty frames of a made sequence."""
    return made_sequence(frames=60, size=(320, 240), seed=2)


@pytest.fixture
def wish(tmp_path):
    """Makes a wish for the CPU with a cache of its own."""

    def make(runtime="auto", precision="auto", threads=None):
        return Wish(runtime, precision, torch_device("cpu"), threads, tmp_path / "cache")

    return make
