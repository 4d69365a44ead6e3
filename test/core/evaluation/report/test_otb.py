"""The report: complete, self-contained, and fit for one tracker on one sequence as for many."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from made_results import made_result, write_frames

from siam_tracker_core.commands.sequences import tracker_names
from siam_tracker_core.commands.tables import accuracy_table, command_line, markdown
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.report.facts import provenance_of, tuning_warnings
from siam_tracker_core.evaluation.report.otb import PANELS, write_report
from siam_tracker_core.evaluation.report.page import Provenance
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.summary import summarise
from siam_tracker_core.evaluation.tuning_record import read_record


def test_a_report_on_many_is_one_file_that_needs_no_other(
    tmp_path: Path, many: dict[str, list[SequenceResult]]
) -> None:
    out = tmp_path / "out"
    summaries = write_report(
        out,
        many,
        title="Made <results>",
        command="siam-tracker evaluate 'a b'",
        notes=["A note."],
        warnings=["better failed on seventh: RuntimeError"],
        provenance={"better": Provenance({"better.safetensors": "ab12"}, "held-out videos", {"steps": "100"})},
        date="2024-01-01",
    )
    assert list(summaries) == ["better", "worse"], "the best comes first"
    assert json.loads((out / "summary.json").read_text()) == summaries
    text = (out / "report.html").read_text()
    page = Page(text)
    assert len(page.ids) == len(set(page.ids)), "ids of different plots must not meet"
    local = [address for address in page.addresses if not address.startswith("data:")]
    assert all(address.startswith("#") and address[1:] in page.ids for address in local)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert "<script" not in text
    assert not re.search(r"@import|url\(['\"]?http", text)
    assert text.count("data:image/jpeg") == 4 * 8, "four hardest sequences, eight frames each"
    for shown in (
        "Made <results>",
        "siam-tracker evaluate 'a b'",
        "A note.",
        "ab12",
        "held-out videos",
        "first & <last>",
    ):
        assert shown in page.text
    assert f"better [{summaries['better']['success_auc']:.3f}]" in page.text, "legends as in the papers"
    assert f"worse [{summaries['worse']['precision_20']:.3f}]" in page.text
    assert "#0072b2" not in text.split("</style>", 1)[1], "plots take their colours from the page"


def test_chosen_sequences_are_shown_in_their_order(tmp_path: Path, many: dict[str, list[SequenceResult]]) -> None:
    chosen = ["fifth", "first & <last>", "third", "fourth", "sixth"]
    write_report(tmp_path / "out", many, title="t", command="c", chosen=chosen)
    text = (tmp_path / "out" / "report.html").read_text()
    assert text.count("data:image/jpeg") == 5 * 8, "a strip for each, and none for the sixth that was not chosen"
    headings = re.findall(r"<h3>([^<]*) <small>", text)
    assert headings == ["fifth", "first &amp; &lt;last&gt;", "third", "fourth", "sixth", "second/2"]


def test_settings_that_others_tuned_are_marked_with_what_they_were_tuned_on(repository_root: Path) -> None:
    for year in ("vot2015", "vot2016", "vot2017", "otb2015"):
        for name in ("siamfc_ciresnet22", "siamfc_ciresinception22", "siamfc_ciresnext22", "siamrpn_ciresnet22"):
            path = repository_root / "config" / "trackers" / f"{name}_{year}.yaml"
            path = path if path.is_file() else path.with_name(f"{name}.yaml")  # SiamRPN+'s own are VOT-2017's
            record = read_record(path)
            assert record is not None
            assert record["tuned_on"].lower().replace("-", "") == year
            identity = {"weights": {}, "settings": path.name, "tuning": record}
            (line,) = tuning_warnings({name: identity}, [])
            assert f"that researchmm/SiamDW tuned on {record['tuned_on']} for other weights" in line
            assert provenance_of(identity).tuned_on.startswith(f"{record['tuned_on']} by researchmm/SiamDW")


def test_files_lie_beside_the_report(tmp_path: Path, many: dict[str, list[SequenceResult]]) -> None:
    write_report(tmp_path / "out", many, title="t", command="c")
    names = {path.name for path in (tmp_path / "out" / "plots").iterdir()}
    assert {"success.svg", "precision.svg", "latency.svg", "speed.svg", "success.csv", "precision.csv"} <= names
    assert "overlap-first-last-.svg" in names
    assert len((tmp_path / "out" / "plots" / "success.csv").read_text().splitlines()) == 22
    assert len((tmp_path / "out" / "plots" / "precision.csv").read_text().splitlines()) == 52
    assert len((tmp_path / "out" / "sequences.csv").read_text().splitlines()) == 1 + 12


def test_a_report_on_one_tracker_and_one_sequence(tmp_path: Path) -> None:
    result = made_result("demo", 20, states=True, frames=write_frames(tmp_path))
    summaries = write_report(tmp_path / "out", {"siamfc": [result]}, title="Demo", command="make demo")
    text = (tmp_path / "out" / "report.html").read_text()
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert "Ranking" not in page.text
    assert "Answered late or never" in page.text
    assert text.count("data:image/jpeg") == 8
    assert "var(--lost)" in text.split("</style>", 1)[1], "the tracker's states are shaded"
    assert not (tmp_path / "out" / "plots" / "speed.svg").exists()
    assert set(summaries["siamfc"]) >= {"success_auc", "precision_20", "fps", "frames", "frames_lost", "latency_ms"}


def test_a_report_without_times_states_or_pictures(tmp_path: Path) -> None:
    truth = np.tile([10.0, 10, 20, 20], (1, 1))
    summaries = write_report(tmp_path, {"t": [SequenceResult("one", truth, truth)]}, title="t", command="c")
    Page((tmp_path / "report.html").read_text())
    assert summaries["t"]["fps"] is None
    assert summaries["t"]["latency_ms"] == {"p50": None, "p95": None}
    assert json.loads((tmp_path / "summary.json").read_text())["t"]["fps"] is None, "valid JSON, without NaN"


def test_pictures_that_are_gone_cost_the_strip_only(tmp_path: Path) -> None:
    result = made_result("gone", 20, frames=tuple(tmp_path / f"{index}.png" for index in range(30)))
    write_report(tmp_path, {"t": [result]}, title="t", command="c")
    assert "data:image/jpeg" not in (tmp_path / "report.html").read_text()


def test_unequal_runs_are_pointed_out(tmp_path: Path, many: dict[str, list[SequenceResult]]) -> None:
    many["worse"] = many["worse"][:2]
    write_report(tmp_path, many, title="t", command="c")
    text = Page((tmp_path / "report.html").read_text()).text
    assert "Means do not compare: of 6 sequences, worse on 2 only." in text
    assert "failed" in text


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no tracker"):
        write_report(tmp_path, {}, title="t", command="c")
    with pytest.raises(DatasetError, match="tracker t has no result"):
        write_report(tmp_path, {"t": []}, title="t", command="c")


def test_summary_counts() -> None:
    figures = summarise([made_result("a", 100)])
    assert figures["frames"] == 30
    assert figures["frames_missed"] == 1
    lost = otb.lost_frames(made_result("a", 100))
    assert figures["frames_lost"] == lost.sum() > 1
    assert not lost[15], "no target, nothing to lose"
    milliseconds = np.linspace(2, 20, 30)[1:]
    assert figures["latency_ms"]["p50"] == pytest.approx(np.percentile(milliseconds, 50))
    assert figures["latency_ms"]["p95"] == pytest.approx(np.percentile(milliseconds, 95))


def test_tables_are_markdown() -> None:
    assert markdown(["a", "long"], [["b", "1"]]) == "| a | long |\n| - | ---: |\n| b |    1 |"
    table = accuracy_table({"t": summarise([made_result("a", 0)])})
    assert table.splitlines()[2].startswith("| t       |")


def test_the_command_line_repeats_what_differs_from_the_defaults() -> None:
    options = {"jobs": (2, 1), "device": ("auto", "auto"), "trackers": (["a", "b c"], None), "fresh": (True, False)}
    assert command_line("evaluate", [Path("root")], options) == (
        "siam-tracker evaluate root --jobs 2 --trackers a 'b c' --fresh"
    )


def test_tracker_names_are_read_from_lists_and_text() -> None:
    assert tracker_names("kcf, csrt nano") == tracker_names(["kcf", "csrt", "nano"]) == ["kcf", "csrt", "nano"]
    assert tracker_names("[kcf,csrt]") == ["kcf", "csrt"]
    with pytest.raises(ConfigError, match="no tracker was named"):
        tracker_names(" ")


def test_attributes_are_shown_with_their_number_of_sequences(
    tmp_path: Path, many: dict[str, list[SequenceResult]]
) -> None:
    labels = {"third": frozenset({"OCC", "SV"}), "fourth": frozenset({"SV"}), "never run": frozenset({"FM"})}
    write_report(tmp_path, many, title="t", command="c", labels=labels)
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.ids) == len(set(page.ids))
    assert "scale variation (2)" in page.text
    assert "occlusion (1)" in page.text
    assert "fast motion" not in page.text
    assert "30 frames, OCC, SV" in page.text


def test_many_sequences_do_not_make_an_endless_page(tmp_path: Path) -> None:
    results = [made_result(f"s{index:02d}", index, count=3) for index in range(PANELS + 3)]
    write_report(tmp_path, {"t": results}, title="t", command="c")
    text = (tmp_path / "report.html").read_text()
    assert text.count("<article") == PANELS
    assert f"the values of all {PANELS + 3} are in plots/" in Page(text).text
    assert len(list((tmp_path / "plots").glob("overlap-*.svg"))) == PANELS
    assert len(list((tmp_path / "plots").glob("overlap-*.csv"))) == PANELS + 3


def test_a_report_computes_each_overlap_once(tmp_path, monkeypatch):
    computed = Counter()
    real = SequenceResult.overlaps_with
    monkeypatch.setattr(
        SequenceResult, "overlaps_with", lambda result, boxes: computed.update([id(result)]) or real(result, boxes)
    )
    results = {
        "ours": [made_result("one", 2), made_result("two", 4)],
        "theirs": [made_result("one", 9), made_result("two", 1)],
    }
    write_report(tmp_path, results, title="t", command="c")
    assert set(computed) == {id(result) for of_tracker in results.values() for result in of_tracker}
    assert set(computed.values()) == {1}
