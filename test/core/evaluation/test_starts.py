"""Runs from the middle and backward are the sequence's own frames, begin on the target and keep its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.seen import seen_among
from siam_tracker_core.evaluation.starts import from_starts, without_start


def sequence(count: int, absent: tuple[int, ...] = (), name: str = "clip") -> Sequence:
    """Frame ``n`` is called ``n`` and has a box at ``n``."""
    boxes = np.column_stack([np.arange(count), np.zeros(count), np.full((count, 2), 9.0)])
    boxes[list(absent)] = np.nan
    odd = np.arange(count) % 2 == 1
    return Sequence(name, tuple(Path(str(index)) for index in range(count)), boxes, tags={"odd": odd})


def numbers(run: Sequence) -> list[int]:
    return [int(frame.name) for frame in run.frames]


def test_each_run_has_the_frames_of_its_direction() -> None:
    whole = sequence(25)
    first, middle, last = from_starts([whole], ["first", "middle", "last"])
    assert first is whole
    assert (middle.name, numbers(middle)) == ("clip@middle", list(range(12, 25)))
    assert (last.name, numbers(last)) == ("clip@last", list(range(24, -1, -1)))
    for run in (middle, last):
        assert run.boxes[:, 0].tolist() == numbers(run)
        assert run.tags["odd"].tolist() == [number % 2 == 1 for number in numbers(run)]


def test_a_run_begins_at_the_next_frame_with_the_target() -> None:
    absent = (12, 13, 24)
    middle, last = from_starts([sequence(30, absent=(15, 16, 29))], ["middle", "last"])
    assert numbers(middle)[0] == 17
    assert numbers(last)[0] == 28
    assert np.isnan(from_starts([sequence(25, absent)], ["last"])[0].boxes[:, 0]).sum() == 2


def test_what_is_too_short_is_left_out() -> None:
    assert [run.name for run in from_starts([sequence(18), sequence(19, name="long")], ["middle", "last"])] == [
        "clip@last",
        "long@middle",
        "long@last",
    ]
    assert len(from_starts([sequence(2)], ["first"])) == 1
    with pytest.raises(ConfigError, match="no sequence has 10 frames to run from middle; add first"):
        from_starts([sequence(18)], ["middle"])


@pytest.mark.parametrize(("words", "sentence"), [([], "no start was named"), (["end"], "'end' is no start")])
def test_other_words_are_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        from_starts([sequence(20)], words)


def test_a_run_counts_as_its_sequence_where_training_has_seen_it() -> None:
    assert without_start("clip@last") == "clip"
    assert without_start("mail@home") == "mail@home"
    names = ["clip", "clip@middle", "other@last", "clip.2@last"]
    assert seen_among(names, {"sequences": ["clip"]}) == ["clip", "clip@middle", "clip.2@last"]
