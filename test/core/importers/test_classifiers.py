"""Published classifiers, once imported, against forward passes written from their definitions."""

from __future__ import annotations

import pytest
import torch
from made_published import (
    VGG,
    close,
    images,
    made_resnet50,
    made_torchvision_alexnet,
    made_vgg,
    normalised,
    resnet50_forward,
    torchvision_alexnet_forward,
    vgg_forward,
)
from safetensors.torch import save_file

from siam_tracker_core.importers import import_checkpoint, load_published
from siam_tracker_core.networks import backbone
from siam_tracker_core.weights import load_into, read_weights

pytestmark = pytest.mark.usefixtures("seeded")


def test_torchvision_alexnet(saved):
    state = made_torchvision_alexnet()
    network = load_published("torchvision-alexnet", saved(state))
    x = images(127)
    # every second cell of the dilated network is one of the published, strided one
    with torch.inference_mode():
        close(network(x)[..., ::2, ::2], torchvision_alexnet_forward(state, normalised(x)))


@pytest.mark.parametrize("name", VGG)
def test_torchvision_vgg(saved, name):
    state = made_vgg(VGG[name])
    path = saved(state)
    network = load_published(f"torchvision-{name}", path)
    x = images(48)
    with torch.inference_mode():
        close(network(x), vgg_forward(state, VGG[name], normalised(x)))
    imported = import_checkpoint(f"torchvision-{name}", path, part="backbone")
    assert imported.metadata["network"] == {"backbone": name}
    assert imported.left_out == sorted(f"classifier.{i}.{what}" for i in (0, 3, 6) for what in ("weight", "bias"))


def test_torchvision_resnet50(saved):
    state = made_resnet50()
    network = load_published("torchvision-resnet50", saved(state))
    x = images(65)
    with torch.inference_mode():
        close(network(x)[..., ::2, ::2], resnet50_forward(state, normalised(x)))


def test_torchvision_mobilenetv2_by_its_real_names(shared_data):
    path = shared_data / "backbones" / "mobilenet_v2_imagenet_fp16.safetensors"
    imported = import_checkpoint("torchvision-mobilenetv2", path)
    tensors = read_weights(path)[0]
    assert {*imported.state, *imported.left_out} == tensors.keys()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in imported.state.items())
    load_into(backbone("mobilenetv2"), imported.state, str(path))


def test_caffe_vgg16_takes_rgb_here(tmp_path):
    state = {name: tensor for name, tensor in made_vgg(VGG["vgg16"]).items() if name.startswith("features")}
    save_file(state, tmp_path / "caffe.safetensors")
    network = load_published("caffe-vgg16", tmp_path / "caffe.safetensors")
    x = images(48)
    bgr = x.flip(1) - torch.tensor([104.007, 116.669, 122.679]).view(1, 3, 1, 1)
    with torch.inference_mode():
        close(network(x), vgg_forward(state, VGG["vgg16"], bgr))
