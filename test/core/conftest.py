"""Fixtures that several files of this folder share."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from siam_tracker_core.commands.prepare import prepare
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.networks import MobileNetV2
from siam_tracker_core.weights import save_weights


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Three made sequences in OTB's form."""
    root = tmp_path_factory.mktemp("videos")
    for seed in (3, 4, 5):
        made_sequence(frames=12, size=(320, 240), seed=seed).write_otb_form(root / f"made{seed}")
    return root


@pytest.fixture(scope="session")
def shards(videos, tmp_path_factory):
    """The sequences, and photographs without boxes, prepared."""
    root = tmp_path_factory.mktemp("prepared")
    photographs = root / "photographs"
    photographs.mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        noise = rng.integers(0, 255, (20, 26, 3)).astype(np.uint8)
        cv2.imwrite(str(photographs / f"{number}.jpg"), cv2.resize(noise, (260, 200)))
    prepare("folder", videos, root / "video", jobs=1)
    prepare("photographs", photographs, root / "windows", jobs=1)
    return {"video": str(root / "video"), "photographs": str(root / "windows")}


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """One object with alpha, a red disc."""
    folder = tmp_path_factory.mktemp("objects")
    picture = np.zeros((120, 160, 4), np.uint8)
    cv2.ellipse(picture, (70, 60), (40, 20), 0, 0, 360, (0, 0, 255, 255), cv2.FILLED)
    cv2.imwrite(str(folder / "disc.png"), picture)
    return folder


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """A MobileNetV2 with random weights, up to the block that teaches."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_weights(path, MobileNetV2(last_block=12).state_dict(), {})
    return path


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    """Pictures of two classes that differ in colour, to train on and to validate with."""
    root, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 3)):
        for name, colour in (("n01_blue", (200, 60, 40)), ("n02_red", (40, 60, 200))):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                picture = np.clip(np.array(colour) + rng.normal(0, 25, (90, 110, 3)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(root / part / name / f"{number}.png"), picture)
    return root


@pytest.fixture(scope="session", autouse=True)
def _pytorch_by_default():
    """Runtime ``auto`` is PyTorch but in the tests of the runtimes: to export every small network takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("siam_tracker_core.loading.installed", lambda device: [])
        yield


@pytest.fixture
def seeded():
    """For tests that draw weights or images without a seed of their own."""
    torch.manual_seed(0)


@pytest.fixture
def saved(tmp_path):
    """Writes what PyTorch can pickle as a published checkpoint, and tells where."""

    def save(content: object, name: str = "published.pth", **options: object):
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def narrow_vgg(monkeypatch):
    """VGG with a sixteenth of its channels."""
    monkeypatch.setattr("siam_tracker_core.networks.vgg.WIDTHS", (8, 8, 16, 32, 32))
