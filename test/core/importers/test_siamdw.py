"""SiamDW's networks, once imported, against forward passes written from their definitions."""

from __future__ import annotations

import pytest
import torch
from made_published import close, images, run_conv, thin
from made_siamdw import (
    inception_forward,
    made_inception,
    made_next,
    made_residual,
    made_siamdw_head,
    next_forward,
    residual_forward,
)
from torch.nn import functional

from siam_tracker_core import load_tracker
from siam_tracker_core.commands.import_checkpoint import import_checkpoint as command
from siam_tracker_core.errors import WeightsError
from siam_tracker_core.importers import KINDS, load_published

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize(
    ("kind", "made", "forward"),
    [
        ("siamdw-res22", made_residual, residual_forward),
        ("siamdw-res22w", lambda: made_residual(2), residual_forward),
        ("siamdw-incep22", made_inception, inception_forward),
        ("siamdw-next22", made_next, next_forward),
    ],
)
def test_siamdw(saved, tmp_path, kind, made, forward):
    state = made()
    path = saved({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "arch": "SiamFC"})
    network = load_published(kind, path)
    z, x = images(127), images(151)
    expected = 0.1 * functional.conv2d(forward(state, x.flip(1)), forward(state, z.flip(1)))
    with torch.inference_mode():
        close(network(z, x), expected)
    command(kind, path, tmp_path / "siamdw.safetensors")
    tracker = load_tracker(tmp_path / "siamdw.safetensors", device="cpu")
    assert tracker.config.window_influence == 0.35


def test_siamdw_thinner_proposals(saved):
    """Its one logit for each anchor becomes two; the probability must stay its sigmoid."""
    state = made_residual() | made_siamdw_head(256, 5)
    network = load_published("siamdw-rpn-thinner", saved(state))
    z, x = images(127), images(143)
    z_features, x_features = residual_forward(state, z.flip(1)), residual_forward(state, x.flip(1))
    size = z_features.shape[-1] - 2
    cls_kernel = run_conv(state, "connect_model.template_cls", z_features).view(-1, 256, size, size)
    reg_kernel = run_conv(state, "connect_model.template_reg", z_features).view(-1, 256, size, size)
    logits = functional.conv2d(run_conv(state, "connect_model.search_cls", x_features), cls_kernel)
    distances = functional.conv2d(run_conv(state, "connect_model.search_reg", x_features), reg_kernel)
    with torch.inference_mode():
        proposals = network(z, x)
    close(proposals.logits[:, 1], logits)
    close(proposals.scores, logits.sigmoid())
    close(proposals.distances.flatten(1, 2), run_conv(state, "connect_model.adjust", distances))


def test_siamdw_thicker_proposals_have_their_shapes():
    with torch.device("meta"):
        thicker, thinner = made_siamdw_head(512, 10), made_siamdw_head(256, 5)
        state = made_residual()
    adopted, _ = KINDS["siamdw-rpn-thicker"].adopt(thin(state | thicker), "thicker")
    assert adopted["head.template_cls.weight"].shape == (5120, 512, 3, 3)
    with pytest.raises(WeightsError, match="of another shape: connect_model"):
        KINDS["siamdw-rpn-thicker"].adopt(thin(state | thinner), "thinner")
