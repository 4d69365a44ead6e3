"""Every runtime follows a target as PyTorch does."""

from __future__ import annotations

import functools
import importlib.util

import numpy as np
import pytest
import torch

from siam_tracker_core import Box, TrackerGroup, load_tracker
from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets.otb_form import read_sequence
from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.trackers.update import update_targets

LIBRARIES = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino"), "tensorrt": ("onnx", "tensorrt")}


def require(runtime):
    """Skip, with the reason, where a runtime cannot run."""
    missing = [name for name in LIBRARIES[runtime] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"runtime {runtime} needs {' and '.join(missing)}, which is not installed")
    if runtime == "tensorrt" and not torch.cuda.is_available():
        pytest.skip("TensorRT needs an NVIDIA GPU")


def follow(name, runtime, cache, images, box, learns=False):
    """Boxes, states and scores of a tracker in a runtime."""
    device = "cuda" if runtime == "tensorrt" else "cpu"
    config = {"online": {"enabled": True}} if learns else None
    tracker = load_tracker(name, device, config=config, precision="single", runtime=runtime, cache=cache)
    assert tracker.runtime == runtime
    tracker.init(images[0], box)
    results = [tracker.update(image) for image in images[1:]]
    boxes = np.array([result.box.to_array() for result in results])
    return boxes, [result.state for result in results], np.array([result.score for result in results])


@pytest.fixture(scope="module")
def pytorch(cache, footage):
    """What PyTorch says, computed once for each tracker."""
    return functools.cache(
        lambda name, frames, learns: follow(name, "torch", cache, footage.frames[:frames], footage.boxes[0], learns)
    )


@pytest.mark.parametrize("runtime", list(LIBRARIES))
@pytest.mark.parametrize(
    ("name", "frames", "learns"),
    [
        pytest.param("siamfc", 20, False, marks=pytest.mark.slow),
        pytest.param("siamfc", 20, True, marks=pytest.mark.slow),
        ("siamrpn_mobilenetv2", 60, False),
        ("siamban_mobilenetv2_online", 20, True),  # features of an earlier unit
    ],
)
def test_boxes_are_within_a_pixel_of_pytorch(name, frames, learns, runtime, cache, footage, pytorch):
    require(runtime)
    boxes, states, scores = follow(name, runtime, cache, footage.frames[:frames], footage.boxes[0], learns)
    expected, expected_states, expected_scores = pytorch(name, frames, learns)
    assert np.abs(boxes - expected).max() < 1
    assert states == expected_states
    assert np.abs(scores - expected_scores).max() < 0.05
    assert np.ptp(expected, axis=0)[:2].max() > 10, "the target hardly moves, so the boxes tell nothing"


@pytest.mark.parametrize("runtime", list(LIBRARIES))
def test_results_are_those_of_pytorch_on_real_footage(runtime, cache, shared_data):
    """Each frame is searched from PyTorch's state: where two proposals are nearly alike, rounding decides between them.

    Boxes of a whole sequence would say how such differences grow, which depends on the processor.
    """
    require(runtime)
    device = torch.device("cuda" if runtime == "tensorrt" else "cpu")
    reference, other = (
        load_tracker("siamrpn_mobilenetv2", device, precision="single", runtime=name, cache=cache).model
        for name in ("torch", runtime)
    )
    sequence = read_sequence(shared_data / "test" / "Crossing")
    frames = [Frame.upload(sequence.image(place), device) for place in range(60)]
    state = reference.start(frames[0], sequence.box(0))
    distances, scores = [], []
    for frame in frames[1:]:
        [(_, result)] = update_targets(other, [state], frame)
        [(state, expected)] = update_targets(reference, [state], frame)
        distances.append(np.abs(result.box.to_array() - expected.box.to_array()).max())
        scores.append(abs(result.score - expected.score))
    assert np.mean(np.array(distances) < 0.05) > 0.9
    assert max(distances) < 3
    assert max(scores) < 1e-3


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_many_targets_are_each_found_as_alone(runtime, cache, footage):
    require(runtime)
    tracker = load_tracker("siamrpn_mobilenetv2", "cpu", precision="single", runtime=runtime, cache=cache)
    group = TrackerGroup(tracker)
    targets = {"first": footage.boxes[0], "second": (40, 30, 60, 50), "third": (200, 150, 40, 60)}
    for key, box in targets.items():
        group.init(key, footage.frames[0], box)
    together = [group.update(image) for image in footage.frames[1:6]]
    for key, box in targets.items():
        tracker.init(footage.frames[0], box)
        for image, results in zip(footage.frames[1:6], together, strict=True):
            alone = tracker.update(image)
            assert np.allclose(alone.box.to_array(), results[key].box.to_array(), atol=1e-3)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_answers_are_those_of_pytorch_whatever_was_asked_before(runtime, cache, footage):
    """Two templates in turns, one crop and several at once, and a flat exemplar: nothing of a call is left in the next.

    Boxes of a whole sequence say less: a crop is cut to a 32nd of a pixel, so that differences of rounding grow.
    """
    require(runtime)
    backends = [
        load_tracker("siamrpn_mobilenetv2", "cpu", precision="single", runtime=name, cache=cache).model.backend
        for name in ("torch", runtime)
    ]
    box = Box.from_array(footage.boxes[0])
    side = context_size(box.width, box.height)
    frame = Frame.upload(footage.frames[0], torch.device("cpu"))
    flat = Frame.upload(np.full((240, 320, 3), 90, np.uint8), torch.device("cpu"))
    target, beside = Window(*box.centre, side), Window(60.0, 60.0, side)
    exemplars = [frame.crops([target], 127), frame.crops([beside], 127), flat.crops([target], 127)]
    crops = frame.crops([target.scaled(2), beside.scaled(2), Window(200.0, 90.0, 2 * side)], 255)
    with torch.inference_mode():
        for exemplar in (0, 1, 2, 0):
            templates = [backend.template(exemplars[exemplar]) for backend in backends]
            assert_alike(*templates)
            for some in (crops[:1], crops, crops[1:2]):
                assert_alike(*(each.search(templates[0], some) for each in backends))


def assert_alike(expected, found):
    for right, own in zip(expected, found, strict=True):
        assert torch.allclose(own, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))
