"""``siam-tracker benchmark``: how good and how fast, beside OpenCV's trackers, and what more targets cost."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from siam_tracker_core.benchmarks.backbones import BackboneCost, measure_backbones
from siam_tracker_core.benchmarks.many_targets import STEPS, TargetsCost, measure_targets
from siam_tracker_core.benchmarks.pruning import measure_pruning
from siam_tracker_core.benchmarks.srt_stages import StageCosts, measure_stages
from siam_tracker_core.commands.answers import answering
from siam_tracker_core.commands.paired import Figures, contenders, paired_figures, paired_table
from siam_tracker_core.commands.sequences import load_sequences, tracker_names
from siam_tracker_core.commands.tables import accuracy_table, markdown
from siam_tracker_core.commands.words import folders_of, words_of
from siam_tracker_core.errors import ConfigError, SiamTrackerError, WeightsError
from siam_tracker_core.evaluation.report.facts import describe_failures
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.runner import evaluate_trackers, set_threads
from siam_tracker_core.evaluation.summary import ranked, summarise
from siam_tracker_core.files import check_outputs, write_text
from siam_tracker_core.machine import machine, versions
from siam_tracker_core.peers import PEERS
from siam_tracker_core.trackers.siamrpn import SiamRPNModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.zoo import read_zoo, torch_device

DEFAULT_PEERS = ("kcf", "csrt", "nano", "nanotrack_v3", "fear_xs")


def benchmark(
    root: Path | None = None,
    trackers: list[str] | str = "",
    targets: tuple[int, ...] = (1, 2, 4, 8, 16),
    frames: int = 40,
    backbones: bool = False,
    srt_stages: bool = False,
    device: str = "auto",
    peer_models: list[str] | str = "",
    threads: int | None = None,
    peers: list[str] | str = "",
    runtimes: list[str] | str = "auto",
    load: tuple[int, ...] = (0,),
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Print tables: accuracy and speed of trackers, and the cost of many targets or of networks.

    Args:
        root: a folder of sequences in OTB's form to score the trackers on; without it only the second table is made.
        trackers: names as in evaluate; by default all of the zoo, and kcf, csrt, nano, nanotrack_v3 and fear_xs as far
            as they can run.
        targets: numbers of targets to follow in one process, beside what pruning saves SiamRPN; empty for neither.
        frames: how many frames the medians of the other tables are over.
        backbones: also time SiamFC and SiamRPN with every backbone of SiamDW beside AlexNet.
        srt_stages: also time each stage of a frame of SRT, with several hidden sizes of its IRNN.
        device: for our trackers: auto, cpu or cuda:0.
        peer_models: folders with the ONNX files of nano, nanotrack_v3 and fear_xs, which are not part of this package:
            in them, or in folders right inside.
        threads: CPU threads to use; all by default.
        peers: trackers of others (nano, kcf, fear_xs, ...) to update in turns with ours on one video.
        runtimes: what ours run in beside the peers: auto, torch, onnxruntime, openvino, tensorrt.
        load: numbers of busy processes beside the updates in turns, one table part each.
        out: folder for benchmark.json and the results of each sequence; by default nothing is kept.
        json: print all figures for a script, and the tables to standard error.
    """
    check_outputs({"--out": out}, [root])
    with answering(json) as figures:
        specs = _chosen(trackers, device, peer_models)
        set_threads(threads)
        kind = machine(device if device != "auto" else "cuda:0")
        figures |= {"machine": kind, "versions": versions()}
        print(f"{_sentence(kind)}\n")
        if root is not None:
            figures["accuracy"] = _accuracy(root, specs, threads, out)
        if targets:
            figures["targets"] = _targets(specs, targets, frames)
            figures["pruning"] = _pruning(specs, frames)
        if peers:
            figures["paired"] = _paired(
                specs, words_of(peers), words_of(runtimes), folders_of(peer_models), threads, load, frames
            )
        if backbones:
            costs = measure_backbones(torch_device(device), frames)
            print(f"Updates with one target, 640x480, median of {frames} frames\n\n{backbones_table(costs)}\n")
            figures["backbones"] = [asdict(cost) for cost in costs]
        if srt_stages:
            stages = measure_stages(torch_device(device), frames=frames)
            print(
                f"SRT with one target and {stages[0].candidates} candidates, 640x480, median milliseconds of {frames} "
                f"frames\n\n{stages_table(stages)}\n"
            )
            figures["srt_stages"] = [asdict(cost) for cost in stages]
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            write_text(out / "benchmark.json", dumps(figures, indent=2) + "\n")


def _paired(
    specs: Sequence[TrackerSpec],
    peers: Sequence[str],
    runtimes: Sequence[str],
    folders: Sequence[Path],
    threads: int | None,
    load: Sequence[int],
    frames: int,
) -> list[Figures]:
    """Updates in turns with peers."""
    unknown = [name for name in peers if name not in PEERS]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} is no peer; known are {', '.join(PEERS)}")
    ours = [spec for spec in specs if spec.source not in PEERS]
    others = [TrackerSpec.of(name, peer_models=folders) for name in peers]
    figures = paired_figures(contenders([*ours, *others], runtimes, threads), peers[0], load, frames)
    print(
        f"Updates in turns, one target, 640x480, {frames} frames; load is busy processes beside; ratios to {peers[0]}"
        f"\n\n"
        f"{paired_table(figures)}\n"
    )
    return figures


def targets_table(costs: Sequence[TargetsCost]) -> str:
    """Cost of many targets as a Markdown table: milliseconds a frame, the ratio to one target, milliseconds a step."""
    header = ["targets", "ms/frame", "times one", "ms/target", *STEPS]
    least = costs[0].milliseconds / costs[0].targets
    rows = [
        [
            str(cost.targets),
            f"{cost.milliseconds:.2f}",
            f"{cost.milliseconds / least:.2f}",
            f"{cost.milliseconds / cost.targets:.2f}",
            *(f"{cost.steps[step]:.2f}" for step in STEPS),
        ]
        for cost in costs
    ]
    return markdown(header, rows)


def backbones_table(costs: Sequence[BackboneCost]) -> str:
    """Cost of backbones as a Markdown table: milliseconds, speed relative to AlexNet's here and in the paper."""
    first = costs[0]
    rows = [
        [
            cost.backbone,
            f"{cost.siamfc:.1f}",
            f"{first.siamfc / cost.siamfc:.2f}",
            f"{cost.published[0] / first.published[0]:.2f} ({cost.published[0]}/s)",
            f"{cost.siamrpn:.1f}",
            f"{first.siamrpn / cost.siamrpn:.2f}",
            f"{cost.published[1] / first.published[1]:.2f} ({cost.published[1]}/s)",
            f"{cost.siamrpn / cost.siamfc:.0%}",
        ]
        for cost in costs
    ]
    speeds = ["ms", "speed", "published"]
    header = ["backbone", *(f"SiamFC {word}" for word in speeds), *(f"SiamRPN {word}" for word in speeds)]
    return markdown([*header, "SiamRPN/SiamFC time"], rows)


def stages_table(costs: Sequence[StageCosts]) -> str:
    """Cost of SRT's stages as a Markdown table: milliseconds, a column for each hidden size."""
    first = costs[0]
    rows = [
        *([stage, *(f"{cost.stages[stage]:.1f}" for cost in costs)] for stage in first.stages),
        ["together", *(f"{cost.total:.1f}" for cost in costs)],
        *([f"instead: {way}", *(f"{cost.instead[way]:.1f}" for cost in costs)] for way in first.instead),
    ]
    return markdown(["stage", *(f"{cost.hidden} channels" for cost in costs)], rows)


def _chosen(trackers: list[str] | str, device: str, peer_models: list[str] | str) -> list[TrackerSpec]:
    """The trackers that were asked for; by default all that can run here, with a line for each that cannot."""
    if trackers:
        return [TrackerSpec.of(name, device, folders_of(peer_models)) for name in tracker_names(trackers)]
    specs = []
    for name in [*read_zoo(), *DEFAULT_PEERS]:
        spec = TrackerSpec.of(name, device, folders_of(peer_models))
        try:
            if name in PEERS:
                spec.make()
        except (ConfigError, WeightsError) as error:
            print(f"left out: {error}")
            continue
        specs.append(spec)
    return specs


def _accuracy(root: Path, specs: Sequence[TrackerSpec], threads: int | None, out: Path | None) -> dict[str, Any]:
    sequences = load_sequences(root)
    with tempfile.TemporaryDirectory() as scratch:
        run = evaluate_trackers(specs, sequences, out or Path(scratch), threads=threads, fresh=True)
    summaries = {name: summarise(results) for name, results in run.results.items() if results}
    if not summaries:
        raise SiamTrackerError("no tracker finished any sequence: " + describe_failures(run.failures)[0])
    summaries = {name: summaries[name] for name in ranked(summaries)}
    print(f"{len(sequences)} sequences of {root.resolve().name}, one-pass evaluation\n\n{accuracy_table(summaries)}\n")
    for line in describe_failures(run.failures):
        print(f"{line}\n")
    return summaries


def _targets(specs: Sequence[TrackerSpec], targets: Sequence[int], frames: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for spec in specs:
        tracker = spec.make()
        if not isinstance(tracker, Tracker):
            continue
        costs = measure_targets(tracker, sorted(set(targets)), frames)
        print(f"{spec.label} on {tracker.device}, 640x480, median of {frames} frames\n\n{targets_table(costs)}\n")
        figures[spec.label] = [asdict(cost) for cost in costs]
    return figures


def _pruning(specs: Sequence[TrackerSpec], frames: int) -> dict[str, Any]:
    """What proposal networks save by running their template branch once."""
    figures: dict[str, Any] = {}
    for spec in specs:
        tracker = spec.make()
        if isinstance(tracker, Tracker) and isinstance(tracker.model, SiamRPNModel):
            cost = measure_pruning(tracker.model, frames)
            print(
                f"{spec.label}: {cost.pruned:.2f} ms with the template branch once, {cost.whole:.2f} ms with it in "
                f"every frame: pruning saves {cost.saved:.0%}\n"
            )
            figures[spec.label] = asdict(cost)
    return figures


def _sentence(kind: Mapping[str, str | int]) -> str:
    accelerator = f", {kind['accelerator']}" if "accelerator" in kind else ""
    threads = f"{kind['torch_threads']} PyTorch threads, {kind['opencv_threads']} OpenCV threads"
    installed = versions()
    return (
        f"{kind['processor']}, {kind['cores']} cores, {threads}{accelerator}; PyTorch {installed['PyTorch']}, "
        f"OpenCV {installed['OpenCV']}"
    )
