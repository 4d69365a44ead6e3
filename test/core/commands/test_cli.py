"""The command line as a user meets it."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

import cv2
import pytest

from siam_tracker_core.cli import main
from siam_tracker_core.commands.listing import COMMANDS
from siam_tracker_core.datasets.made import made_sequence

CONFIGS = Path(__file__).parents[3] / "config" / "train"


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    return made_sequence(frames=5, size=(320, 240), seed=3).write_otb_form(tmp_path_factory.mktemp("made") / "made")


def box_text(folder: Path) -> str:
    return (folder / "groundtruth_rect.txt").read_text().splitlines()[0].replace("\t", ",")


def test_help_lists_all_commands(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"siam-tracker {command}" in capsys.readouterr().out


def test_unknown_command(capsys):
    assert main(["fly"]) == 2
    assert "'fly'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("track v.mp4 --frames abc", "track: --frames abc is not a whole number"),
        ("track v.mp4 --contrast-low x", "track: --contrast_low x is not a number"),
        ("track v.mp4 --orientation up", "track: --orientation up is not one of exif, stored"),
        ("track v.mp4 --trackr x", "track: unrecognized arguments: --trackr x"),
        ("track --init", "track: --init: expected one argument"),
        ("evaluate otb --trackers", "evaluate: --trackers: expected one argument"),
        ("evaluate", "evaluate: the following arguments are required: benchmark"),
        ("train --data 5", "train: --data 5 is not a mapping"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_sentence(words, told, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(words.split())
    assert exit_.value.code == 2
    command = f"siam-tracker {words.split()[0]}"
    assert capsys.readouterr().err == f"siam-tracker {told}; {command} --help tells the options\n"


def test_track_writes_csv_and_overlay(sequence, tmp_path, capsys):
    out, overlay = tmp_path / "tracks.csv", tmp_path / "overlay.mp4"
    options = ["--init", box_text(sequence), "--out", str(out), "--overlay", str(overlay), "--device", "cpu"]
    assert main(["track", str(sequence), *options]) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert all(float(row["width"]) > 0 and 0 <= float(row["score"]) <= 1 for row in rows)
    video = cv2.VideoCapture(str(overlay))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
    assert "5 frames" in capsys.readouterr().out

    # The overlay is a video file in its own right.
    again = tmp_path / "again.csv"
    assert main(["track", str(overlay), "--init", box_text(sequence), "--out", str(again), "--frames", "3"]) == 0
    assert len(again.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["no_such_thing", "--init", "1,2,3,4"], "neither a video file"),
        (["{sequence}", "--init", "1,2,3"], "x,y,width,height"),
        (["{sequence}", "--init", "900,900,20,20"], "outside the 320x240 image"),
        (["{sequence}", "--init", "10,10,20,20", "--tracker", "nobody"], "no tracker 'nobody'"),
        (["{sequence}", "--init", "10,10,20,20", "--start", "99"], "no frame 99"),
        (["{sequence}"], "--init"),
    ],
)
def test_mistakes_are_told_in_a_sentence(sequence, tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    given = [option.format(sequence=sequence) for option in options]
    assert main(["track", *given, "--out", str(tmp_path / "t.csv")]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_signals_are_as_they_were_when_a_command_has_ended(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["zoo"]) == 0
    assert main(["track", "no_such_thing", "--init", "1,2,3,4"]) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_zoo_lists_siamfc(capsys):
    assert main(["zoo"]) == 0
    assert "siamfc" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "config"), [("pretrain", "distil_alexnet"), ("train", "siamfc")])
def test_training_configs_are_valid(command, config, capsys):
    needed = ["teacher.safetensors"] if command == "pretrain" else []
    with pytest.raises(SystemExit) as exit_:
        main([command, "--config", str(CONFIGS / f"{config}.yaml"), "--out", "runs/x", *needed, "--print_config"])
    assert exit_.value.code == 0
    assert "steps_per_epoch" in capsys.readouterr().out
