"""A made sequence, and a bag of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_bag import FRAMES, write_bag

from siam_tracker_core.datasets.made import MadeSequence, made_sequence


@pytest.fixture(scope="session")
def made() -> MadeSequence:
    return made_sequence(frames=FRAMES, size=(320, 240))


@pytest.fixture(scope="session")
def bag(made: MadeSequence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(made, tmp_path_factory.mktemp("bags") / "made")
