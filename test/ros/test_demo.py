"""The demo, short: everything that it promises is there, twice in a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siam_tracker_ros.demo import main


def test_the_demo_leaves_what_it_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    arguments = ["--out", str(out), "--frames", "12", "--device", "cpu"]
    assert main([*arguments, "--beside", ""]) == 0
    assert not (out / "beside").exists()
    notes = out / "notes.txt"
    notes.write_text("mine")
    assert main(arguments) == 0, "a second run replaces the first"
    assert notes.read_text() == "mine"
    scores = json.loads((out / "scores.json").read_text())
    assert scores["frames"] == 12
    assert scores.keys() >= {"success_auc", "precision_20", "frames", "frames_lost", "latency_ms"}
    assert scores["latency_ms"].keys() == {"p50", "p95"}
    for name in ("report.html", "tracks.csv", "overlay.mp4", "bag/metadata.yaml", "beside/overlay.mp4"):
        assert (out / name).stat().st_size > 0
    printed = capsys.readouterr().out
    assert str(out / "report.html") in printed
    assert "success (AUC)" in printed
    assert "siamban_mobilenetv2 on the same:" in printed
    assert f"siam-tracker serve {out / 'bag'}" in printed.splitlines()[-1]


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file"), "--frames", "2"]) == 1
    assert capsys.readouterr().err.startswith("demo: ")
