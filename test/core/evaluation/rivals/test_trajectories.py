"""Published trajectories of VOT's experiments from made archives, in the old and the new layout."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from made_vot import truth_boxes, write_vot

from siam_tracker_core.cli import main
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.datasets.vot import read_vot
from siam_tracker_core.errors import DatasetError

pytest.importorskip("shapely")

from siam_tracker_core.evaluation.rivals.trajectories import read_vot_rivals

COUNT = 14
FAILED_AT = 6


@pytest.fixture
def sequences(tmp_path: Path) -> list[Sequence]:
    return read_vot(write_vot(tmp_path / "vot", {"one": COUNT, "two": COUNT}))


def lines(identity: int) -> list[str]:
    """A trajectory that fails once and starts again."""
    rows = [",".join(f"{value:.2f}" for value in box) for box in truth_boxes(identity, COUNT)]
    rows[0], rows[FAILED_AT] = "1", "2"
    rows[FAILED_AT + 1 : FAILED_AT + 5] = ["0"] * 4
    rows[FAILED_AT + 5] = "1"
    return rows


def packed(rows: list[str]) -> bytes:
    """The binary form, by the definition in vot-toolkit's region/io.py."""
    content = struct.pack("<hI", 1, len(rows))
    for row in rows:
        values = [float(value) for value in row.split(",")]
        content += struct.pack("<BI", 0, int(row)) if len(values) == 1 else struct.pack("<Bffff", 1, *values)
    return content


def write_archive(root: Path, layout: str) -> Path:
    root = root / "archive"
    place = root / "results" / "KCF" if layout != "old" else root / "KCF"
    for identity, name in enumerate(("one", "two")):
        folder = place / "baseline" / name
        folder.mkdir(parents=True)
        for repetition in (1, 2):
            path = folder / f"{name}_{repetition:03d}"
            if layout == "binary":
                path.with_suffix(".bin").write_bytes(packed(lines(identity)))
                continue
            path.with_suffix(".txt").write_text("\n".join(lines(identity)) + "\n")
            if layout == "new":
                path.with_name(f"{path.name}_time.value").write_text("0.02\n" * COUNT)
        if layout == "old":
            (folder / f"{name}_time.txt").write_text("0.02,0.02\n" * COUNT)
    return root


@pytest.mark.parametrize("layout", ["old", "new", "binary"])
def test_both_layouts_give_the_same_runs(layout: str, tmp_path: Path, sequences: list[Sequence]) -> None:
    found = read_vot_rivals(write_archive(tmp_path, layout), sequences, ["supervised", "realtime"])
    assert list(found) == ["KCF"]
    assert list(found["KCF"]) == ["supervised"]
    for identity, name in enumerate(("one", "two")):
        runs = found["KCF"]["supervised"][name]
        assert [(run.repetition, run.failures) for run in runs] == [(1, 1), (2, 1)]
        np.testing.assert_allclose(runs[1].regions[3], truth_boxes(identity, COUNT)[3], atol=0.01)
        assert np.isnan(runs[0].seconds).all() == (layout == "binary")


def test_the_report_holds_them_beside_ours(
    tmp_path: Path,
    sequences: list[Sequence],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "TrackerKCF_create"):
        pytest.skip("this OpenCV has no KCF")
    monkeypatch.setattr("siam_tracker_core.evaluation.vot.efo.REPETITIONS", 1)
    archive, out = write_archive(tmp_path, "old"), tmp_path / "out"
    (archive / "KCF" / "performance.txt").write_text("nonlinear_native=0.36\n")
    words = ["evaluate", "vot", "--root", str(tmp_path / "vot"), "--trackers", "kcf", "--version", "2016"]
    words += ["--experiments", "supervised", "--repetitions", "1", "--out", str(out), "--rivals", str(archive)]
    (archive / "KCF" / "baseline" / "two" / "two_001.txt").unlink()
    (archive / "KCF" / "baseline" / "two" / "two_002.txt").unlink()
    assert main(words) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) == {"kcf", "KCF"}
    assert summary["KCF"]["failures"] == 1
    assert summary["KCF"]["efo"] == pytest.approx(0.36 / 0.02), "a frame takes 0.02 s"
    told = capsys.readouterr().out
    assert "1 of 2 sequences are missing (two)" in told
    assert main([*words, "--frames", "5"]) == 1
    assert "leave out --frames or --rivals" in capsys.readouterr().err


def test_mistakes_are_told_in_a_sentence(tmp_path: Path, sequences: list[Sequence]) -> None:
    archive = write_archive(tmp_path, "binary")
    path = archive / "results" / "KCF" / "baseline" / "one" / "one_001.bin"
    whole = path.read_bytes()
    for content, message in ((whole[:-3], "is truncated"), (packed(lines(0)[:-1]), "has 13 frames but sequence one")):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=message):
            read_vot_rivals(archive, sequences, ["supervised"])
    with pytest.raises(DatasetError, match="holds no result on any of the sequences; expected TRACKER/baseline"):
        read_vot_rivals(tmp_path / "vot", sequences, ["supervised"])
