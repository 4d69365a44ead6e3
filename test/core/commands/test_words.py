"""Command lines as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from siam_tracker_core.cli import main
from siam_tracker_core.commands.words import fill_flags, join_lists, plain_words, underscored


def command(
    root: Path, trackers: list[str] | str = "siamfc", sizes: tuple[int, ...] = (1,), resume: bool = False
) -> None: ...


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["d", "--resume"], ["d", "--resume", "true"]),
        (["--resume", "--root", "d"], ["--resume", "true", "--root", "d"]),
        (["--resume", "false", "d"], ["--resume", "false", "d"]),
        (["--resume", "d"], ["--resume", "true", "d"]),
        (["--root", "d"], ["--root", "d"]),
        ([], []),
    ],
)
def test_a_flag_needs_no_value(words: list[str], expected: list[str]) -> None:
    assert fill_flags(command, words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--trackers", "a", "b", "--root", "d"], ["--trackers", '["a", "b"]', "--root", "d"]),
        (["--trackers", "a,b"], ["--trackers", "a,b"]),
        (["--sizes", "1", "2"], ["--sizes", "[1, 2]"]),
        (["--root", "d", "e"], ["--root", "d", "e"]),
    ],
)
def test_a_list_goes_to_the_next_option(words: list[str], expected: list[str]) -> None:
    assert join_lists(command, words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--vot-ini", "a-b.ini"], ["--vot_ini", "a-b.ini"]),
        (["--vot-ini=a-b.ini"], ["--vot_ini=a-b.ini"]),
        (["--vot_ini", "--no-such-option"], ["--vot_ini", "--no-such-option"]),
        (["vot-ini"], ["vot-ini"]),
    ],
)
def test_options_may_be_written_with_hyphens(words: list[str], expected: list[str]) -> None:
    def with_underscore(vot_ini: str) -> None: ...

    assert underscored(with_underscore, words) == expected


def test_both_in_one_line() -> None:
    words = plain_words(command, ["--trackers", "a", "b", "--resume"])
    assert words == ["--trackers", '["a", "b"]', "--resume", "true"]


def test_the_zoo_is_listed_for_vot_toolkit_as_its_documentation_says(tmp_path: Path) -> None:
    assert main(["zoo", "--vot-ini", str(tmp_path / "trackers.ini")]) == 0
    assert "trax --tracker siamfc" in (tmp_path / "trackers.ini").read_text()
