"""The report of VOT's experiments: one HTML file that needs nothing else, with plots and figures beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siam_tracker_core.datasets import Sequence as VideoSequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.report import vot_plots
from siam_tracker_core.evaluation.report.figures import PlotFigure, Table
from siam_tracker_core.evaluation.report.film_strip import Track, draw_strip, spread_frames
from siam_tracker_core.evaluation.report.page import Facts, Provenance, shots_for_page, write_page
from siam_tracker_core.evaluation.vot import FrameCode, SupervisedRun, Supervision, VotEvaluation, VotScores
from siam_tracker_core.evaluation.vot.runs import truth_regions
from siam_tracker_core.evaluation.vot.scores import frame_overlaps
from siam_tracker_core.files import write_text

STRIPS = 4
SHOTS = 8
TITLES = {"supervised": "Supervised experiment", "realtime": "Real-time experiment"}

# By experiment, then by tracker.
_Scores = Mapping[str, Mapping[str, VotScores]]


def write_vot_report(
    out_dir: str | Path,
    evaluation: VotEvaluation,
    sequences: Sequence[VideoSequence],
    *,
    title: str,
    command: str,
    notes: Sequence[str] = (),
    provenance: Mapping[str, Provenance] | None = None,
    warnings: Sequence[str] = (),
    date: str = "",
    chosen: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Write ``report.html``, ``summary`` and ``sequences`` as JSON and CSV, and ``plots/`` into a folder.

    Args:
        out_dir: made if missing; files of an earlier report are replaced.
        evaluation: what ``evaluate_vot`` gives.
        sequences: what it ran on.
        title, command, notes, provenance, warnings, date, chosen: as for ``report.write_report``.

    Returns:
        What ``summary.json`` holds: for each tracker, the highest EAO first, the figures of the first experiment, and
        under its name those of every further one.

    Raises:
        DatasetError: if no tracker finished any sequence.
    """
    scores = _by_experiment(evaluation)
    if not scores:
        raise DatasetError("there is no tracker to report on: none finished any sequence")
    main = next(iter(scores))
    order = sorted(scores[main], key=lambda name: _rank(scores[main][name]))
    order += sorted({name for of_tracker in scores.values() for name in of_tracker} - set(order))
    colours = {name: place for place, name in enumerate(order)}
    scores = {
        experiment: {name: of_tracker[name] for name in order if name in of_tracker}
        for experiment, of_tracker in scores.items()
    }
    summaries = {name: _summary(name, scores) for name in order}
    figures = {
        name: figure
        for experiment, of_tracker in scores.items()
        for name, figure in _figures(experiment, of_tracker, colours).items()
    }
    out = Path(out_dir)
    (out / "plots").mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.write(out / "plots", name)
    _sequences_table(scores).write(out, "sequences")
    _summary_table(scores).write_csv(out / "summary.csv")
    write_text(out / "summary.json", json.dumps(summaries, indent=2) + "\n")
    lengths = {sequence.name: len(sequence) for sequence in sequences}
    write_page(
        out / "report.html",
        "vot.html.j2",
        Facts(title, command, notes, provenance, [*warnings, *_unequal_runs(scores[main], len(lengths))], date),
        figures,
        year=evaluation.year,
        supervision=evaluation.supervision,
        real_time=evaluation.real_time,
        interval=next(iter(scores[main].values())).interval,
        colours=colours,
        experiments=[(experiment, TITLES[experiment], of_tracker) for experiment, of_tracker in scores.items()],
        main=scores[main],
        best={experiment: _best(of_tracker) for experiment, of_tracker in scores.items()},
        lengths=lengths,
        chosen=chosen,
        panels=_panels(evaluation, main, scores[main], sequences, colours, chosen),
    )
    return summaries


def figures_of(scores: VotScores) -> dict[str, Any]:
    """One tracker's figures in one experiment, ready for JSON; what could not be measured is None."""
    names = ("eao", "accuracy", "robustness", "failures", "failures_total", "failures_per_100", "fps", "efo")
    values = {name: float(getattr(scores, name)) for name in names}
    return {name: None if math.isnan(value) else value for name, value in values.items()} | {
        "sequences": len(scores.per_sequence),
        "frames": scores.frames,
    }


def _by_experiment(evaluation: VotEvaluation) -> dict[str, dict[str, VotScores]]:
    """The scores by experiment, in the order of ``TITLES``; those without any are left out."""
    found = {
        experiment: {
            name: of_tracker[experiment]  # type: ignore[index]
            for name, of_tracker in evaluation.scores.items()
            if experiment in of_tracker
        }
        for experiment in TITLES
    }
    return {experiment: of_tracker for experiment, of_tracker in found.items() if of_tracker}


def _rank(scores: VotScores) -> tuple[float, float]:
    """The least is the best: by EAO, and by accuracy where there is none."""
    return -float(np.nan_to_num(scores.eao)), -scores.accuracy


def _summary(name: str, scores: _Scores) -> dict[str, Any]:
    main, *others = scores
    figures = figures_of(scores[main][name]) if name in scores[main] else {}
    further = {experiment: figures_of(scores[experiment][name]) for experiment in others if name in scores[experiment]}
    return figures | further


def _figures(experiment: str, scores: Mapping[str, VotScores], colours: Mapping[str, int]) -> dict[str, PlotFigure]:
    """The plots of one experiment, each under its name and the experiment's."""

    def name(kind: str) -> str:
        return f"{kind}-{experiment}"

    longest = max(len(one.eao_curve) for one in scores.values())
    curves = {
        label: np.pad(one.eao_curve, (0, longest - len(one.eao_curve)), constant_values=np.nan)
        for label, one in scores.items()
    }
    points = [[label, one.robustness, one.accuracy] for label, one in scores.items()]
    ranking = [[label, one.eao] for label, one in scores.items()]
    figures = {
        name("eao"): PlotFigure(
            vot_plots.eao_ranking_plot(scores, colours, name("eao")), Table(["tracker", "eao"], ranking)
        ),
        name("eao-curve"): PlotFigure(
            vot_plots.eao_curve_plot(scores, colours, name("eao-curve")),
            Table.of_columns({"length": np.arange(longest), **curves}),
        ),
        name("ar"): PlotFigure(
            vot_plots.ar_plot(scores, colours, name("ar")), Table(["tracker", "robustness", "accuracy"], points)
        ),
    }
    if (svg := vot_plots.tags_plot(scores, colours, name("tags"))) is not None:
        header = ["tag", "tracker", "accuracy", "failures", "frames"]
        rows = [[tag, label, *values] for label, one in scores.items() for tag, values in one.per_tag.items()]
        figures[name("tags")] = PlotFigure(svg, Table(header, rows))
    if (svg := vot_plots.speed_plot(scores, colours, name("speed"))) is not None:
        rows = [[label, one.fps, one.eao] for label, one in scores.items()]
        figures[name("speed")] = PlotFigure(svg, Table(["tracker", "fps", "eao"], rows))
    if (svg := vot_plots.efo_plot(scores, colours, name("efo"))) is not None:
        rows = [[label, one.efo, one.eao] for label, one in scores.items()]
        figures[name("efo")] = PlotFigure(svg, Table(["tracker", "efo", "eao"], rows))
    return figures


def _summary_table(scores: _Scores) -> Table:
    rows = [
        {"tracker": name, "experiment": experiment, **figures_of(one)}
        for experiment, of_tracker in scores.items()
        for name, one in of_tracker.items()
    ]
    return Table(list(rows[0]), [list(row.values()) for row in rows])


def _sequences_table(scores: _Scores) -> Table:
    rows = [
        [experiment, name, sequence, figures.accuracy, figures.failures]
        for experiment, of_tracker in scores.items()
        for name, one in of_tracker.items()
        for sequence, figures in one.per_sequence.items()
    ]
    return Table(["experiment", "tracker", "sequence", "accuracy", "failures"], rows)


def _best(scores: Mapping[str, VotScores]) -> dict[str, float | None]:
    """The best value of each ranked column, to be set in bold; None where a single tracker has no rival."""
    best: dict[str, float | None] = dict.fromkeys(("eao", "accuracy", "robustness", "fps"))
    if len(scores) > 1:
        for key in best:
            values = [getattr(one, key) for one in scores.values() if not math.isnan(getattr(one, key))]
            best[key] = max(values, default=None)
    return best


def _unequal_runs(scores: Mapping[str, VotScores], total: int) -> list[str]:
    """A warning where trackers were not scored on the same sequences, so that their means do not compare."""
    short = [f"{name} on {len(one.per_sequence)}" for name, one in scores.items() if len(one.per_sequence) < total]
    return [f"Means do not compare: of {total} sequences, {', '.join(short)} only."] if short else []


def _panels(
    evaluation: VotEvaluation,
    experiment: str,
    scores: Mapping[str, VotScores],
    sequences: Sequence[VideoSequence],
    colours: Mapping[str, int],
    chosen: Sequence[str],
) -> list[dict[str, Any]]:
    """The chosen sequences, or those with most failures by the mean over trackers; strips of the first repetition."""

    def hardness(sequence: VideoSequence) -> tuple[float, float]:
        figures = [one.per_sequence[sequence.name] for one in scores.values() if sequence.name in one.per_sequence]
        if not figures:
            return math.inf, 0.0
        means = np.mean(figures, axis=0)
        return -float(means[1]), float(means[0])

    panels = []
    by_name = {sequence.name: sequence for sequence in sequences}
    shown = [by_name[name] for name in chosen if name in by_name] or sorted(sequences, key=hardness)[:STRIPS]
    for sequence in shown:
        runs = {
            name: evaluation.runs[name][experiment][sequence.name][0]  # type: ignore[index]
            for name, one in scores.items()
            if sequence.name in one.per_sequence
        }
        if runs:
            figures = {name: scores[name].per_sequence[sequence.name] for name in runs}
            shots = shots_for_page(_strip(sequence, runs, evaluation.supervision, colours))
            panels.append({"name": sequence.name, "frames": len(sequence), "figures": figures, "shots": shots})
    return panels


def _strip(
    sequence: VideoSequence, runs: Mapping[str, SupervisedRun], rules: Supervision, colours: Mapping[str, int]
) -> list[Any]:
    truth = truth_regions(sequence)
    tracks = {
        name: Track(run.regions, frame_overlaps(run, sequence, rules.bounded, rules.rule), colours[name])
        for name, run in runs.items()
    }
    first = next(iter(runs.values()))
    failures = np.flatnonzero(first.codes == FrameCode.FAILED)
    return draw_strip(sequence.frames, spread_frames(len(sequence), failures, SHOTS), truth, tracks)
