"""Command lines as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonargparse import auto_cli

from siam_tracker_core.cli import main
from siam_tracker_core.commands.words import fill_flags, join_lists, named_positionals, plain_words, underscored


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
        (["--sizes", "1", "--sizes=2"], ["--sizes", "[1, 2]"]),
        (["--trackers", "a", "--root", "d", "--trackers", "b", "c"], ["--trackers", '["a", "b", "c"]', "--root", "d"]),
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


ODD = ["o'neil", "my run", "a+b c", "a: b", "#1", "yes", "~", "{a}", "1e3", "007", '"q"', "*x", "&y", "a\\b", "é=ü"]


@pytest.mark.parametrize("name", ODD)
def test_no_letter_of_a_name_means_anything(name: str) -> None:
    told: dict[str, object] = {}

    def take(root: Path, trackers: list[str] | str = "", out: Path | None = None) -> None:
        told.update(root=str(root), trackers=trackers, out=str(out))

    for words, trackers in (
        (["--trackers", name], name),
        (["--trackers", name, "b"], [name, "b"]),
        (["--trackers", name, "--trackers", "b"], [name, "b"]),
    ):
        given = plain_words(take, [name, *words, "--out", name])
        auto_cli(take, args=given, as_positional=True)
        assert Path(str(told["root"])) == Path(str(told["out"])) == Path(name)
        assert told["trackers"] in (trackers, [trackers])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["siamfc", "d"], ["siamfc", "d"]),
        (["siamfc", "--root", "d", "--seed", "1"], ["siamfc", "d", "--seed", "1"]),
        (["--root=d", "--seed", "1", "--tracker", "siamfc"], ["siamfc", "d", "--seed", "1"]),
        (["--seed", "1"], ["--seed", "1"]),
    ],
)
def test_what_has_a_place_may_be_named(words: list[str], expected: list[str]) -> None:
    def tune(tracker: str, root: Path, seed: int = 0) -> None: ...

    assert named_positionals(tune, words) == expected


def test_both_in_one_line() -> None:
    words = plain_words(command, ["--trackers", "a", "b", "--resume"])
    assert words == ["--trackers", '["a", "b"]', "--resume", "true"]


def test_the_zoo_is_listed_for_vot_toolkit_as_its_documentation_says(tmp_path: Path) -> None:
    assert main(["zoo", "--vot-ini", str(tmp_path / "trackers.ini")]) == 0
    assert "trax --tracker siamfc" in (tmp_path / "trackers.ini").read_text()
