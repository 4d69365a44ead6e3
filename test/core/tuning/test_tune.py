"""The search for hyper-parameters: what is searched, on what it may be, that it repeats, and what it leaves behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_network import random_weights

from siam_tracker_core import load_tracker
from siam_tracker_core.commands.evaluate import evaluate
from siam_tracker_core.commands.tune import tune
from siam_tracker_core.datasets import Sequence, read_sequence
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.one_pass import run_sequence
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.tuning_record import fingerprint, read_record, tuned_among, write_settings
from siam_tracker_core.trackers.siamfc import SiamFCConfig
from siam_tracker_core.tuning.held_out import check_held_out, split_by_name
from siam_tracker_core.tuning.spaces import REGION_PROPOSALS, SCALE_SEARCH, Parameter, as_settings, space_of

pytest.importorskip("optuna")

WORDS = "two made videos"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(tmp_path_factory.mktemp("weights") / "mine.safetensors")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held_out_videos")
    for seed in (1, 2):
        made_sequence(frames=3, size=(160, 120), seed=seed).write_otb_form(folder / f"made{seed}")
    return folder


@pytest.fixture(scope="module")
def tuned(weights: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of four trials."""
    out = tmp_path_factory.mktemp("tuned")
    tune(str(weights), root, WORDS, out, trials=4, seed=3, device="cpu", threads=1)
    return out


def trials_of(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def made(name: str, shift: float = 0.0) -> Sequence:
    boxes = np.array([[10.0 + shift, 10, 20, 20], [11.0 + shift, 10, 20, 20]])
    return Sequence(name, (Path("1.png"), Path("2.png")), boxes)


def test_the_result_is_a_settings_file_that_says_what_it_was_tuned_on(tuned: Path, weights: Path, root: Path) -> None:
    path = tuned / "tuned.yaml"
    tracker = load_tracker(weights, "cpu", config=path)
    record = read_record(path)
    assert record is not None
    assert record["tuned_on"] == WORDS
    assert (record["trials"], record["seed"], record["tracker"]) == (4, 3, "mine")
    assert record["sequences"] == {name: fingerprint(read_sequence(root / name)) for name in ("made1", "made2")}
    rows = trials_of(tuned)
    areas = [float(row["success_auc"]) for row in rows]
    best = rows[int(np.argmax(areas))]
    assert record["success_auc"]["after"] == pytest.approx(max(areas))
    for name, parameter in SCALE_SEARCH.items():
        value = getattr(tracker.config, name)  # type: ignore[attr-defined]
        assert value == float(best[name])
        assert all(parameter.low <= float(row[name]) <= parameter.high for row in rows)  # type: ignore[operator]


def test_the_figures_are_those_of_the_evaluation(tuned: Path, weights: Path, root: Path) -> None:
    def area(config: Path | None) -> float:
        tracker = load_tracker(weights, "cpu", config=config)
        results = [run_sequence(tracker, read_sequence(root / name)) for name in ("made1", "made2")]
        return otb.score(results).success_auc

    record = read_record(tuned / "tuned.yaml")
    assert record is not None
    assert record["success_auc"]["before"] == pytest.approx(area(None))
    assert record["success_auc"]["after"] == pytest.approx(area(tuned / "tuned.yaml"))


@pytest.mark.slow
def test_an_interrupted_search_goes_on_to_the_same_trials(
    tuned: Path, weights: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siam_tracker_core.tuning import search

    score, calls = search._score, [0]

    def interrupted(*arguments: object, **options: object) -> float:
        calls[0] += 1
        if calls[0] == 4:  # the third trial, after the tracker's own settings and two trials
            raise KeyboardInterrupt
        return score(*arguments, **options)  # type: ignore[arg-type]

    options = {"trials": 4, "seed": 3, "device": "cpu", "threads": 1}
    monkeypatch.setattr(search, "_score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(str(weights), root, WORDS, tmp_path, **options)  # type: ignore[arg-type]
    tune(str(weights), root, WORDS, tmp_path, **options)  # type: ignore[arg-type]
    assert calls[0] == 6, "the tracker's own settings and two trials are not run again"
    assert trials_of(tmp_path) == trials_of(tuned)
    with pytest.raises(ConfigError, match=r"holds another search \(other seed\)"):
        tune(str(weights), root, WORDS, tmp_path, **{**options, "seed": 4})  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_find_the_same(tuned: Path, weights: Path, root: Path, tmp_path: Path) -> None:
    tune(str(weights), root, WORDS, tmp_path, trials=4, seed=3, device="cpu", threads=1, jobs=2)
    assert trials_of(tmp_path) == trials_of(tuned)


def test_evaluate_says_what_was_tuned_on_what(
    tuned: Path, weights: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{weights}+{tuned / 'tuned.yaml'}"
    evaluate("folder", root, [str(weights), name], tmp_path, device="cpu", threads=1)
    assert set(json.loads((tmp_path / "summary.json").read_text())) == {"mine", "mine+tuned"}
    page = (tmp_path / "report.html").read_text()
    warning = "mine+tuned was tuned on 2 of these sequences (made1, made2)"
    assert warning in page
    assert warning in capsys.readouterr().out
    assert f"{WORDS} (scale_step, scale_penalty, window_influence, scale_lr)" in page
    assert "4 trials on 2 sequences, seed 3" in page


def test_settings_for_other_weights_are_pointed_out(tuned: Path, root: Path, tmp_path: Path) -> None:
    other = random_weights(tmp_path / "other.safetensors", seed=1)
    evaluate("folder", root, f"{other}+{tuned / 'tuned.yaml'}", tmp_path / "out", frames=2, device="cpu", threads=1)
    assert (
        "other+tuned runs with settings that were tuned for other weights"
        in (tmp_path / "out" / "report.html").read_text()
    )


def test_sequences_are_known_again_by_name_and_by_content() -> None:
    record = {"sequences": {"bag": fingerprint(made("bag")), "Car": fingerprint(made("Car", 5))}}
    again = [made("vot_Bag", 9), made("renamed", 5), made("free", 7), made("renamed").head(2)]
    assert [sequence.name for sequence in again if tuned_among(record, [sequence])] == ["vot_Bag", "renamed", "renamed"]


@pytest.mark.parametrize("name", ["test", "Test", "OTB100", "vot2016", "UAV123"])
def test_a_test_set_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "part"
    folder.mkdir(parents=True)
    link = tmp_path / "harmless"
    link.symlink_to(folder)
    for given in (folder, folder.parent, link):
        with pytest.raises(DatasetError, match="is marked as a test set by its folder"):
            check_held_out(given, WORDS)


def test_it_must_be_said_what_is_tuned_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--tuned_on"):
        check_held_out(tmp_path, " ")


def test_sequences_with_names_of_benchmarks_are_left_out(root: Path, weights: Path, tmp_path: Path) -> None:
    free, taken = split_by_name([made(name) for name in ("Crossing", "otb_jogging", "vot_bag", "crossing2", "made")])
    assert [sequence.name for sequence in taken] == ["Crossing", "otb_jogging", "vot_bag"]
    assert [sequence.name for sequence in free] == ["crossing2", "made"]
    made_sequence(frames=2, size=(160, 120)).write_otb_form(tmp_path / "videos" / "Couple")
    with pytest.raises(DatasetError, match=r"all sequences bear names of OTB's or VOT's \(Couple\)"):
        tune(str(weights), tmp_path / "videos", WORDS, tmp_path / "out")
    with pytest.raises(DatasetError, match="there is no sequence Nobody; there are made1, made2"):
        tune(str(weights), root, WORDS, tmp_path / "out", sequences=["Nobody", "made1"])


def test_opencv_has_nothing_to_tune(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kcf is OpenCV's"):
        tune("kcf", root, WORDS, tmp_path)


def test_published_spaces_fit_the_trackers() -> None:
    from siam_tracker_core.trackers.siamrpn import SiamRPNConfig

    assert space_of(SiamFCConfig()) is SCALE_SEARCH
    assert space_of(SiamRPNConfig()) is REGION_PROPOSALS
    with pytest.raises(ConfigError, match="no published search space for object"):
        space_of(object())


def test_a_space_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("lost.recover: {low: 0.5, high: 0.9}\nscales: {choices: [1, 3]}\nresponse_up: {low: 1, high: 16}\n")
    space = space_of(SiamFCConfig(), path)
    assert space["lost.recover"] == Parameter(0.5, 0.9)
    assert space["scales"].choices == (1, 3)
    assert space["response_up"].whole
    assert not space["lost.recover"].whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed: {low: 0, high: 1}", "there is no setting 'speed'"),
        ("lost.speed: {low: 0, high: 1}", "there is no setting 'lost.speed'; known are enabled"),
        ("scale_lr: {low: 1, high: 0}", "low < high"),
        ("scale_lr: {low: 0.1, high: 1, choices: [1]}", "choices alone"),
        ("scale_lr: {low: 0, high: 1, log: true}", "positive step or log"),
        ("scale_lr: {least: 0, high: 1}", "least: there is no such setting"),
        ("scale_lr: 0.5", "expected {low"),
        ("", "names no setting"),
    ],
)
def test_a_wrong_space_is_an_error_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        space_of(SiamFCConfig(), tmp_path / "space.yaml")


def test_settings_inside_settings() -> None:
    values = {"lost.recover": 0.7, "lost.patience": 3, "scale_lr": 0.5}
    assert as_settings(values) == {"lost": {"recover": 0.7, "patience": 3}, "scale_lr": 0.5}


def test_a_record_survives_and_leaves_the_settings_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    record = {"tuned_on": "a: tricky # text\nof two lines", "sequences": {"a": "00"}, "trials": 3}
    write_settings(path, {"scale_lr": 0.5}, record)
    assert read_record(path) == record
    assert yaml.safe_load(path.read_text()) == {"scale_lr": 0.5}
    path.write_text("scale_lr: 0.5\n")
    assert read_record(path) is None
    path.write_text("# tuning:\n#   trials: [3\nscale_rate: 0.5\n")
    with pytest.raises(ConfigError, match="the record of tuning in its comments is damaged"):
        read_record(path)


def test_a_peer_takes_no_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kcf runs with its authors' settings"):
        TrackerSpec.of(f"kcf+{tmp_path / 's.yaml'}").make()
