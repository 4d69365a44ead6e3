"""Good inputs of every entry to begin with, made here; found cases lie in ``found/ENTRY/``."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from siam_tracker_core import Box
from siam_tracker_core.bags import write_sequence_bag
from siam_tracker_core.weights import save_weights
from siam_tracker_ros.node.exemplars import Exemplar
from siam_tracker_ros.node.state_file import SavedState, SavedTarget, StateFile

FOUND = Path(__file__).with_name("found")


def seeds(name: str) -> list[bytes]:
    """Inputs for an entry: the made ones, and those that once were a fault."""
    found = sorted((FOUND / name).glob("*")) if (FOUND / name).is_dir() else []
    return _MADE[name]() + [path.read_bytes() for path in found]


def _pixels(height: int = 24, width: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _images() -> list[bytes]:
    cases = [
        (code, 0, 4, 6, 6 * size, 4 * 6 * size) for code, size in ((0, 3), (4, 4), (6, 1), (8, 2), (9, 2), (12, 1))
    ]
    return [struct.pack("<BBHHI", *fields) + bytes(length) for *fields, length in cases]


def _compressed() -> list[bytes]:
    return [cv2.imencode(suffix, _pixels())[1].tobytes() for suffix in (".jpg", ".png", ".webp", ".bmp", ".tiff")]


def _requests() -> list[bytes]:
    return [struct.pack("<iIffffI", 2, 0, 4, 4, 10, 10, 0) + b"cat", struct.pack("<iIffffI", 0, 0, 4, 4, 10, 10, 1)]


def _coco() -> list[bytes]:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 32, "height": 24}],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [1, 2, 10, 12], "iscrowd": 0, "category_id": 1}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    return [json.dumps(content).encode()]


def _weights() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.safetensors"
        files = []
        for metadata in ({}, {"tracker": "siamfc"}, {"tracker": "siamfc", "config": {}}):
            save_weights(path, {"conv1.weight": torch.zeros(2, 3, 1, 1)}, metadata)
            files.append(path.read_bytes())
    return files


def _yaml() -> list[bytes]:
    return [b"tracking:\n  scales: 3\n  penalty: 0.97\n", b"a: &x [1, 2]\nb: *x\n", b"{a: 1, 2: b, ? [c] : d}"]


def _zoo() -> list[bytes]:
    """An entry with each of its parts, in few words: a short file is read fifty times as fast as the real one."""
    provenance = "{data: d, start: s, steps: 1, seed: 0, commit: c, device: cpu, hours: 0.1}"
    scores = (
        "{sequences: s, success_auc: 0.5, precision_20: 0.6, frames_per_second: 9, machine: m, command: c, tuned_on: t}"
    )
    return [
        "\n  ".join(
            (
                "a:",
                "file: a.safetensors",
                f"sha256: {'f' * 64}",
                "description: d",
                "tracker: siamfc",
                "network: {backbone: alexnet}",
                "parameters: 3",
                "paper: {network: true, differs: w}",
                "config: {lost: {lost: 0.1}}",
                f"provenance: {provenance}",
                f"scores: {scores}",
            )
        ).encode()
    ]


def _bags() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        boxes = np.array([[2.0, 3.0, 8.0, 9.0]] * 3)
        made = write_sequence_bag(Path(folder) / "bag", [_pixels()] * 3, boxes, 30.0, label="cat")
        return [path.read_bytes() for path in sorted(Path(made).glob("*")) if path.suffix in (".mcap", ".db3")]


def _states() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        exemplar = Exemplar.cut(_pixels(), Box(4, 4, 8, 8))
        StateFile(path).save(SavedState(1.0, (32, 24), [SavedTarget(1, "cat", Box(4, 4, 8, 8), exemplar)]))
        return [path.read_bytes()]


_MADE = {
    "image_message": _images,
    "compressed_payload": _compressed,
    "set_target_request": _requests,
    "boxes_file": lambda: [b"1,2,3,4\n5\t6\t7\t8\n", b"nan,nan,nan,nan\n1 2 3 4"],
    "vot_file": lambda: [b"1,2,3,4\n", b"1,2,3,4,5,6,7,8\n0\n", b"m0,0,3,2,1,4\n"],
    "coco_file": _coco,
    "weights_file": _weights,
    "yaml_file": _yaml,
    "zoo_file": _zoo,
    "bag": _bags,
    "state_file": _states,
}
