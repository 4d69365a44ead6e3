"""Crops of many targets, some in batches and some one by one."""

from __future__ import annotations

import pytest
import torch

from siam_tracker_core import load_tracker
from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import OutputError
from siam_tracker_core.geometry import Window
from siam_tracker_core.runtimes import choosing
from siam_tracker_core.runtimes.in_batches import InBatches, in_batches


class Counting:
    """A backend that says each crop's value plus its template's, and keeps how many came."""

    runtime, precision, device, stride, threads = "openvino", "single", torch.device("cpu"), 8, 2

    def __init__(self):
        self.calls = []

    def template(self, crops):
        return (crops[:, 0, 0, :1].float(),)

    def search(self, template, crops):
        self.calls.append(len(crops))
        each = len(crops) // len(template[0])
        return (template[0].repeat_interleave(each, dim=0) + crops[:, 0, 0, :1],)


@pytest.mark.parametrize(
    ("crops", "in_fours", "alone"),
    [(1, 0, 1), (2, 0, 2), (3, 3, 0), (4, 4, 0), (5, 4, 1), (6, 4, 2), (7, 7, 0), (16, 16, 0), (18, 16, 2)],
)
def test_answers_come_in_order_whichever_way_they_went(crops, in_fours, alone):
    several, single, made = Counting(), Counting(), []
    backend = InBatches(single, lambda: made.append(1) or several, 4)
    each = 1 if crops % 2 else 2  # crops for a template
    images = torch.arange(crops).float().view(-1, 1, 1, 1).expand(crops, 3, 5, 5)
    template = (100.0 * torch.arange(crops // each)[:, None],)
    for _ in range(2):
        (found,) = backend.search(template, images)
        assert found[:, 0].tolist() == [place + 100.0 * (place // each) for place in range(crops)]
    assert sum(several.calls) == 2 * in_fours
    assert sum(single.calls) == 2 * alone
    assert len(made) == bool(in_fours), "made once, and only where it is needed"


def test_where_no_batches_can_be_made_crops_go_one_by_one(caplog):
    single = Counting()

    def fail():
        raise OutputError("the cache cannot be written: no space is left")

    backend = InBatches(single, fail, 4)
    images = torch.arange(5).float().view(-1, 1, 1, 1).expand(5, 3, 5, 5)
    for _ in range(2):
        (found,) = backend.search((torch.zeros(5, 1),), images)
        assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert caplog.text.count("one by one, for the cache cannot be written") == 1


@pytest.mark.parametrize(("count", "expected"), [(2, [0, 0, 2, 2, 4]), (3, [0, 0, 2, 3, 3]), (4, [0, 0, 0, 3, 4])])
def test_only_a_batch_that_is_nearly_full_is_filled_up(count, expected):
    assert [in_batches(crops, count) for crops in range(5)] == expected


@pytest.mark.parametrize("name", ["siamfc", "siamrpn_mobilenetv2", "siamban_mobilenetv2"])
def test_graphs_for_several_crops_say_what_those_for_one_say(name, cache, footage):
    """Several templates, a number of crops that leaves a rest, and one crop: as PyTorch has it."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    own, reference = (
        load_tracker(name, "cpu", precision="single", runtime=runtime, cache=cache).model.backend
        for runtime in ("openvino", "torch")
    )
    assert isinstance(own, InBatches)
    frame = Frame.upload(footage.frames[0], torch.device("cpu"))
    windows = [Window(40.0 + 30 * place, 60.0 + 20 * place, 90.0) for place in range(6)]
    with torch.inference_mode():
        exemplars, crops = frame.crops(windows, 127), frame.crops([each.scaled(2) for each in windows], 255)
        templates = [backend.template(exemplars) for backend in (own, reference)]
        for count in (1, 6):
            found, expected = (
                backend.search(tuple(part[:count] for part in template), crops[:count])
                for backend, template in zip((own, reference), templates, strict=True)
            )
            for ours, right in zip(found, expected, strict=True):
                assert torch.allclose(ours, right, rtol=1e-3, atol=1e-3 * float(right.abs().max()))


def test_what_goes_in_batches_is_warmed_up_before_the_fourth_target_comes(cache, monkeypatch):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    tracker = load_tracker("siamrpn_mobilenetv2", "cpu", precision="single", runtime="openvino", cache=cache)
    assert tracker.together == 4
    tracker.warm_up(tracker.together)
    monkeypatch.setattr(choosing, "_cached", lambda *_: pytest.fail("graphs are opened after the warm-up"))
    tracker.warm_up(8)
