"""``siam-tracker evaluate`` from the words on the command line to the files in the folder."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from siam_tracker_core.cli import main
from siam_tracker_core.commands.evaluate import REPETITIONS, evaluate
from siam_tracker_core.commands.sequences import VERSIONS, tracker_names
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.vot.efo import read_performance
from siam_tracker_core.zoo import read_zoo

needs_kcf = pytest.mark.skipif(not hasattr(cv2, "TrackerKCF_create"), reason="this OpenCV has no KCF")


def write_sequence(folder: Path, frames: int = 6) -> None:
    (folder / "img").mkdir(parents=True)
    texture = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    for index in range(frames):
        cv2.imwrite(str(folder / "img" / f"{index + 1:04d}.png"), texture)
    (folder / "groundtruth_rect.txt").write_text("21,31,40,30\n" * frames)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        write_sequence(tmp_path / "videos" / name)
    return tmp_path / "videos"


@needs_kcf
def test_a_folder_from_the_words_to_the_report(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["folder", "--root", str(root), "--trackers", "kcf", "csrt", "--out", str(out), "--frames", "4"]
    assert main(["evaluate", *words]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) == {"kcf", "csrt"}
    assert summary["kcf"]["frames"] == 8
    assert (out / "results" / "kcf" / "one.csv").is_file()
    printed = capsys.readouterr().out
    assert "| kcf " in printed
    assert "report.html" in printed
    command = f"siam-tracker evaluate folder --root {root} --trackers kcf csrt --out {out} --frames 4"
    assert command in (out / "report.html").read_text()


@needs_kcf
def test_a_folder_alone_will_do(root: Path, tmp_path: Path) -> None:
    arguments = ["--trackers", "kcf", "--out", str(tmp_path / "out"), "--frames", "2"]
    assert main(["evaluate", str(root), *arguments]) == 0
    assert main(["evaluate", str(root / "one"), *arguments, "--fresh"]) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["kcf"]["sequences"] == 1
    assert main(["evaluate", str(root), *arguments, "--sequences", "two"]) == 0
    assert json.loads((tmp_path / "out" / "sequences.json").read_text())[0]["sequence"] == "two"


@needs_kcf
@needs_kcf
def test_each_start_is_a_run(tmp_path: Path) -> None:
    write_sequence(tmp_path / "clip", frames=20)
    out = tmp_path / "out"
    words = ["evaluate", str(tmp_path / "clip"), "--trackers", "kcf", "--out", str(out)]
    assert main([*words, "--starts", "first", "middle", "last", "--sequences", "clip"]) == 0
    summary = json.loads((out / "summary.json").read_text())["kcf"]
    assert (summary["sequences"], summary["frames"]) == (3, 20 + 10 + 20)
    assert sorted(path.stem for path in (out / "results" / "kcf").glob("*.csv")) == ["clip", "clip@last", "clip@middle"]
    assert [run["sequence"] for run in json.loads((out / "sequences.json").read_text())]


@pytest.mark.slow
def test_a_data_set_with_attributes(tmp_path: Path) -> None:
    """DTB70 has as many folders as its name says; two frames each will do."""
    from siam_tracker_core.datasets.benchmark_files import read_table

    names = list(read_table("dtb70"))
    root = tmp_path / "DTB70"
    write_sequence(root / names[0], 2)
    for name in names[1:]:
        (root / name).mkdir()
        (root / name / "img").symlink_to(root / names[0] / "img")
        (root / name / "groundtruth_rect.txt").write_text("21,31,40,30\n" * 2)
    assert main(["evaluate", "dtb70", "--root", str(root), "--trackers", "kcf", "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["kcf"]["sequences"] == len(names) == 70
    rows = json.loads((tmp_path / "out" / "plots" / "attributes.json").read_text())
    blurred = [name for name in names if "MB" in read_table("dtb70")[name].split()]
    assert {row["attribute"]: row["sequences"] for row in rows}["MB"] == len(blurred)


@needs_kcf
def test_a_folder_with_a_file_of_attributes(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = tmp_path / "labels.yaml", tmp_path / "out"
    words = ["evaluate", str(root), "--trackers", "kcf", "--out", str(out), "--attributes", str(labels)]
    labels.write_text("one: SV DEF\ntwo: SV\nthree: OCC\n")
    assert main(words) == 0
    rows = json.loads((out / "plots" / "attributes.json").read_text())
    assert {row["attribute"]: row["sequences"] for row in rows} == {"SV": 2, "DEF": 1}
    for content, complaint in (("three: OCC\n", "names none of the sequences"), ("one: [SV]\n", "expected codes")):
        labels.write_text(content)
        assert main(words) == 1
        assert complaint in capsys.readouterr().err


@needs_kcf
def test_vot_from_the_words_to_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("shapely")
    root, out = tmp_path / "vot", tmp_path / "out"
    write_sequence(root / "bag", 12)
    (root / "bag" / "img").rename(root / "bag" / "color")
    for frame in (root / "bag" / "color").iterdir():
        image = cv2.imread(str(frame))
        cv2.imwrite(str(frame.with_name(f"0000{frame.stem}.jpg")), image)
        frame.unlink()
    (root / "bag" / "groundtruth_rect.txt").unlink()
    (root / "bag" / "groundtruth.txt").write_text("20,30,40,30\n" * 12)
    (root / "list.txt").write_text("bag\n")
    monkeypatch.setattr("siam_tracker_core.evaluation.vot.efo.REPETITIONS", 1)
    words = ["vot", "--root", str(root), "--trackers", "kcf", "--version", "2016", "--experiments", "supervised"]
    assert main(["evaluate", *words, "--out", str(out), "--repetitions", "2"]) == 0
    figures = json.loads((out / "summary.json").read_text())["kcf"]
    assert figures["eao"] is None, "12 frames are too few for an EAO"
    assert figures["failures"] == 0
    assert figures["accuracy"] > 0.9
    seconds = read_performance(out / "results" / "kcf")
    assert seconds is not None
    assert 0 < figures["efo"] < figures["fps"] * seconds * 1.5, "frames/s times the filter's seconds, but for the start"
    assert "| kcf " in capsys.readouterr().out
    assert "by the protocol of VOT-2016" in (out / "report.html").read_text()
    words[-1] = "realtime"
    assert main(["evaluate", *words, "--out", str(out), "--rate", "20"]) == 0
    text = (out / "report.html").read_text()
    assert "a clock of 20 images a second" in text
    assert "--rate 20.0" in text, "the command is whole"
    assert main(["evaluate", *words, "--out", str(out)]) == 1, "runs by another clock are not mixed"
    assert "holds runs by other rules" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["otb"], "where does otb lie? give its folder with --root"),
        (["nowhere"], "'nowhere' is neither a benchmark (otb, vot,"),
        (["otb", "--root", "{root}"], "sequences of otb2015 are missing"),
        (["otb", "--root", "{root}", "--version", "2014"], "otb has no version '2014'; it has 2013, 50, 2015"),
        (["dtb70", "--root", "{root}", "--version", "2"], "dtb70 has no version '2'; it has one only"),
        (["folder", "--root", "{root}/none"], "is not a folder"),
        (["folder", "--root", "{root}", "--frames", "0"], "frames is 0"),
        (["folder", "--root", "{root}", "--sequences", "one three"], "no sequence three; known are one, two"),
        (["folder", "--root", "{root}", "--trackers", "nobody"], "no tracker 'nobody'"),
        (["vot", "--root", "{root}"], "list.txt"),
        (["vot", "--root", "{root}", "--starts", "last"], "VOT's experiments have starts of their own"),
        (["folder", "--root", "{root}", "--starts", "end"], "'end' is no start; starts are first, middle, last"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    root: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *(word.format(root=root) for word in words)]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_the_years_of_vot_are_those_with_an_interval() -> None:
    pytest.importorskip("shapely")
    from siam_tracker_core.evaluation.vot import INTERVALS
    from siam_tracker_core.evaluation.vot.supervised import REPETITIONS as VOTS_REPETITIONS

    assert VERSIONS["vot"] == tuple(INTERVALS)
    assert REPETITIONS == VOTS_REPETITIONS


def test_zoo_stands_for_all_of_the_zoo() -> None:
    assert tracker_names("zoo kcf") == [*read_zoo(), "kcf"]


def test_paths_with_spaces_are_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "it's a+b run"
    folder.mkdir()
    for name in ("w.safetensors", "s.yaml"):
        (folder / name).write_text("")
    for text in (f"{folder}/w.safetensors", f"siamfc+{folder}/s.yaml", f"{folder}/w.safetensors+{folder}/s.yaml"):
        assert tracker_names(text) == [text]
    assert tracker_names(f"kcf siamfc+{tmp_path}/s.yaml") == ["kcf", f"siamfc+{tmp_path}/s.yaml"]


def test_no_tracker_is_a_mistake(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tracker was named"):
        evaluate("folder", root, [], tmp_path)


@needs_kcf
def test_published_results_stand_beside_ours(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    archive.mkdir()
    frames = len((root / "one" / "groundtruth_rect.txt").read_text().splitlines())
    (archive / "one_ASLA.txt").write_text("21,31,40,30\n" + "31,31,40,30\n" * (frames - 1))
    words = ["evaluate", str(root), "--trackers", "kcf", "--out", str(out), "--frames", "3", "--rivals", str(archive)]
    assert main(words) == 0
    summary = json.loads((out / "summary.json").read_text())
    # Frame one is the truth, the others overlap by 30/50: 12 of 21 thresholds lie below.
    assert summary["ASLA"]["success_auc"] == pytest.approx((20 / 21 + 2 * 12 / 21) / 3)
    assert summary["ASLA"]["fps"] is None
    assert "1 of 2 sequences are missing (two)" in capsys.readouterr().out
    assert "Scored from results that others published, not run here: ASLA." in (out / "report.html").read_text()
