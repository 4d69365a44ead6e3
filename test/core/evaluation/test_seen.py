"""Sequences that were seen in training are found in a provenance, and marked in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from siam_tracker_core.evaluation.report.otb import write_report
from siam_tracker_core.evaluation.resolve import describe_weights
from siam_tracker_core.evaluation.results import SequenceResult
from siam_tracker_core.evaluation.seen import seen_among, seen_warning, trained_on
from siam_tracker_core.weights import save_weights

PROVENANCE = {
    "data": {"sources": [{"data_set": "folder", "samples": 3}], "sequences": ["Bolt", "davis_bear", "clip.2"]},
    "start": {"start": {"data": {"sequences": ["airplane-3"]}}, "matching": [{"sequences": ["vot_bag"]}]},
    "scores": {"sequences": "OTB: Crossing"},
}


def test_names_are_found_at_any_depth() -> None:
    assert trained_on(PROVENANCE) == {"Bolt", "davis_bear", "clip.2", "airplane-3", "vot_bag"}
    assert trained_on({}) == trained_on(None) == set()


def test_names_match_whatever_their_case_and_prefix_and_no_others_do() -> None:
    names = ["bolt", "OTB_Bolt", "Bolt2", "bear", "clip", "clip.1", "airplane-1", "airplane-3", "bag", "Crossing"]
    assert seen_among(names, PROVENANCE) == ["bolt", "OTB_Bolt", "clip", "clip.1", "airplane-3", "bag"]


def test_what_a_file_shares_was_trained_on_for_it(tmp_path: Path) -> None:
    """A tracker whose backbone lies in another's file has seen what that one has seen."""
    backbone = {"backbone.weight": torch.ones(1000)}
    base, own = tmp_path / "base.safetensors", tmp_path / "own.safetensors"
    save_weights(base, backbone, {"tracker": "siamfc", "provenance": {"data": {"sequences": ["bear"]}}})
    told = {"tracker": "dsiam", "provenance": {"data": {"sequences": ["bolt"]}}}
    assert save_weights(own, {**backbone, "own": torch.zeros(3)}, told, beside=[base])
    assert trained_on(describe_weights(str(own))["provenance"]) == {"bear", "bolt"}
    assert trained_on(describe_weights(str(base))["provenance"]) == {"bear"}


def result(name: str, shift: float) -> SequenceResult:
    """Four frames with a box that is off by so much of its width in all but the first."""
    truth = np.tile([10.0, 10, 40, 30], (4, 1))
    found = truth + np.array([[0], [1], [1], [1]]) * [shift * 40, 0, 0, 0]
    return SequenceResult(name, truth, found, np.full(4, np.nan), (None,) * 4, np.full(4, 0.01))


def test_the_report_marks_them_and_tells_the_score_without_them(tmp_path: Path) -> None:
    results = {"ours": [result("seen", 0.0), result("new", 2.0)], "peer": [result("seen", 0.0), result("new", 0.0)]}
    write_report(tmp_path, results, title="t", command="c", seen={"ours": ["seen"], "peer": []})
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["ours"]["seen"] == ["seen"]
    # Of four frames one is right: 20/21 in that one, and 0 in the others.
    assert summary["ours"]["success_auc_unseen"] == pytest.approx(20 / 21 / 4)
    assert "seen" not in summary["peer"]
    page = (tmp_path / "report.html").read_text()
    assert page.count('<span title="seen in training">†</span>') == 1
    assert "Mean without †" in page


def test_the_warning_tells_both_scores() -> None:
    told = seen_warning("ours", [result("seen", 0.0), result("new", 2.0)], ["seen"])
    assert "has seen 1 of these sequences in training (seen)" in told
    assert "0.595 with them, 0.238 without them" in told
    assert "there is no other" in seen_warning("ours", [result("seen", 0.0)], ["seen"])
