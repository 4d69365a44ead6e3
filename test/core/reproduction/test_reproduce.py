"""The declared experiments: their plans, and one of them run to its end on made data in OTB's form."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from siam_tracker_core.cli import COMMANDS, main
from siam_tracker_core.config import read_config, read_yaml
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.datasets.otb import RANGES, targets
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import backbone
from siam_tracker_core.reproduction.experiments import (
    Experiment,
    PaperTracker,
    chosen,
    read_experiments,
    read_trackers,
    read_trainings,
)
from siam_tracker_core.reproduction.lines import line_figure
from siam_tracker_core.reproduction.page import tables
from siam_tracker_core.reproduction.plan import FOLDERS, Plan, Planner
from siam_tracker_core.reproduction.report import write_report
from siam_tracker_core.resources import RECIPES, shipped

# What reports an experiment in each paper, counted in the papers themselves; other figures draw a method.
REPORTED = {
    "srt": "Figure 3, Table 1",
    "dsiam": "Figure 1, Figure 4, Figure 6, Figure 7, Figure 8, Figure 9, Figure 10, Table 1",
    "siamrpn": "Figure 1, Figure 5, Figure 6, Figure 7, Figure 8, Figure 9, Figure 10, Figure 11, Table 1, Table 2, "
    "Table 3",
    "cascade": "Figure 1, Figure 3, Figure 4, Figure 5",
    "siamdw": "Figure 1, Figure 2, Figure 4, Table 1, Table 2, Table 3, Table 4, Table 5, Table 6, Table 7, Table 8",
}


@pytest.mark.parametrize("paper", REPORTED)
def test_every_experimental_table_and_figure_is_declared(paper: str) -> None:
    assert ", ".join(experiment.label for experiment in chosen(paper)) == REPORTED[paper]


@pytest.mark.parametrize("weights", ["zoo", "train"])
@pytest.mark.parametrize("experiment", read_experiments(), ids=lambda one: f"{one.paper}-{one.item}")
def test_every_plan_names_what_there_is(experiment: Experiment, weights: str, tmp_path: Path) -> None:
    plan = Planner(tmp_path / "data", tmp_path / "out", weights, strict=False).plan(experiment)  # type: ignore[arg-type]
    assert (experiment.status == "left out") == (not experiment.evaluations and not experiment.commands)
    if experiment.status == "runs" or (weights == "train" and experiment.status == "needs training"):
        assert plan.steps
        assert set(plan.evaluations) == {evaluation.name for evaluation in experiment.evaluations}
    if experiment.status == "left out":
        assert experiment.why
    made = {str(step.result) for step in plan.steps if step.result}
    for step in plan.steps:
        assert step.words[0] in COMMANDS
        assert shlex.split(step.line)[1:] == list(step.words)
        if step.words[0] == "train":
            assert Path(step.words[step.words.index("--config") + 1]).is_file()
            assert (
                step.words[step.words.index("--start") + 1] in made
                if step.inputs == {} and "--start" in step.words
                else True
            )
        if step.words[0] == "evaluate":
            start = step.words.index("--trackers") + 1
            for source in step.words[start : step.words.index("--version")]:
                name, _, settings = source.partition("+")
                assert not settings or Path(settings).is_file()
                assert not name.endswith(".safetensors") or name in made
    named = {row.evaluation for row in experiment.published if row.ours}
    assert named <= {evaluation.name for evaluation in experiment.evaluations}


def test_trainings_fit_their_recipes() -> None:
    for name, training in read_trainings().items():
        recipe = read_yaml(shipped(RECIPES) / training.recipe)
        assert len(recipe["data"]["sources"]) == len(training.shards), name


def test_the_list_has_all_and_docs_have_the_list(capsys: pytest.CaptureFixture[str], repository_root: Path) -> None:
    assert main(["reproduce", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(read_experiments())
    page = (repository_root / "docs" / "papers.md").read_text()
    for experiment in read_experiments():
        row = next((line for line in page.splitlines() if f"`{experiment.command}`" in line), "")
        assert f"| {experiment.status} |" in row, experiment.command
    assert page.endswith(tables()), "python scripts/papers_page.py writes them"


@pytest.fixture
def made_otb(tmp_path: Path) -> Path:
    """OTB-2013's 51 targets with one made picture for all frames, and the results of a rival that stands still."""
    root, rivals = tmp_path / "data" / "OTB100", tmp_path / "data" / "rivals" / "otb"
    made_sequence(frames=2, size=(160, 120), seed=1).write_otb_form(tmp_path / "made")
    picture = next((tmp_path / "made" / "img").iterdir())
    box = (tmp_path / "made" / "groundtruth_rect.txt").read_text().splitlines()[0]
    rivals.mkdir(parents=True)
    for target in targets("otb2013"):
        name, _, number = target.partition(".")
        first, last = RANGES.get(name, (1, 3))
        images = root / name / "img"
        images.mkdir(parents=True, exist_ok=True)
        for image in range(first, last + 1):
            place = images / f"{image:04d}{picture.suffix}"
            if not place.exists():
                place.symlink_to(picture)
        truth = root / name / (f"groundtruth_rect.{number}.txt" if number else "groundtruth_rect.txt")
        truth.write_text(f"{box}\n" * (last - first + 1))
        (rivals / f"{target.lower().replace('.', '-')}_ASLA.txt").write_text(f"{box}\n" * (last - first + 1))
    return tmp_path / "data"


def test_an_experiment_runs_to_its_report(
    made_otb: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    quick = read_trackers() | {"srt": PaperTracker(zoo="kcf", differs="another tracker, to be quick")}
    monkeypatch.setattr("siam_tracker_core.reproduction.plan.read_trackers", lambda: quick)
    words = ["reproduce", "srt", "--table", "1", "--data", str(made_otb), "--out", str(out), "--frames", "2"]
    assert main([*words, "--device", "cpu"]) == 0
    told = json.loads((out / "srt" / "table1" / "report.json").read_text())
    rows = {(row["name"], row["metric"]): row for row in told["rows"]}
    rival = rows["ASLA", "precision at 20 px, DEF"]
    assert (rival["paper"], rival["ours"]) == (0.445, 1.0), "a rival that is right all the time"
    assert rival["difference"] == pytest.approx(0.555)
    ours = rows["SRT", "precision at 20 px, DEF"]
    assert 0.5 <= ours["ours"] <= 1.0, "the first of two frames is the truth"
    assert rows["CSK", "precision at 20 px, DEF"]["ours"] is None
    assert any("another tracker, to be quick" in sentence for sentence in told["left_out"])
    assert any("Only the first 2 frames" in sentence for sentence in told["left_out"])
    drawn = json.loads((out / "srt" / "table1" / "plots" / "compared-otb2013-precision-at-20-px-DEF.json").read_text())
    assert {"name": "ASLA", "paper": 0.445, "ours": 1.0} in drawn
    assert {row["name"] for row in drawn if row["ours"] is None} >= {"CSK"}
    page = (out / "srt" / "table1" / "report.html").read_text()
    assert page.count("<svg") == len({row["metric"] for row in told["rows"]})
    assert "precision at 20 px, DEF" in page
    assert "otb2013/report.html" in page
    assert (out / "srt" / "table1" / "otb2013" / "report.html").is_file()
    assert "| ASLA" in capfd.readouterr().out


CENTRE = """\
title: EAO by the size of the centre
status: runs
evaluations:
  - {data: vot2015, trackers: [siamrpn_centre4, siamrpn_centre7, siamrpn_centre13]}
  - {data: vot2016, trackers: [siamrpn_centre4]}
published:
  - {name: four, evaluation: vot2015, ours: siamrpn_centre4, values: {eao: 0.25}}
plot:
  x: centre size (cells)
  metric: eao
  lines:
    - {name: solid, evaluation: vot2015, at: {siamrpn_centre4: 4, siamrpn_centre7: 7, siamrpn_centre13: 13}}
    - {name: dashed, evaluation: vot2016, at: {siamrpn_centre4: 4}, dashed: true, mark: cross}
"""


def centre_experiment(text: str = CENTRE) -> Experiment:
    return read_config(Experiment, yaml.safe_load(text) | {"paper": "siamrpn", "item": "figure11"}, "centre")


def test_a_figure_with_lines_is_drawn_with_lines(tmp_path: Path) -> None:
    """What has run of two lines of made figures; what has not run is a gap."""
    figures = {"vot2015": {"our four": {"eao": 0.2}, "our thirteen": {"eao": 0.3}}, "vot2016": {}}
    for name, summary in figures.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(json.dumps(summary))
    labels = {"siamrpn_centre4": "our four", "siamrpn_centre7": "seven", "siamrpn_centre13": "our thirteen"}
    plan = Plan([], labels, {name: tmp_path / name for name in figures}, [])
    write_report(centre_experiment(), plan, tmp_path / "out", "siam-tracker reproduce", "today", None)
    drawn = json.loads((tmp_path / "out" / "plots" / "lines.json").read_text())
    solid = [(row["centre size (cells)"], row["paper"], row["ours"]) for row in drawn if row["line"] == "solid"]
    assert solid == [(4, 0.25, 0.2), (7, None, None), (13, None, 0.3)]
    assert [(row["line"], row["ours"]) for row in drawn][3:] == [("dashed", None)]
    svg = (tmp_path / "out" / "plots" / "lines.svg").read_text()
    assert {"solid", "dashed", "solid, the paper's", "centre size (cells)", "EAO"} <= set(
        re.findall(r">([^<>]+)</text>", svg)
    )
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("lines plot") < page.index("compared-vot2015"), "the paper's figure comes first"


def test_nothing_is_drawn_of_lines_of_which_nothing_has_run() -> None:
    assert line_figure(centre_experiment(), lambda evaluation, tracker, metric: None, str) is None


def test_a_line_goes_through_what_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "siamrpn").mkdir()
    wrong = CENTRE.replace("evaluation: vot2016, at", "evaluation: vot2017, at")
    (tmp_path / "siamrpn" / "figure11.yaml").write_text(wrong)
    trackers = read_trackers()
    monkeypatch.setattr("siam_tracker_core.reproduction.experiments.read_trackers", lambda: trackers)
    monkeypatch.setattr("siam_tracker_core.reproduction.experiments.shipped", lambda name: tmp_path)
    with pytest.raises(ConfigError, match="'dashed' goes through siamrpn_centre4, not run on 'vot2017'"):
        read_experiments.__wrapped__()


def test_the_figures_that_the_papers_draw_with_lines_have_them() -> None:
    drawn = {(one.paper, one.label): one.plot for one in read_experiments() if one.plot}
    assert set(drawn) == {("siamrpn", "Figure 10"), ("siamrpn", "Figure 11"), ("siamdw", "Figure 1")}
    centre = [(line.evaluation, line.dashed, line.mark) for line in drawn["siamrpn", "Figure 11"].lines]
    without, with_youtube = True, False  # dashed and solid, as the paper's caption has it
    assert centre == [
        ("vot2015", without, "circle"),
        ("vot2015", with_youtube, "circle"),
        ("vot2016", without, "cross"),
        ("vot2016", with_youtube, "cross"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "there is no paper 'nobody'; known are srt, dsiam"),
        (["srt", "--table", "9"], "srt has no experiment Table 9; it has Figure 3, Table 1"),
        (["srt", "--table", "1", "--figure", "3"], "give --table or --figure, not both"),
        (["srt"], "where do the data sets lie?"),
        (["srt", "--data", "{root}"], "the data set otb is missing; looked in {root} for a folder otb, otb100"),
        (["--data", "{root}"], "all is for --list and --dry-run"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *(word.format(root=tmp_path) for word in words)]) == 1
    assert message.format(root=tmp_path) in capsys.readouterr().err


def test_a_changed_recipe_stops_and_finished_steps_stay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from siam_tracker_core.commands.reproduce import _run
    from siam_tracker_core.reproduction.plan import Step

    result = tmp_path / "training" / "weights.safetensors"
    step = Step(("zoo",), result, recipe="epochs: 50")
    _run(step, launcher="")
    result.touch()
    _run(step, launcher=shlex.quote(sys.executable))
    assert "finished before: siam-tracker zoo" in capfd.readouterr().out
    with pytest.raises(ConfigError, match="changed since that training began; remove the folder"):
        _run(Step(("zoo",), result, recipe="epochs: 60"), launcher="")


def test_a_backbone_with_options_is_pretrained_once_and_begins_its_trainings(tmp_path: Path) -> None:
    (tmp_path / "trainings" / "imagenet_ciresnet22").mkdir(parents=True)
    (tmp_path / "trainings" / "imagenet_ciresnet22" / "last.ckpt").touch()
    plan = Planner(tmp_path, tmp_path, "train", strict=False).plan(chosen("siamdw", 8)[0])
    pretrained = {str(step.result): step for step in plan.steps if step.words[0] == "pretrain"}
    trained = [step for step in plan.steps if step.words[0] == "train"]
    assert len(trained) == 4 * 8
    for step in trained:
        words = dict(itertools.pairwise(step.words))
        before = dict(itertools.pairwise(pretrained[words["--start"]].words))
        assert before["--student"] == words.get("--training.backbone", "ciresnet22")
        assert before.get("--student_options") == words.get("--training.backbone_options")
        built = backbone(before["--student"], **json.loads(before.get("--student_options", "{}")))
        assert built.stride in (4, 8, 16)
    resumed = [step for step in pretrained.values() if "--resume" in step.words]
    assert [Path(str(step.result)).parent.name for step in resumed] == ["imagenet_ciresnet22"]


def test_a_cascade_is_joined_of_its_halves(tmp_path: Path) -> None:
    (experiment,) = chosen("cascade", None, 3)
    for weights in ("zoo", "train"):
        plan = Planner(tmp_path / "data", tmp_path / "out", weights, strict=False).plan(experiment)  # type: ignore[arg-type]
        joined = {step.result.stem: step for step in plan.steps if step.result and step.words[0] == "join"}
        assert ("cascade" in joined) == (weights == "train"), "the zoo has one"
        step = joined["cascade_alexnet"]
        before = plan.steps[: plan.steps.index(step)]
        made = {str(one.result) for one in before}
        for half in step.words[1:3]:
            assert half in made if weights == "train" else Path(half).is_file()


def test_a_data_set_is_found_whatever_its_folder_is_called(tmp_path: Path) -> None:
    for name in ("OTB-100", "VOT2016", "ILSVRC2015"):
        (tmp_path / name).mkdir()
    planner = Planner(tmp_path, tmp_path)
    assert [planner.data(name).name for name in ("otb", "vot2016", "ilsvrc-vid")] == [
        "OTB-100",
        "VOT2016",
        "ILSVRC2015",
    ]
    assert all(re.fullmatch(r"[a-z0-9_+-]+", name) for names in FOLDERS.values() for name in names)
