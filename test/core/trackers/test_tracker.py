"""Tracker and group, whatever the paper: an update is atomic, and what fails loses one target; on a made model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from siam_tracker_core import Box, Frame, Tracker, TrackerGroup, TrackState
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ImageError

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_tracker.py"
BOXES = {"a": Box(40, 40, 24, 20), "b": Box(100, 60, 30, 30), "c": Box(180, 90, 20, 26)}


@pytest.fixture
def example():
    """The module of the documentation's own tracker, new for each test."""
    spec = importlib.util.spec_from_file_location("own_tracker", EXAMPLE)
    module = importlib.util.module_from_spec(spec)

    sys.modules["own_tracker"] = module  # its dataclasses look their types up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["own_tracker"]


@pytest.fixture(scope="module")
def images():
    return made_sequence(frames=4, size=(240, 160), seed=1).frames


def group_of(example, images):
    group = TrackerGroup(example.tracker)
    for name, box in BOXES.items():
        group.init(name, images[0], box)
    return group


def test_the_documentation_s_tracker_follows(example):
    made = made_sequence(frames=10, size=(240, 160), seed=1)
    example.tracker.init(made.frames[0], made.boxes[0])
    for image in made.frames[1:]:
        result = example.tracker.update(image)
    assert result.box.iou(Box.from_array(made.boxes[-1])) > 0.4
    assert len(EXAMPLE.read_text().splitlines()) <= 65


@pytest.mark.parametrize("step", ["search", "forward", "locate", "adapt"])
@pytest.mark.parametrize("together", [False, True])
def test_a_step_that_raises_loses_that_target_alone(example, images, step, together):
    """In every step, for one target or for all of them."""
    group, twin = group_of(example, images), group_of(example, images)
    expected = twin.update(images[1])
    broken = list(BOXES) if together else ["b"]
    faulty = {id(group.state(name)) for name in broken}
    moved = {BOXES[name].width for name in broken}
    right = getattr(group.model, step)

    def fails(first, *rest):
        states = first if isinstance(first, list) else [first]
        if any(id(state) in faulty or (step == "adapt" and state.box.width in moved) for state in states):
            raise ZeroDivisionError("out of luck")
        return right(first, *rest)

    setattr(group.model, step, fails)
    results = group.update(images[1])
    assert list(results) == list(BOXES)
    for name, result in results.items():
        if name in broken:
            assert (result.state, result.score) == (TrackState.LOST, 0.0)
            assert "out of luck" in result.reason
            assert result.box == BOXES[name]
            assert group.state(name).box == BOXES[name]
        else:
            assert (result.box, result.state) == (expected[name].box, expected[name].state)
    setattr(group.model, step, right)
    again = group.update(images[1])
    assert all(again[name].box == expected[name].box for name in broken), "the next frame goes on as if nothing was"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_answer_that_is_not_finite_loses_that_target_alone(example, images, number):
    group, twin = group_of(example, images), group_of(example, images)
    expected = twin.update(images[1])
    with torch.inference_mode():
        group.state("c").template.fill_(number)
    results = group.update(images[1])
    assert results["c"].state is TrackState.LOST
    assert results["c"].reason == "the network's answer is not finite"
    assert all(results[name].box == expected[name].box for name in "ab")


def test_states_are_kept_at_the_end_and_never_changed(example, images):
    group = group_of(example, images)
    before = {name: (group.state(name), group.state(name).template.clone()) for name in BOXES}
    group.update(images[1])
    for name, (state, template) in before.items():
        assert state.box == BOXES[name]
        assert torch.equal(state.template, template)
        assert group.state(name) is not state


def test_an_interruption_keeps_all_targets_where_they_were(example, images):
    group = group_of(example, images)
    locate, calls = group.model.locate, []

    def interrupted(state, output):
        calls.append(state)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return locate(state, output)

    group.model.locate = interrupted
    with pytest.raises(KeyboardInterrupt):
        group.update(images[1])
    assert all(group.state(name).box == box for name, box in BOXES.items())


def test_a_frame_of_another_device_is_refused(example, images):
    elsewhere = Frame(images[0], torch.device("meta"))
    with pytest.raises(ImageError, match="the frame is on meta, and the tracker runs on cpu"):
        Tracker(example.tracker.model).init(elsewhere, BOXES["a"])


def test_without_a_target_there_is_no_box(example, images):
    tracker = Tracker(example.tracker.model)
    for ask in (lambda: tracker.box, lambda: tracker.state, lambda: tracker.update(images[0])):
        with pytest.raises(RuntimeError, match="before init"):
            ask()
    assert TrackerGroup(tracker).update(np.zeros((9, 9, 3), np.uint8)) == {}
