"""Evaluation over processes and over a Dask cluster: the same numbers, and a process that dies loses its task only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from made_network import random_weights

from siam_tracker_core.datasets import Sequence, read_sequence
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.runner import evaluate_trackers
from siam_tracker_core.evaluation.workers import WorkerDied, Workers

distributed = pytest.importorskip("distributed")

# Tasks for ``eval``, which every process has: the second takes its process with it.
DEADLY = [("1",), ("__import__('os')._exit(1)",), ("3",), ("4",)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two worker processes that gives up whatever a worker held that died."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0, "logging.distributed": "critical"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> list[Sequence]:
    folder = tmp_path_factory.mktemp("made")
    return [
        read_sequence(made_sequence(frames=5, size=(160, 120), seed=seed).write_otb_form(folder / f"made{seed}"))
        for seed in (1, 2, 3)
    ]


@pytest.mark.slow
def test_a_cluster_gives_the_numbers_of_one_process(
    address: str, sequences: list[Sequence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_weights(tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)  # the workers were started elsewhere
    # A runtime by name: the fastest may be another one in another process, and rounds otherwise.
    specs = [replace(TrackerSpec.of("mine.safetensors", device="cpu"), runtime="torch")]
    specs += [TrackerSpec.of("kcf")] if hasattr(cv2, "TrackerKCF_create") else []
    options = {"threads": 1, "show_progress": False}
    here = evaluate_trackers(specs, sequences, tmp_path / "here", **options)  # type: ignore[arg-type]
    there = evaluate_trackers(
        specs,
        sequences,
        tmp_path / "there",
        backend="dask",
        address=address,
        **options,  # type: ignore[arg-type]
    )
    assert not there.failures
    assert here.identities == there.identities
    for spec in specs:
        assert len(there.results[spec.label]) == len(sequences)
        for one, other in zip(here.results[spec.label], there.results[spec.label], strict=True):
            assert one.name == other.name
            np.testing.assert_array_equal(one.predicted, other.predicted)
            np.testing.assert_array_equal(one.scores, other.scores)
            assert one.states == other.states
            assert (tmp_path / "there" / "results" / spec.label / f"{one.name}.csv").is_file()


@pytest.mark.slow
def test_a_failure_on_a_cluster_loses_its_sequence_only(
    address: str, sequences: list[Sequence], tmp_path: Path
) -> None:
    random_weights(tmp_path / "mine.safetensors")
    frames = (*sequences[0].frames[:3], tmp_path / "gone.png", sequences[0].frames[4])
    broken = Sequence("broken", frames, sequences[0].boxes)
    run = evaluate_trackers(
        [TrackerSpec.of(str(tmp_path / "mine.safetensors"), device="cpu")],
        [broken, sequences[1]],
        tmp_path / "out",
        backend="dask",
        address=address,
        show_progress=False,
    )
    assert [result.name for result in run.results["mine"]] == [sequences[1].name]
    assert "gone.png does not exist" in run.failures[0].reason


def test_a_dask_worker_that_dies_loses_its_task_only(address: str) -> None:
    with Workers(backend="dask", address=address) as workers:
        answers = dict(workers.run(eval, DEADLY))
    assert isinstance(answers.pop(1), WorkerDied)
    assert answers == {0: 1, 2: 3, 3: 4}


@pytest.mark.slow
def test_a_tracker_that_ends_its_process_loses_its_sequence_only(tmp_path: Path, sequences: list[Sequence]) -> None:
    deadly = sequences[1].frames[2]
    kills = cv2.imread(str(deadly)).tobytes()
    tracker = SimpleNamespace(
        init=lambda image, box: None,
        update=lambda image: os._exit(1) if image.tobytes() == kills else (1, 2, 3, 4),
    )
    run = evaluate_trackers([TrackerSpec("deadly", tracker)], sequences, tmp_path, jobs=2, show_progress=False)
    assert [result.name for result in run.results["deadly"]] == [sequences[0].name, sequences[2].name]
    (failure,) = run.failures
    assert failure.sequence == sequences[1].name
    assert "the process that ran it ended" in failure.reason


def test_an_error_inside_a_task_is_raised() -> None:
    with Workers(jobs=2) as workers, pytest.raises(ZeroDivisionError):
        list(workers.run(eval, [("1/0",), ("2",)]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"jobs": 0}, "jobs is 0"),
        ({"backend": "dask"}, "--backend dask and --address belong together"),
        ({"address": "tcp://127.0.0.1:1"}, "--backend dask and --address belong together"),
        ({"backend": "dask", "address": "nonsense://here"}, "no Dask scheduler answers at nonsense://here"),
    ],
)
def test_impossible_workers_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Workers(**arguments)  # type: ignore[arg-type]


def test_a_scheduler_without_workers_is_an_error() -> None:
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(ConfigError, match="has no worker"),
    ):
        Workers(backend="dask", address=cluster.scheduler_address)
