"""The GPU's pipeline: skipped without one, but for what a CPU can check."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core import Frame, TrackerGroup, load_tracker
from siam_tracker_core.geometry import Window
from siam_tracker_core.runtimes.cuda_graphs import LARGEST, CUDAGraphBackend, graph_batch

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def test_a_graph_takes_at_least_the_crops_and_less_than_twice_as_many():
    for count in range(1, LARGEST + 1):
        assert count <= graph_batch(count) < 2 * count or count == graph_batch(count) == 1
    assert len({graph_batch(count) for count in range(1, LARGEST + 1)}) == 7


@needs_gpu
def test_an_upload_arrives_whole_and_in_order():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in range(6)]
    frames = [Frame.upload(image, "cuda") for image in images]
    for image, frame in zip(images, frames, strict=True):
        assert np.array_equal(frame._pixels.cpu().numpy(), image)


@needs_gpu
def test_crops_are_those_of_the_cpu():
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    windows = [Window(40, 30, 30), Window(2, 3, 50), Window(300, 300, 20)]
    host, device = (Frame.upload(image, name).crops(windows, 64).float().cpu() for name in ("cpu", "cuda"))
    assert (host - device).abs().mean() < 1


@needs_gpu
@pytest.mark.parametrize("name", ["siamfc", "siamrpn_mobilenetv2"])
def test_boxes_are_within_a_pixel_of_the_cpu(name, footage):
    boxes = []
    for device in ("cpu", "cuda"):
        tracker = load_tracker(name, device, precision="single", runtime="torch")
        tracker.init(footage.frames[0], footage.boxes[0])
        boxes.append(np.array([tracker.update(image).box.to_array() for image in footage.frames[1:]]))
    assert np.abs(boxes[0] - boxes[1]).max() < 1


@needs_gpu
def test_recorded_graphs_answer_as_the_network_for_any_number_of_targets(footage):
    tracker = load_tracker("siamrpn_mobilenetv2", "cuda", precision="single", runtime="torch")
    assert isinstance(tracker.model.backend, CUDAGraphBackend)
    for count in (1, 3, 70):
        group = TrackerGroup(tracker)
        for key in range(count):
            group.init(key, footage.frames[0], (20 + key, 30 + key, 40, 50))
        together = group.update(footage.frames[1])
        tracker.init(footage.frames[0], (20 + count - 1, 30 + count - 1, 40, 50))
        alone = tracker.update(footage.frames[1])
        assert np.allclose(alone.box.to_array(), together[count - 1].box.to_array(), atol=0.1)
