"""The search: Optuna's tree-structured Parzen estimator over a tracker's settings, as SiamDW tuned its trackers.

Sequences run side by side, trials one after the other, and each trial draws from a generator of its own that is seeded
with the search's seed and the number of finished trials. So the same search gives the same trials on one process and on
many, in one go and with interruptions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from tqdm import tqdm

from siam_tracker_core.datasets import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.runner import Failure, run_pairs
from siam_tracker_core.evaluation.tuning_record import fingerprint
from siam_tracker_core.evaluation.workers import Workers
from siam_tracker_core.files import write_text
from siam_tracker_core.tuning.spaces import Parameter, Space, as_settings

if TYPE_CHECKING:
    import optuna

STUDY_FILE = "study.db"
_STUDY = "siam_tracker"


@dataclass(frozen=True)
class Found:
    """What a search gives.

    Attributes:
        values: the best settings, by name.
        before: mean success AUC over the sequences with the tracker's own settings.
        after: that with the best ones.
        trials: each finished trial's settings and mean success AUC, in order.
    """

    values: dict[str, Any]
    before: float
    after: float
    trials: list[tuple[dict[str, Any], float]]


def search(
    spec: TrackerSpec,
    sequences: Sequence[VideoSequence],
    space: Space,
    out: Path,
    workers: Workers,
    *,
    weights: str = "",
    trials: int = 100,
    seed: int = 0,
    threads: int | None = None,
    show_progress: bool = True,
) -> Found:
    """Search for the settings with the best mean success AUC; goes on with a search that ``out`` holds already.

    A sequence on which the tracker crashes with a trial's settings counts as 0.

    Args:
        spec: the tracker, with its own settings.
        sequences: what to run on.
        space: what to search.
        out: folder of the search; each trial's settings are kept in ``trials/``.
        workers: where the sequences run.
        weights: SHA-256 of the tracker's weights, so that a search is not continued with others.
        trials: how many in all, those of an earlier run included.
        seed: of the search.
        threads: CPU threads of each process.
        show_progress: a bar with the time left.

    Raises:
        ConfigError: if a number is impossible, Optuna is not installed, or ``out`` holds another search.
        DatasetError: if the tracker cannot be run on a sequence with its own settings.
    """
    if trials < 1 or seed < 0:
        raise ConfigError(f"trials is {trials} and seed is {seed}; give 1 or more trials, and a seed of 0 or more")
    study = _study(out)
    request = {
        "tracker": spec.label,
        "weights": weights,
        "seed": seed,
        "sequences": {sequence.name: [len(sequence), fingerprint(sequence)] for sequence in sequences},
        "space": {name: asdict(parameter) for name, parameter in space.items()},
    }
    _check_same(study, json.loads(json.dumps(request)), out)  # as it comes back from storage, without tuples
    states = _trial_states()
    for unfinished in study.get_trials(states=(states.RUNNING,)):
        study.tell(unfinished.number, state=states.FAIL)
    distributions = {name: _distribution(parameter) for name, parameter in space.items()}
    done = len(study.get_trials(states=(states.COMPLETE,)))
    before = study.user_attrs.get("before")
    runs = max(trials - done, 0) + (before is None)
    with tqdm(
        total=runs * sum(map(len, sequences)), unit="frame", disable=not show_progress or None, smoothing=0.02
    ) as bar:
        if before is None:
            before = _score(spec, sequences, workers, threads, bar, must_run=True)
            study.set_user_attr("before", before)
        for number in range(done, trials):
            best = f", best {study.best_value:.3f}" if number else ""
            bar.set_postfix_str(f"trial {number + 1} of {trials}, {before:.3f} before{best}")
            study.sampler = _sampler(seed, number)
            trial = study.ask(distributions)
            path = out / "trials" / f"{number:04d}.yaml"
            path.parent.mkdir(exist_ok=True)
            write_text(path, yaml.safe_dump(as_settings(trial.params)))
            study.tell(trial, _score(replace(spec, settings=path.absolute()), sequences, workers, threads, bar))
    finished = study.get_trials(states=(states.COMPLETE,))
    return Found(
        study.best_params, before, study.best_value, [(trial.params, float(trial.value or 0)) for trial in finished]
    )


def _score(
    spec: TrackerSpec,
    sequences: Sequence[VideoSequence],
    workers: Workers,
    threads: int | None,
    bar: tqdm,
    must_run: bool = False,
) -> float:
    areas = []
    for outcome in run_pairs([(spec, sequence) for sequence in sequences], workers, threads, bar):
        if not isinstance(outcome, Failure):
            areas.append(otb.score_sequence(outcome[1]).success_auc)
        elif must_run:
            raise DatasetError(f"{outcome.tracker} cannot be run on {outcome.sequence}: {outcome.reason}")
    # Sorted, because sums of floats depend on the order, and outcomes come in any.
    return sum(sorted(areas)) / len(sequences)


def _study(out: Path) -> optuna.Study:
    try:
        import optuna
    except ImportError:
        raise ConfigError("tuning needs the package optuna: pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=f"sqlite:///{(out / STUDY_FILE).absolute()}",
        study_name=_STUDY,
        direction="maximize",
        load_if_exists=True,
    )


def _check_same(study: optuna.Study, request: Mapping[str, Any], out: Path) -> None:
    earlier = study.user_attrs.get("request")
    if earlier is None:
        study.set_user_attr("request", request)
    elif earlier != request:
        changed = ", ".join(key for key in request if request[key] != earlier.get(key))
        raise ConfigError(f"{out} holds another search (other {changed}); give another folder with --out")


def _trial_states() -> Any:
    import optuna

    return optuna.trial.TrialState


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))


def _distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.choices:
        return CategoricalDistribution(parameter.choices)
    low, high = parameter.low, parameter.high
    assert low is not None
    assert high is not None
    if parameter.whole:
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(parameter.step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=parameter.step)
