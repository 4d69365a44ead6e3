"""Results of several trackers on several sequences."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_results import made_result, write_frames

from siam_tracker_core.evaluation.results import SequenceResult


@pytest.fixture
def many(tmp_path: Path) -> dict[str, list[SequenceResult]]:
    frames = write_frames(tmp_path)
    sequences = ("first & <last>", "second/2", "third", "fourth", "fifth", "sixth")
    return {
        "worse": [made_result(name, 40 + 5 * place, frames=frames) for place, name in enumerate(sequences)],
        "better": [made_result(name, 10, states=True, frames=frames) for name in sequences],
    }
