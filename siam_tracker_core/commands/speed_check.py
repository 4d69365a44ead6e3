"""All tables of this machine's speed in one run: ``make cpu-check`` and ``make gpu-check``.

Writes speed.json and speed.md. On a machine without the device that is asked for it says so and ends well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from siam_tracker_core.benchmarks.cold_start import measure_cold_start
from siam_tracker_core.benchmarks.limits import measure_limits
from siam_tracker_core.benchmarks.many_targets import STEPS, measure_targets
from siam_tracker_core.benchmarks.stages import STAGES, measure_sizes, measure_update
from siam_tracker_core.builders import ON_BACKENDS
from siam_tracker_core.commands.paired import contenders, paired_figures, paired_table
from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.cores import usable_cores
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.machine import machine, versions
from siam_tracker_core.runtimes.choosing import installed
from siam_tracker_core.zoo import load_tracker, read_zoo
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

# Where NanoTrack's files lie beside a checkout; they are no part of this package.
PEER_MODELS = Path("../shared/data/peers")


@dataclass
class SpeedReport:
    """What was measured, as it goes: each part also writes the files, so that an interrupted run leaves what it has.

    Attributes:
        out: folder of the files.
        figures: by part.
        text: Markdown, part after part.
    """

    out: Path
    figures: dict[str, Any] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def part(self, name: str, title: str, measure: Callable[[], tuple[Any, str]]) -> None:
        """Measure one part; what goes wrong in it is told in its place, and the others go on."""
        began = time.monotonic()
        try:
            self.figures[name], table = measure()
        except (SiamTrackerError, RuntimeError) as error:
            self.figures[name], table = {"error": str(error)}, f"not measured: {error}"
        self.text.append(f"## {title}\n\n{table}\n")
        print(f"{self.text[-1]}\n({time.monotonic() - began:.0f} s)\n", flush=True)
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "speed.json").write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")
        (self.out / "speed.md").write_text("\n".join(self.text), encoding="utf-8")


def speed_check(
    device: str = "cpu",
    out: Path = Path("build/speed"),
    tracker: str = DEFAULT_TRACKER,
    peer_models: Path = PEER_MODELS,
    exported: list[str] | None = None,
    frames: int = 80,
    tests: bool = True,
) -> None:
    """Measure this machine: updates beside peers, idle and under load, many targets, stages, start, and the GPU.

    Args:
        device: cpu, or cuda:0.
        out: folder for speed.json and speed.md.
        tracker: the one that most tables are about.
        peer_models: folder with NanoTrack's two ONNX files.
        exported: folders of exported trackers to measure too, e.g. one in int8.
        frames: of each table.
        tests: on a GPU, run the tests of it first.
    """
    if device != "cpu" and not torch.cuda.is_available():
        print("no CUDA device here, so nothing was measured; run make gpu-check on a machine that has one")
        return
    report = SpeedReport(out)
    facts = {
        **machine(device),
        **versions(),
        "usable_cores": usable_cores(),
        "runtimes": installed(torch.device(device)),
    }
    report.part("machine", "Machine", lambda: (facts, "\n".join(f"- {key}: {value}" for key, value in facts.items())))
    if device == "cpu":
        _cpu(report, tracker, peer_models, exported or [], frames)
    else:
        _gpu(report, tracker, device, frames, tests)
    print(f"written to {out}/speed.json and {out}/speed.md")


def _cpu(report: SpeedReport, tracker: str, peer_models: Path, exported: Sequence[str], frames: int) -> None:
    runtimes = [*installed(torch.device("cpu")), "torch"]
    cores = usable_cores()
    for threads in sorted({cores, 1}, reverse=True):
        loads = (0, cores) if threads == cores else (0,)
        report.part(
            f"updates_{threads}",
            f"One target beside NanoTrack, {threads} threads, 640x480",
            lambda threads=threads, loads=loads: _beside_peers(  # type: ignore[misc]
                tracker, runtimes, peer_models, exported, threads, loads, frames
            ),
        )
    report.part("targets", "Many targets", lambda: _targets(tracker, "cpu", (1, 2, 4, 8, 16), frames // 2))
    report.part("stages", "Where an update goes, milliseconds", lambda: _stages(tracker, "cpu", runtimes, frames))
    others = [name for name, entry in read_zoo().items() if entry.tracker in ON_BACKENDS and name != tracker]
    report.part("others", "Other trackers, one target", lambda: _others(others, peer_models, frames // 2))
    report.part("start", "Cold start", lambda: _start(tracker, "cpu", ["auto", "torch"]))


def _gpu(report: SpeedReport, tracker: str, device: str, frames: int, tests: bool) -> None:
    if tests:
        report.part("tests", "Tests on the GPU", _run_tests)
    report.part("boxes", "Boxes against the CPU's, pixels", lambda: _boxes(device))
    report.part("targets", "Many targets", lambda: _targets(tracker, device, (1, 2, 4, 8, 16, 32, 64), frames))
    for name in ("siamfc", "siamrpn"):
        report.part(
            f"targets_{name}",
            f"Many targets, {name}",
            lambda name=name: _targets(name, device, (1, 8, 32), frames // 2),  # type: ignore[misc]
        )
    runtimes = [*installed(torch.device(device)), "torch"]
    report.part("stages", "Where an update goes, milliseconds", lambda: _stages(tracker, device, runtimes, frames))
    report.part("sizes", "Upload and crops by size of image, milliseconds", lambda: _sizes(device, frames))
    report.part("limits", "Share of the physical limit", lambda: _limits(tracker, device))
    report.part("start", "Cold start", lambda: _start(tracker, device, ["torch"]))


def _beside_peers(
    tracker: str,
    runtimes: Sequence[str],
    peer_models: Path,
    exported: Sequence[str],
    threads: int,
    loads: Sequence[int],
    frames: int,
) -> tuple[Any, str]:
    cv2.setNumThreads(threads)
    ours = contenders([TrackerSpec.of(tracker, "cpu")], runtimes, threads)
    folders = contenders([TrackerSpec.of(folder, "cpu") for folder in exported], ["auto"], threads)
    peer = contenders([TrackerSpec.of("nano", peer_models=[peer_models])], ["auto"])
    figures = paired_figures({**ours, **folders, **peer}, "nano", loads, frames)
    return figures, paired_table(figures)


def _others(names: Sequence[str], peer_models: Path, frames: int) -> tuple[Any, str]:
    specs = [*(TrackerSpec.of(name, "cpu") for name in names), TrackerSpec.of("nano", peer_models=[peer_models])]
    figures = paired_figures(contenders(specs, ["auto", "torch"]), "nano", (0,), frames)
    return figures, paired_table(figures)


def _targets(name: str, device: str, counts: Sequence[int], frames: int) -> tuple[Any, str]:
    tracker = load_tracker(name, device)
    costs = measure_targets(tracker, counts, frames)
    rows = [
        [str(cost.targets), f"{cost.milliseconds:.2f}", f"{1e3 / cost.milliseconds:.0f}"]
        + [f"{cost.steps[step]:.2f}" for step in STEPS]
        for cost in costs
    ]
    table = markdown(["targets", "ms/frame", "frames/s", *STEPS], rows)
    return [asdict(cost) for cost in costs], f"{name} in {tracker.runtime}, 640x480\n\n{table}"


def _stages(name: str, device: str, runtimes: Sequence[str], frames: int) -> tuple[Any, str]:
    figures = {}
    for runtime in runtimes:
        try:
            figures[runtime] = measure_update(load_tracker(name, device, runtime=runtime), frames)
        except SiamTrackerError as error:
            print(f"left out: {error}")
    rows = [[runtime, *(f"{told[stage]:.3f}" for stage in STAGES)] for runtime, told in figures.items()]
    return figures, markdown(["runtime", *STAGES], rows)


def _sizes(device: str, frames: int) -> tuple[Any, str]:
    figures = measure_sizes(torch.device(device), frames)
    rows = [[size, f"{upload:.3f}", f"{crop:.3f}"] for size, (upload, crop) in figures.items()]
    return figures, markdown(["size", "upload", "32 crops of 255 pixels"], rows)


def _limits(name: str, device: str) -> tuple[Any, str]:
    figures = measure_limits(load_tracker(name, device, runtime="torch"))
    return figures, markdown(["figure", "value"], [[key, f"{value:.4g}"] for key, value in figures.items()])


def _start(name: str, device: str, runtimes: Sequence[str]) -> tuple[Any, str]:
    figures = [measure_cold_start(name, device, runtime) for runtime in runtimes]
    header = list(figures[0])
    rows = [[f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()] for row in figures]
    return figures, markdown(header, rows)


def _boxes(device: str, frames: int = 40) -> tuple[Any, str]:
    """The largest difference between the GPU's boxes and the CPU's, of every tracker that does not learn."""
    made = made_sequence(frames=48 + frames, size=(320, 240), seed=2)
    images, box = made.frames[48:], made.boxes[48]
    figures = {}
    for name in (name for name, entry in read_zoo().items() if entry.tracker in ON_BACKENDS and entry.is_here):
        tracks = []
        for where in ("cpu", device):
            tracker = load_tracker(name, where, precision="single", runtime="torch")
            tracker.init(images[0], box)
            tracks.append(np.array([tracker.update(image).box.to_array() for image in images[1:]]))
        figures[name] = float(np.abs(tracks[0] - tracks[1]).max())
    return figures, markdown(
        ["tracker", "largest difference"], [[key, f"{value:.3f}"] for key, value in figures.items()]
    )


def _run_tests() -> tuple[Any, str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "test/core/runtimes",
        "test/core/training",
        "-q",
        "-k",
        "cuda or gpu or tensorrt",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    tail = "\n".join(run.stdout.strip().splitlines()[-12:])
    return {"passed": run.returncode == 0, "told": tail}, f"```\n{tail}\n```"


def main() -> None:
    """Run as ``python -m siam_tracker_core.commands.speed_check``."""
    from jsonargparse import auto_cli

    auto_cli(speed_check, as_positional=False)


if __name__ == "__main__":
    main()
