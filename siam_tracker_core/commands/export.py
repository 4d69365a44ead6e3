"""``siam-tracker export``: a tracker's network for runtimes other than this package's PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from siam_tracker_core.commands.answers import answering
from siam_tracker_core.commands.sequences import load_sequences
from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.config import read_yaml
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.loading import subject_of
from siam_tracker_core.runtimes.export import Wanted, check_request, write
from siam_tracker_core.runtimes.manifest import Manifest
from siam_tracker_core.runtimes.samples import Sample, pictures_in, samples_of_pictures
from siam_tracker_core.zoo import blueprint_of, torch_device

# Pairs of pictures that the activations of an int8 graph are measured on.
PAIRS = 300
_CHECKED_ON = 8


def export(
    name: str,
    out: Path = Path("exported"),
    format: Literal["onnx", "openvino", "tensorrt", "torchscript"] = "onnx",
    precision: Literal["single", "half", "int8"] = "single",
    batch: int = 1,
    settings: Path | None = None,
    pictures: Path | None = None,
    calibration: Path | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Write a tracker's template and search graphs into a folder that load_tracker, the node and others can run.

    Each graph takes uint8 crops (batch, side, side, 3) in BGR; what comes before the network is inside. The answers
    are compared with PyTorch's, and nothing is written if they differ by more than the precision explains.

    Args:
        name: of a tracker in the zoo, or a path to a .safetensors file.
        out: folder to make; one with an exported tracker is replaced.
        format: of the graphs.
        precision: of their arithmetic; int8 quantises the search graphs, half of OpenVINO is chosen by the CPU.
        batch: crops that a graph takes at once; 0 leaves the number open, where the network allows it.
        settings: YAML file with settings of the tracker that differ from its own.
        pictures: folder of pictures to compare the answers on; by default a few of scikit-image's, or made ones.
        calibration: folder of training sequences in OTB's form, which int8 needs.
        device: that TensorRT builds for: auto or cuda:N.
        json: print format, precision and, by graph, its files and its largest difference from PyTorch for a script.
    """
    wanted = Wanted(format, precision, batch, torch_device(device))
    check_request(wanted, out)
    if precision == "int8" and calibration is None:
        raise ConfigError(
            "int8 needs training sequences to measure activations on; give their folder with --calibration"
        )
    changes = read_yaml(settings) if settings else {}
    blueprint = blueprint_of(name, torch_device("cpu"), "single", changes, str(settings or ""))
    samples = list(samples_of_pictures(pictures_in(pictures), _CHECKED_ON))
    pairs = pairs_of(load_sequences(calibration), PAIRS) if calibration and precision == "int8" else iter(())
    manifest = write(subject_of(blueprint), out, wanted, samples, pairs)
    with answering(json) as answer:
        print(
            f"{manifest.name} in {out}: {manifest.format}, {manifest.precision} precision\n\n{graphs_table(manifest)}"
        )
        answer |= {"name": manifest.name, "out": out, "format": manifest.format, "precision": manifest.precision}
        answer["graphs"] = {
            name: {"files": list(graph.files), "largest_difference": graph.largest_difference}
            for name, graph in manifest.graphs.items()
        }


def graphs_table(manifest: Manifest) -> str:
    """The graphs of an exported tracker, and how far they are from PyTorch."""
    rows = [
        [name, ", ".join(graph.files), f"{graph.largest_difference:.1e}"] for name, graph in manifest.graphs.items()
    ]
    return markdown(["graph", "files", "largest difference from PyTorch"], rows)


def pairs_of(sequences: list[Sequence], count: int, seed: int = 0) -> Iterator[Sample]:
    """Targets of sequences, each in two frames of its video, as a tracker meets them.

    Args:
        sequences: with boxes; they take turns.
        count: how many pairs.
        seed: of the choice.
    """
    random = np.random.default_rng(seed)
    for number in range(count):
        sequence = sequences[number % len(sequences)]
        there = [place for place in range(len(sequence)) if sequence.box(place) is not None]
        if len(there) < 2:
            continue
        first, second = sorted(random.choice(there, 2, replace=False))
        box, near = sequence.box(int(first)), sequence.box(int(second))
        if box is None or near is None or min(box.width, box.height, near.width, near.height) < 2:
            continue
        shift = random.uniform(-0.5, 0.5, 2) * (near.width, near.height)
        moved = type(near)(near.x + float(shift[0]), near.y + float(shift[1]), near.width, near.height)
        yield Sample(sequence.image(int(first)), sequence.image(int(second)), box, moved)
