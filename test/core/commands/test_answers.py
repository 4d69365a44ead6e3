"""Answers for scripts: with --json standard output is one JSON value, whatever else is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siam_tracker_core.cli import main
from siam_tracker_core.commands.answers import answering
from siam_tracker_core.datasets.made import made_sequence


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence whose folder has a space, an apostrophe and a plus sign in its name."""
    folder = tmp_path_factory.mktemp("somebody's own footage + more")
    return made_sequence(frames=4, size=(320, 240), seed=3).write_otb_form(folder / "it's made")


def answer(capsys: pytest.CaptureFixture, *words: str) -> dict:
    capsys.readouterr()
    assert main(list(words)) == 0
    return json.loads(capsys.readouterr().out)


def test_people_are_told_elsewhere(capsys: pytest.CaptureFixture) -> None:
    with answering(True) as told:
        print("for people")
        told["path"] = Path("a b")
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"path": "a b"}, "for people\n")
    with answering(False) as told:
        print("for people")
        told["path"] = Path("a b")
    assert capsys.readouterr() == ("for people\n", "")


def test_nothing_is_answered_by_a_command_that_fails(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError), answering(True) as told:
        told["half"] = 1 / 0
    assert capsys.readouterr().out == ""


def test_track_and_evaluate_answer_on_paths_with_odd_letters(sequence: Path, capsys: pytest.CaptureFixture) -> None:
    box = (sequence / "groundtruth_rect.txt").read_text().splitlines()[0].replace("\t", ",")
    out = sequence.parent / "track's + end.csv"
    words = ["--init", box, "--out", str(out), "--tracker", "siamfc", "--json"]
    told = answer(capsys, "track", str(sequence), *words)
    counts = {"frames": 4, "uncertain": 0, "lost": 0}
    assert told == {"tracker": "siamfc", **counts, "out": str(out), "overlay": None}
    assert len(out.read_text().splitlines()) == 5

    results = sequence.parent / "kcf & co"
    words = ["--root", str(sequence), "--out", str(results), "--trackers", "kcf", "--trackers", "mil", "--json"]
    told = answer(capsys, "evaluate", "folder", *words)
    assert set(told["trackers"]) == {"kcf", "mil"}
    assert all(0 <= figures["success_auc"] <= 1 for figures in told["trackers"].values())
    assert Path(told["report"]).parent == results


def test_analyse_answers_what_it_tells(capsys: pytest.CaptureFixture) -> None:
    told = answer(capsys, "analyse", "alexnet", "--json")
    assert (told["stride"], told["receptive_field"], told["padded_cells"]) == (8, 87, 0)
    assert [rule["number"] for rule in told["guidelines"]] == [1, 2, 3, 4]


def test_benchmark_answers_without_tables(capsys: pytest.CaptureFixture) -> None:
    words = ["--trackers", "siamban_mobilenetv2", "--targets", "1", "2", "--frames", "2", "--device", "cpu", "--json"]
    told = answer(capsys, "benchmark", *words)
    assert [cost["targets"] for cost in told["targets"]["siamban_mobilenetv2"]] == [1, 2]
    assert told["machine"]["cores"] >= 1
