"""Tasks over the cores of this machine or the workers of a Dask cluster; a process that dies loses its task only.

On one machine joblib runs them. On a cluster Dask's own futures do: joblib's Dask backend waits for ever for a task
whose worker died (seen with joblib 1.6 and distributed 2026.8), and does not say which task that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from siam_tracker_core.cores import usable_cores
from siam_tracker_core.errors import ConfigError, SiamTrackerError

Backend = Literal["local", "dask"]
Answer = TypeVar("Answer")
Task = tuple[Any, ...]

_SECONDS_TO_CONNECT = 20


@dataclass(frozen=True)
class WorkerDied:
    """In place of an answer: the process that worked on the task ended before it had one.

    Attributes:
        reason: what is known of it, in one line.
    """

    reason: str = "the process that ran it ended; it crashed, or the machine was out of memory"


class Workers:
    """Where tasks run: in this process, in several of this machine, or on a cluster. A context manager.

    Args:
        jobs: processes on this machine; 1 is this process itself. A cluster uses all its workers instead.
        backend: "local" or "dask".
        address: of the Dask scheduler, e.g. ``tcp://host:8786``. Its workers need this package installed, and must find
            all files under the same paths.

    Attributes:
        parallel: whether tasks run outside this process.
        threads: CPU threads that a task should use so that all cores are busy and none twice.

    Raises:
        ConfigError: if a number is impossible, ``distributed`` is not installed, no scheduler answers, or it has no
            worker.
    """

    def __init__(self, jobs: int = 1, backend: Backend = "local", address: str = "") -> None:
        if jobs < 1:
            raise ConfigError(f"jobs is {jobs}; give 1 or more processes")
        if (backend == "dask") != bool(address):
            raise ConfigError("--backend dask and --address belong together, e.g. --address tcp://host:8786")
        self._jobs, self._address = jobs, address
        self._client = _connected(address) if address else None
        self.parallel = jobs > 1 or bool(address)
        self.threads = 1 if address else max(usable_cores() // jobs, 1)  # Dask gives each core a task

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._client is not None:
            self._client.close()

    def run(self, function: Callable[..., Answer], tasks: Sequence[Task]) -> Iterator[tuple[int, Answer | WorkerDied]]:
        """Call ``function(*task)`` for every task, and yield each index with its answer as soon as it is there.

        An exception inside ``function`` is raised here.

        Raises:
            SiamTrackerError: if the connection to the cluster is lost.
        """
        return self._run_here(function, tasks) if self._client is None else self._run_there(function, tasks)

    def _run_here(
        self, function: Callable[..., Answer], tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Answer | WorkerDied]]:
        """When a process dies, joblib cannot say in which task; what was under way is run again, task by task."""
        import joblib  # type: ignore[import-untyped]

        waiting, started = dict(enumerate(tasks)), list[int]()

        def delayed() -> Iterator[Any]:
            for index, task in list(waiting.items()):
                started.append(index)
                yield joblib.delayed(_numbered)(index, function, task)

        while waiting:
            started.clear()
            try:
                for index, answer in _parallel(self._jobs)(delayed()):
                    del waiting[index]
                    yield index, answer
            except BrokenProcessPool:
                for index in [index for index in started if index in waiting]:
                    yield index, _run_alone(function, waiting.pop(index))

    def _run_there(
        self, function: Callable[..., Answer], tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Answer | WorkerDied]]:
        """When a worker dies, Dask runs what it held on others, and gives up what several have died with.

        That may be the guiltless neighbour of a deadly task, so whatever was given up gets another chance, alone.
        """
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        assert self._client is not None
        futures = {self._client.submit(function, *task, pure=False): index for index, task in enumerate(tasks)}
        given_up = []
        try:
            for future in as_completed(list(futures), loop=self._client.loop):
                index = futures.pop(future)
                try:
                    yield index, future.result()
                except KilledWorker:
                    given_up.append(index)
            for index in given_up:
                try:
                    yield index, self._client.submit(function, *tasks[index], pure=False).result()
                except KilledWorker:
                    yield index, WorkerDied()
        except CancelledError:
            raise SiamTrackerError(
                f"the Dask scheduler at {self._address} is gone; what was finished is kept, run it again to go on"
            ) from None
        finally:
            self._client.cancel(list(futures))


def _parallel(jobs: int) -> Any:
    import joblib

    return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)


def _run_alone(function: Callable[..., Answer], task: Task) -> Answer | WorkerDied:
    import joblib

    try:
        ((_, answer),) = _parallel(2)([joblib.delayed(_numbered)(0, function, task)])  # one job would be this process
    except BrokenProcessPool:
        return WorkerDied()
    return answer  # type: ignore[no-any-return]


def _numbered(index: int, function: Callable[..., Answer], task: Task) -> tuple[int, Answer]:
    return index, function(*task)


def _connected(address: str) -> Any:
    """A client of the scheduler, with at least one worker."""
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("--backend dask needs the package distributed: pip install distributed") from None
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at {address} ({error}); is it running?") from None
    if not client.ncores():
        client.close()
        raise ConfigError(f"the Dask scheduler at {address} has no worker; start some with: dask worker {address}")
    return client
