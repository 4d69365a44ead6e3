"""What vot-toolkit says, run in a process of its own: ``python vot_toolkit_side.py COMMAND WORKSPACE [ARGUMENTS]``.

vot-toolkit is GPL-3 and no part of the package; this file is only ever run beside it, to compare.
"""

from __future__ import annotations

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import vot
from made_vot import failing_script


def main() -> None:
    command, workspace, *arguments = sys.argv[1:]
    logging.disable(logging.WARNING)
    vot.config.results_binary = False
    commands = {"analyse": analyse, "supervise": supervise, "overlaps": overlaps, "run": run}
    print(json.dumps(commands[command](workspace, *arguments)))


def load(folder: str):
    from vot.workspace import Workspace

    workspace = Workspace.load(folder)
    storage = workspace.storage.substorage("results")
    return workspace, lambda name: workspace.registry.resolve(name, storage=storage, skip_unknown=False)


def analyse(folder: str, tracker: str) -> dict:
    """Every figure of every analysis in the workspace's stack, by experiment."""
    from cachetools import LRUCache
    from vot.analysis import AnalysisProcessor, process_stack_analyses

    workspace, find = load(folder)
    with AnalysisProcessor(ThreadPoolExecutor(1), LRUCache(100)):
        results = process_stack_analyses(workspace, find(tracker), None, None)
    return {
        experiment.identifier: {
            f"{type(analysis).__name__}{getattr(analysis, 'low', '')}": [plain(value) for value in next(iter(grid))]
            for analysis, grid in analyses.items()
        }
        for experiment, analyses in results.items()
    }


def plain(value):
    return np.asarray(value, dtype=object).tolist() if not hasattr(value, "tolist") else value.tolist()


def supervise(folder: str, tracker: str, seconds: str) -> dict:
    """The lines of the trajectories that vot-toolkit's own supervised experiments write for the failing script.

    ``seconds`` is JSON: for each experiment the times of the tracker's answers, which repeat from frame to frame.
    """
    workspace, find = load(folder)
    (described,) = find(tracker)
    lines = {}
    for experiment in workspace.stack:
        durations = json.loads(seconds)[experiment.identifier]
        for identity, sequence in enumerate(workspace.dataset):
            runtime = scripted_runtime(described, experiment.realtime, identity, durations)
            experiment._get_runtime = lambda *_, runtime=runtime: runtime
            experiment.execute(described, sequence)
            path = Path(folder) / "results" / tracker / experiment.identifier / sequence.name
            lines[f"{experiment.identifier} {sequence.name}"] = {
                file.name: file.read_text().splitlines() for file in sorted(path.glob("*.txt"))
            }
    return lines


def scripted_runtime(tracker, realtime, identity: int, durations: list[float]):
    """A runtime that follows the script, behind vot-toolkit's own real-time rules where the experiment has them.

    In 0.9.0 the supervised experiment handles one object where the runtimes that come with it give lists, and asks
    for an online runtime, which its real-time one is not; so it can run none of them, and this one gives one object.
    """
    from vot.region import Rectangle
    from vot.tracker import ObjectStatus, OnlineTrackerRuntime, RealtimeTrackerRuntime

    script = failing_script()

    class Runtime(OnlineTrackerRuntime):
        def stop(self):
            pass

        restart = stop

        def initialize(self, frame, new=None):
            return ObjectStatus(new.region, {}), durations[frame.index % len(durations)]

        def update(self, frame, new=None):
            return ObjectStatus(Rectangle(*script(identity, frame.index)), {}), durations[frame.index % len(durations)]

    class Hurried(Runtime):
        def __init__(self):
            super().__init__(tracker)
            hurried = RealtimeTrackerRuntime(Runtime(tracker), realtime.grace, 1 / realtime.fps)
            self.initialize, self.update = hurried.initialize, hurried.update

    return Runtime(tracker) if realtime is None else Hurried()


def overlaps(folder: str) -> list[float]:
    """Overlap of the pairs of regions in ``pairs.json``, inside an image of the size that is given there."""
    from vot.region import Polygon, Rectangle, calculate_overlap

    given = json.loads((Path(folder) / "pairs.json").read_text())

    def region(values):
        return Rectangle(*values) if len(values) == 4 else Polygon(list(zip(values[::2], values[1::2], strict=True)))

    return [calculate_overlap(region(a), region(b), tuple(given["size"])) for a, b in given["pairs"]]


def run(folder: str, tracker: str) -> dict:
    """Let vot-toolkit start a tracker and run its experiments; the lines of what it wrote."""
    from vot.experiment import run_experiment

    workspace, find = load(folder)
    (described,) = find(tracker)
    for experiment in workspace.stack:
        run_experiment(experiment, described, workspace.dataset)
    return {
        str(file.relative_to(folder)): file.read_text().splitlines()
        for file in sorted((Path(folder) / "results").rglob("*.*"))
    }


if __name__ == "__main__":
    main()
