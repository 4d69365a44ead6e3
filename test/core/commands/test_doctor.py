"""What the doctor says of machines that are well and of machines that are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import siam_tracker_core
from siam_tracker_core.cli import main
from siam_tracker_core.commands import checks, doctor
from siam_tracker_core.commands.checks import Finding
from siam_tracker_core.datasets.made import made_sequence


def only(found: list[Finding], subject: str) -> Finding:
    (finding,) = (each for each in found if each.subject == subject)
    return finding


def test_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"siam-tracker {siam_tracker_core.__version__}\n"


def test_doctor_tells_a_script_and_a_person_the_same(capsys, monkeypatch):
    found = [Finding("Python", "good", "3.12.1"), Finding("OpenCV", "wrong", "two wheels", "remove one")]
    monkeypatch.setattr(doctor, "all_findings", lambda: found)
    with pytest.raises(SystemExit) as exit_:
        main(["doctor", "--json"])
    assert exit_.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["subject"] for each in told] == ["Python", "OpenCV"]
    with pytest.raises(SystemExit):
        main(["doctor"])
    text = capsys.readouterr().out
    assert "-> remove one" in text
    assert "1 of 2 do not work" in text


def test_every_trouble_has_a_remedy():
    found = checks.all_findings()
    assert {"Python", "PyTorch", "Cores", "OpenCV"} <= {each.subject for each in found}
    assert [each for each in found if each.level != "good" and not each.remedy] == []


def test_a_check_that_fails_is_a_finding(monkeypatch):
    def broken() -> list[Finding]:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(checks, "CHECKS", (broken, checks.python))
    failed, python = checks.all_findings()
    assert (failed.level, python.level) == ("wrong", "good")
    assert "nothing to divide by" in failed.state


def test_old_python_and_two_opencvs_are_wrong():
    assert only(checks.python((3, 9, 1)), "Python").level == "wrong"
    both = only(checks.opencv(["numpy", "opencv-python", "opencv-contrib-python-headless"]), "OpenCV")
    assert both.level == "wrong"
    assert "pip uninstall opencv-contrib-python-headless opencv-python" in both.remedy
    assert only(checks.opencv(["opencv-contrib-python-headless"]), "OpenCV").level == "good"


def test_profile_of_fast_dds_must_be_there(tmp_path):
    name = checks.PROFILE_VARIABLES[0]
    assert only(checks.middleware({}), "Fast DDS profile").level == "note"
    assert only(checks.middleware({name: str(tmp_path / "absent.xml")}), "Fast DDS profile").level == "wrong"
    (tmp_path / "there.xml").write_text("<dds/>")
    assert only(checks.middleware({name: str(tmp_path / "there.xml")}), "Fast DDS profile").level == "good"
    assert {each.subject for each in checks.middleware({"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"})} == {"RMW"}


def test_changed_weights_are_named(tmp_path, repository_root):
    zoo = yaml.safe_load((repository_root / "weights" / "zoo.yaml").read_text(encoding="utf-8"))
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"siamfc": zoo["siamfc"]}))
    (tmp_path / "siamfc.safetensors").write_bytes(b"something else")
    (finding,) = checks.weights(tmp_path)
    assert (finding.subject, finding.level) == ("weights of siamfc", "wrong")


def test_piped_track_writes_no_progress_bar(repository_root, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(repository_root)}
    folder = made_sequence(frames=3, size=(320, 240)).write_otb_form(tmp_path / "made")
    command = [sys.executable, "-m", "siam_tracker_core.cli", "track", str(folder), "--tracker", "siamfc"]
    command += ["--runtime", "torch"]  # others would have graphs written first
    box = (folder / "groundtruth_rect.txt").read_text().splitlines()[0].replace("\t", ",")
    tracked = subprocess.run(
        [*command, "--init", box, "--out", str(tmp_path / "tracks.csv")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tracked.returncode == 0, tracked.stderr
    assert "\r" not in tracked.stderr
    assert "it/s" not in tracked.stderr
    assert Path(tmp_path / "tracks.csv").is_file()
