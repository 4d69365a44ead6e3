"""A made sequence to write into bags."""

from __future__ import annotations

import numpy as np
import pytest
from made_bags import FRAMES

from siam_tracker_core.datasets.made import MadeSequence, made_sequence


@pytest.fixture(scope="module")
def made() -> MadeSequence:
    sequence = made_sequence(frames=FRAMES, size=(160, 120))
    sequence.boxes[3] = np.nan
    return sequence
