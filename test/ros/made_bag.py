"""What the tests of bags through the node share: a bag with a known target, and what an evaluation leaves."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from siam_tracker_core.bags import BagOptions, write_sequence_bag
from siam_tracker_core.datasets.made import MadeSequence

FRAMES = 16


def write_bag(made: MadeSequence, out: Path, **options: str) -> Path:
    options_ = BagOptions(**options)  # type: ignore[arg-type]
    return write_sequence_bag(out, made.frames, made.boxes, made.rate, "cat", options_, progress=False)


def read_tracks(out: Path) -> list[dict[str, str]]:
    with (out / "tracks.csv").open() as file:
        return list(csv.DictReader(file))


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluate_bag: ")]
    assert len(lines) == 1
    return lines[0]
