"""Published SiamFC, SiamRPN and MDNet, once imported, against forward passes written from their definitions."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from made_published import (
    alexnet_without_groups_forward,
    close,
    images,
    made_dasiamrpn,
    made_mdnet,
    made_pysot,
    made_siamfc,
    run_conv,
    run_norm,
    siamfc_forward,
    thin,
)
from torch.nn import functional

from siam_tracker_core import load_tracker
from siam_tracker_core.commands.import_checkpoint import import_checkpoint as command
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import WeightsError
from siam_tracker_core.importers import KINDS, import_checkpoint, load_published
from siam_tracker_core.networks import backbone
from siam_tracker_core.weights import load_into

pytestmark = pytest.mark.usefixtures("seeded")


def test_siamfc_pytorch(saved, tmp_path):
    state = made_siamfc()
    path = saved(state)
    network = load_published("siamfc-pytorch", path)
    z, x = images(127), images(151)
    expected = 0.001 * functional.conv2d(siamfc_forward(state, x), siamfc_forward(state, z))
    with torch.inference_mode():
        close(network(z, x), expected)
    command("siamfc-pytorch", path, tmp_path / "siamfc.safetensors")
    assert load_tracker(tmp_path / "siamfc.safetensors", device="cpu").config.window_influence == 0.176


def test_dasiamrpn(saved):
    state = made_dasiamrpn()
    path = saved(state, "SiamRPNVOT.model", _use_new_zipfile_serialization=False)
    network = load_published("dasiamrpn-vot", path)
    z, x = images(127), images(143)
    z_features = alexnet_without_groups_forward(state, "featureExtract", z.flip(1))
    x_features = alexnet_without_groups_forward(state, "featureExtract", x.flip(1))
    size = z_features.shape[-1] - 2
    r1_kernel = run_conv(state, "conv_r1", z_features).view(20, 256, size, size)
    cls1_kernel = run_conv(state, "conv_cls1", z_features).view(10, 256, size, size)
    distances = run_conv(state, "regress_adjust", functional.conv2d(run_conv(state, "conv_r2", x_features), r1_kernel))
    logits = functional.conv2d(run_conv(state, "conv_cls2", x_features), cls1_kernel)
    with torch.inference_mode():
        proposals = network(z, x)
    close(proposals.distances.flatten(1, 2), distances)
    close(proposals.logits.flatten(1, 2), logits)
    # delta.view(4, -1) and softmax(score.view(2, -1))[1] of its tracker
    close(proposals.distances[0].flatten(1), distances.permute(1, 2, 3, 0).contiguous().view(4, -1))
    score = functional.softmax(logits.permute(1, 2, 3, 0).contiguous().view(2, -1), dim=0)[1]
    close(proposals.scores.flatten(), score)


def test_dasiamrpn_big_and_otb_have_their_shapes():
    with torch.device("meta"):
        big, small = made_dasiamrpn(2, 512), made_dasiamrpn()
    state, left_out = KINDS["dasiamrpn-big"].adopt(thin(big), "big")
    KINDS["dasiamrpn-otb"].adopt(thin(small), "otb")
    assert not left_out
    assert state["head.template_reg.weight"].shape == (512 * 20, 512, 3, 3)
    assert state["backbone.conv5.0.weight"].shape == (512, 768, 3, 3)
    with pytest.raises(WeightsError, match=r"conv_r2.weight \(256, 256, 3, 3\) instead of \(512, 512, 3, 3\)"):
        KINDS["dasiamrpn-big"].adopt(thin(small), "otb")


def test_pysot_siamrpn_alex(saved):
    state = made_pysot()
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    network = load_published("pysot-siamrpn-alex", saved({"epoch": 50, "state_dict": parallel}))
    z, x = images(127), images(143)
    z_features = alexnet_without_groups_forward(state, "backbone.features", z.flip(1))
    x_features = alexnet_without_groups_forward(state, "backbone.features", x.flip(1))
    answers = {}
    for branch in ("cls", "loc"):
        name = f"rpn_head.{branch}"
        kernel = run_norm(state, f"{name}.conv_kernel.1", run_conv(state, f"{name}.conv_kernel.0", z_features)).relu()
        search = run_norm(state, f"{name}.conv_search.1", run_conv(state, f"{name}.conv_search.0", x_features)).relu()
        response = functional.conv2d(search, kernel.transpose(0, 1), groups=256)
        hidden = run_norm(state, f"{name}.head.1", run_conv(state, f"{name}.head.0", response)).relu()
        answers[branch] = run_conv(state, f"{name}.head.3", hidden)
    with torch.inference_mode():
        proposals = network(z, x)
    close(proposals.logits.flatten(1, 2), answers["cls"])
    close(proposals.distances.flatten(1, 2), answers["loc"])


def test_py_mdnet(saved, tmp_path):
    state = made_mdnet()
    path = saved({"shared_layers": OrderedDict(state)}, "mdnet_imagenet_vid.pth")
    network = load_published("py-mdnet", path)
    crops = images(107, 2)
    x = crops - 128
    for name in ("conv1.0", "conv2.0"):
        x = functional.local_response_norm(run_conv(state, name, x, stride=2).relu(), 2)
        x = functional.max_pool2d(x, 3, 2)
    x = run_conv(state, "conv3.0", x).relu().reshape(2, -1)
    with torch.inference_mode():
        features = network.features(crops)
        close(features, x)
        for layer, name in ((network.fc4, "fc4.0"), (network.fc5, "fc5.1")):
            x = functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]).relu()
            features = layer(features)
            close(features, x)
    alone = import_checkpoint("py-mdnet", path, part="backbone")
    load_into(backbone("vgg_m"), alone.state, str(path))
    _tracks_as_published(path, tmp_path)


def _tracks_as_published(path, folder):
    command("py-mdnet", path, folder / "mdnet.safetensors")
    few = {"init_positives": 8, "init_negatives": 16, "init_rounds": 2, "hard_pool": 16, "batch_negatives": 8}
    config = {"candidates": 8, "regression_samples": 0, "classifier": few}
    tracker = load_tracker(folder / "mdnet.safetensors", device="cpu", config=config, precision="single")
    assert tracker.config.failure == "move"
    assert tracker.model.patches.network.context == pytest.approx(1.299, abs=1e-3)
    made = made_sequence(frames=2, size=(160, 120), seed=2)
    tracker.init(made.frames[0], made.boxes[0])
    assert 0 <= tracker.update(made.frames[1]).score <= 1
