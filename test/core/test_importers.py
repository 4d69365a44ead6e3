"""Published checkpoints, made here with their names and shapes, against forward passes written from their definitions.

Each ``made_*`` gives a state dict as the project in question saves it, and each ``*_forward`` what its network answers.
"""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from siam_tracker_core import load_tracker
from siam_tracker_core.commands.import_checkpoint import import_checkpoint as command
from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.importers import KINDS, import_checkpoint, load_published
from siam_tracker_core.networks import backbone
from siam_tracker_core.trackers.siamfc import SiamFCConfig
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig
from siam_tracker_core.weights import load_into, read_weights

State = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def conv(name: str, outputs: int, inputs: int, kernel: int, bias: bool = True) -> State:
    weight = torch.randn(outputs, inputs, kernel, kernel) * (2 / (inputs * kernel * kernel)) ** 0.5
    return {f"{name}.weight": weight, **({f"{name}.bias": torch.randn(outputs) * 0.1} if bias else {})}


def norm(name: str, channels: int, counter: bool = True) -> State:
    state = {
        f"{name}.weight": torch.rand(channels) + 0.5,
        f"{name}.bias": torch.randn(channels) * 0.1,
        f"{name}.running_mean": torch.randn(channels) * 0.1,
        f"{name}.running_var": torch.rand(channels) + 0.5,
    }
    return {**state, f"{name}.num_batches_tracked": torch.tensor(7)} if counter else state


def run_conv(state: State, name: str, x: torch.Tensor, **options: int) -> torch.Tensor:
    return functional.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)


def run_norm(state: State, name: str, x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return functional.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], eps=eps)


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def normalised(images: torch.Tensor) -> torch.Tensor:
    """As torchvision's documentation has it."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


def images(size: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, size, size) * 255


@pytest.fixture
def saved(tmp_path):
    def save(content: object, name: str = "published.pth", **options: object):
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save


# torchvision


def classifier(*sizes: tuple[int, int, int]) -> State:
    state = {}
    for index, outputs, inputs in sizes:
        # no memory for what is left out anyway
        state |= {f"classifier.{index}.weight": torch.zeros(1).expand(outputs, inputs)}
        state |= {f"classifier.{index}.bias": torch.zeros(outputs)}
    return state


ALEXNET = ((0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3), (10, 256, 256, 3))


def made_torchvision_alexnet() -> State:
    state: State = {}
    for index, *shape in ALEXNET:
        state |= conv(f"features.{index}", *shape)
    return state | classifier((1, 4096, 9216), (4, 4096, 4096), (6, 1000, 4096))


def torchvision_alexnet_forward(state: State, x: torch.Tensor) -> torch.Tensor:
    x = functional.max_pool2d(run_conv(state, "features.0", x, stride=4, padding=2).relu(), 3, 2)
    x = functional.max_pool2d(run_conv(state, "features.3", x, padding=2).relu(), 3, 2)
    for index in (6, 8, 10):
        x = run_conv(state, f"features.{index}", x, padding=1).relu()
    return x


VGG = {
    "vgg16": (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512),
    "vgg19": (64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4),
}


def made_vgg(layout: tuple) -> State:
    state, index, channels = {}, 0, 3
    for layer in layout:
        if layer != "M":
            state |= conv(f"features.{index}", layer, channels, 3)
            channels = layer
        index += 1 if layer == "M" else 2
    return state | classifier((0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096))


def vgg_forward(state: State, layout: tuple, x: torch.Tensor) -> torch.Tensor:
    index = 0
    for layer in layout:
        if layer == "M":
            x = functional.max_pool2d(x, 2, 2)
        else:
            x = run_conv(state, f"features.{index}", x, padding=1).relu()
        index += 1 if layer == "M" else 2
    return x


RESNET50 = ((1, 3, 64, 1), (2, 4, 128, 2), (3, 6, 256, 2), (4, 3, 512, 2))


def made_resnet50() -> State:
    state = conv("conv1", 64, 3, 7, bias=False) | norm("bn1", 64)
    channels = 64
    for layer, blocks, width, _ in RESNET50:
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            state |= conv(f"{name}.conv1", width, channels, 1, bias=False) | norm(f"{name}.bn1", width)
            state |= conv(f"{name}.conv2", width, width, 3, bias=False) | norm(f"{name}.bn2", width)
            state |= conv(f"{name}.conv3", 4 * width, width, 1, bias=False) | norm(f"{name}.bn3", 4 * width)
            if block == 0:
                state |= conv(f"{name}.downsample.0", 4 * width, channels, 1, bias=False)
                state |= norm(f"{name}.downsample.1", 4 * width)
            channels = 4 * width
    return state | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


def resnet50_forward(state: State, x: torch.Tensor) -> torch.Tensor:
    """Up to layer3, with the strides of the classifier."""
    x = run_norm(state, "bn1", run_conv(state, "conv1", x, stride=2, padding=3)).relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for layer, blocks, _, layer_stride in RESNET50[:3]:
        for block in range(blocks):
            name, stride = f"layer{layer}.{block}", layer_stride if block == 0 else 1
            out = run_norm(state, f"{name}.bn1", run_conv(state, f"{name}.conv1", x)).relu()
            out = run_norm(state, f"{name}.bn2", run_conv(state, f"{name}.conv2", out, stride=stride, padding=1)).relu()
            out = run_norm(state, f"{name}.bn3", run_conv(state, f"{name}.conv3", out))
            if block == 0:
                x = run_norm(state, f"{name}.downsample.1", run_conv(state, f"{name}.downsample.0", x, stride=stride))
            x = (out + x).relu()
    return x


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


# SiamFC and SiamRPN


def made_siamfc() -> State:
    state: State = {}
    for index, outputs, inputs, kernel in (
        (1, 96, 3, 11),
        (2, 256, 48, 5),
        (3, 384, 256, 3),
        (4, 384, 192, 3),
        (5, 256, 192, 3),
    ):
        state |= conv(f"backbone.conv{index}.0", outputs, inputs, kernel)
        state |= norm(f"backbone.conv{index}.1", outputs) if index < 5 else {}
    return state


def siamfc_forward(state: State, x: torch.Tensor) -> torch.Tensor:
    for index, groups, stride in ((1, 1, 2), (2, 2, 1), (3, 1, 1), (4, 2, 1)):
        name = f"backbone.conv{index}"
        x = run_norm(state, f"{name}.1", run_conv(state, f"{name}.0", x, stride=stride, groups=groups), 1e-6).relu()
        x = functional.max_pool2d(x, 3, 2) if index < 3 else x
    return run_conv(state, "backbone.conv5.0", x, groups=2)


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


def made_alexnet_without_groups(prefix: str, size: int = 1, counter: bool = True) -> State:
    state: State = {}
    widths = (3, *(width * size for width in (96, 256, 384, 384, 256)))
    for number, (index, kernel) in enumerate(((0, 11), (4, 5), (8, 3), (11, 3), (14, 3))):
        state |= conv(f"{prefix}.{index}", widths[number + 1], widths[number], kernel)
        state |= norm(f"{prefix}.{index + 1}", widths[number + 1], counter)
    return state


def alexnet_without_groups_forward(state: State, prefix: str, bgr: torch.Tensor) -> torch.Tensor:
    x = bgr
    for index, stride in ((0, 2), (4, 1), (8, 1), (11, 1), (14, 1)):
        x = run_norm(state, f"{prefix}.{index + 1}", run_conv(state, f"{prefix}.{index}", x, stride=stride))
        x = functional.max_pool2d(x, 3, 2) if index < 8 else x
        x = x.relu() if index < 14 else x
    return x


def made_dasiamrpn(size: int = 1, hidden: int = 256) -> State:
    """As PyTorch 0.3 wrote it: without num_batches_tracked."""
    features = 256 * size
    return (
        made_alexnet_without_groups("featureExtract", size, counter=False)
        | conv("conv_r1", hidden * 20, features, 3)
        | conv("conv_r2", hidden, features, 3)
        | conv("conv_cls1", hidden * 10, features, 3)
        | conv("conv_cls2", hidden, features, 3)
        | conv("regress_adjust", 20, 20, 1)
    )


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


def thin(state: State) -> State:
    """The shapes without the memory."""
    return {name: torch.zeros(1).expand(tensor.shape) for name, tensor in state.items()}


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


def made_pysot() -> State:
    state = made_alexnet_without_groups("backbone.features")
    for branch, outputs in (("cls", 10), ("loc", 20)):
        name = f"rpn_head.{branch}"
        for adjust in ("conv_kernel", "conv_search"):
            state |= conv(f"{name}.{adjust}.0", 256, 256, 3, bias=False) | norm(f"{name}.{adjust}.1", 256)
        state |= conv(f"{name}.head.0", 256, 256, 1, bias=False) | norm(f"{name}.head.1", 256)
        state |= conv(f"{name}.head.3", outputs, 256, 1)
    return state


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


# SiamDW

PREFIX = "features.features"
UNITS = {"layer1": (0, 1, 2), "layer2": (0, 2, 3, 4)}  # a pooling is number 1 of layer2


def made_residual(widening: int = 1) -> State:
    state = conv(f"{PREFIX}.conv1", 64, 3, 7, bias=False) | norm(f"{PREFIX}.bn1", 64, counter=False)
    channels = 64
    for layer, width in (("layer1", 64), ("layer2", 128)):
        for number in UNITS[layer]:
            name, middle, outputs = f"{PREFIX}.{layer}.{number}", width * widening, 4 * width
            state |= conv(f"{name}.conv1", width, channels, 1, bias=False) | norm(f"{name}.bn1", width, False)
            state |= conv(f"{name}.conv2", middle, width, 3, bias=False) | norm(f"{name}.bn2", middle, False)
            state |= conv(f"{name}.conv3", outputs, middle, 1, bias=False) | norm(f"{name}.bn3", outputs, False)
            if number == 0:
                state |= conv(f"{name}.downsample.0", outputs, channels, 1, bias=False)
                state |= norm(f"{name}.downsample.1", outputs, False)
            channels = outputs
    return state


def bottleneck(state: State, names: list[str], x: torch.Tensor, groups: int = 1) -> torch.Tensor:
    """1x1, padded 3x3 and 1x1, given the names of three convolutions and three normalisations."""
    x = run_norm(state, names[3], run_conv(state, names[0], x)).relu()
    x = run_norm(state, names[4], run_conv(state, names[1], x, padding=1, groups=groups)).relu()
    return run_norm(state, names[5], run_conv(state, names[2], x))


def crop(x: torch.Tensor) -> torch.Tensor:
    return x[:, :, 1:-1, 1:-1]


def residual_forward(state: State, bgr: torch.Tensor) -> torch.Tensor:
    x = run_norm(state, f"{PREFIX}.bn1", run_conv(state, f"{PREFIX}.conv1", bgr, stride=2, padding=3)).relu()
    x = functional.max_pool2d(x[:, :, 2:-2, 2:-2], 2, 2)
    for layer, numbers in UNITS.items():
        for number in numbers:
            name = f"{PREFIX}.{layer}.{number}"
            out = bottleneck(state, [f"{name}.{part}{i}" for part in ("conv", "bn") for i in (1, 2, 3)], x)
            if number == 0:
                x = run_norm(state, f"{name}.downsample.1", run_conv(state, f"{name}.downsample.0", x))
            x = out + x
            x = crop(x if (layer, number) == ("layer2", 4) else x.relu())
            x = functional.max_pool2d(x, 2, 2) if (layer, number) == ("layer2", 0) else x
    return x


def made_inception() -> State:
    state = conv(f"{PREFIX}.conv1", 64, 3, 7, bias=False) | norm(f"{PREFIX}.bn1", 64)
    channels = 64
    for layer, width in (("layer1", 64), ("layer2", 128)):
        for number in UNITS[layer]:
            name = f"{PREFIX}.{layer}.{number}.branch3x3"
            state |= conv(f"{name}.conv1", width, channels, 1, bias=False) | norm(f"{name}.bn1", width)
            state |= conv(f"{name}.conv2", width, width, 3, bias=False) | norm(f"{name}.bn2", width)
            state |= conv(f"{name}.conv3", 4 * width, width, 1, bias=False) | norm(f"{name}.bn3", 4 * width)
            name = f"{PREFIX}.{layer}.{number}.branch1x1"
            state |= conv(f"{name}.conv", width, channels, 1, bias=False) | norm(f"{name}.bn", width)
            channels = 5 * width
    return state


def inception_forward(state: State, bgr: torch.Tensor) -> torch.Tensor:
    x = run_norm(state, f"{PREFIX}.bn1", run_conv(state, f"{PREFIX}.conv1", bgr, stride=2)).relu()
    x = functional.max_pool2d(x, 3, 2)
    for layer, numbers in UNITS.items():
        for number in numbers:
            x = functional.max_pool2d(x, 2, 2) if (layer, number) == ("layer2", 2) else x
            name = f"{PREFIX}.{layer}.{number}"
            wide = bottleneck(state, [f"{name}.branch3x3.{part}{i}" for part in ("conv", "bn") for i in (1, 2, 3)], x)
            narrow = run_norm(state, f"{name}.branch1x1.bn", run_conv(state, f"{name}.branch1x1.conv", x), 1e-3)
            last = (layer, number) == ("layer2", 4)
            x = crop(torch.cat([wide, narrow] if last else [wide.relu(), narrow.relu()], dim=1))
    return x


def made_next() -> State:
    state = conv(f"{PREFIX}.conv0", 64, 3, 7) | norm(f"{PREFIX}.bn0", 64)
    channels = 64
    for layer, width in (("layer1", 128), ("layer2", 256)):
        for number in UNITS[layer]:
            name = f"{PREFIX}.{layer}.{number}"
            state |= conv(f"{name}.basic.conv1_0", width, channels, 1, bias=False) | norm(f"{name}.basic.bn1", width)
            state |= conv(f"{name}.basic.conv3_0", width, width // 32, 3, bias=False) | norm(f"{name}.basic.bn2", width)
            state |= conv(f"{name}.basic.conv1_1", 2 * width, width, 1, bias=False)
            state |= norm(f"{name}.basic.bn3", 2 * width) | norm(f"{name}.bn0", 2 * width)
            state |= conv(f"{name}.shortcut.0", 2 * width, channels, 1, bias=False) if number == 0 else {}
            channels = 2 * width
    return state


def next_forward(state: State, bgr: torch.Tensor) -> torch.Tensor:
    x = run_norm(state, f"{PREFIX}.bn0", run_conv(state, f"{PREFIX}.conv0", bgr, stride=2)).relu()
    x = functional.max_pool2d(x, 3, 2)
    for layer, numbers in UNITS.items():
        for number in numbers:
            name = f"{PREFIX}.{layer}.{number}"
            names = [f"{name}.basic.{part}" for part in ("conv1_0", "conv3_0", "conv1_1", "bn1", "bn2", "bn3")]
            shortcut = run_conv(state, f"{name}.shortcut.0", x) if number == 0 else x
            x = run_norm(state, f"{name}.bn0", bottleneck(state, names, x, groups=32) + shortcut)
            x = crop(x if (layer, number) == ("layer2", 4) else x.relu())
            x = functional.max_pool2d(x, 2, 2) if (layer, number) == ("layer2", 0) else x
    return x


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


def made_siamdw_head(hidden: int, classes: int) -> State:
    return (
        conv("connect_model.template_cls", hidden * classes, 512, 3)
        | conv("connect_model.template_reg", hidden * 20, 512, 3)
        | conv("connect_model.search_cls", hidden, 512, 3)
        | conv("connect_model.search_reg", hidden, 512, 3)
        | conv("connect_model.adjust", 20, 20, 1)
    )


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


# py-MDNet


def made_mdnet() -> State:
    state = conv("conv1.0", 96, 3, 7) | conv("conv2.0", 256, 96, 5) | conv("conv3.0", 512, 256, 3)
    state |= {"fc4.0.weight": torch.randn(512, 4608) * 0.02, "fc4.0.bias": torch.full((512,), 0.1)}
    return state | {"fc5.1.weight": torch.randn(512, 512) * 0.06, "fc5.1.bias": torch.full((512,), 0.1)}


def test_py_mdnet(saved):
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


# What all have in common


@pytest.fixture(scope="module")
def siamfc_state():
    torch.manual_seed(1)
    return made_siamfc()


def test_part_backbone_loads_by_the_name_it_tells(siamfc_state, saved, tmp_path):
    out = tmp_path / "backbone.safetensors"
    command("siamfc-pytorch", saved(siamfc_state), out, part="backbone")
    state, metadata = read_weights(out)
    assert "tracker" not in metadata
    load_into(backbone(metadata["network"]["backbone"]), state, str(out))
    assert metadata["provenance"]["imported"] == "siamfc-pytorch"
    assert len(metadata["provenance"]["sha256"]) == 64


def test_the_command_tells_what_it_left_out(saved, tmp_path, capsys):
    command("torchvision-alexnet", saved(made_torchvision_alexnet()), tmp_path / "alexnet.safetensors")
    told = capsys.readouterr().out
    assert "10 tensors of torchvision-alexnet, 4.9 MB" in told
    assert "left out, for the network has no place for them: classifier.1.bias, classifier.1.weight" in told


def test_every_tensor_that_does_not_fit_is_named_as_published(saved):
    state = made_dasiamrpn()
    del state["featureExtract.4.weight"], state["featureExtract.9.running_var"]
    state["conv_r2.bias"] = torch.zeros(255)
    state["conv_x"] = torch.zeros(2)
    with pytest.raises(WeightsError) as error:
        import_checkpoint("dasiamrpn-otb", saved(state))
    assert str(error.value).endswith(
        "published.pth is no checkpoint of DaSiamRPN's SiamRPNotb: "
        "missing: featureExtract.4.weight, featureExtract.9.running_var; unused: conv_x; "
        "of another shape: conv_r2.bias (255,) instead of (256,)"
    )


def test_a_checkpoint_of_another_kind(siamfc_state, saved):
    with pytest.raises(WeightsError, match=r"has none of its \d+ tensors, such as conv1.0.bias, but 30 others"):
        import_checkpoint("py-mdnet", saved(siamfc_state))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2, 3], "but a list"),
        ({}, "but a mapping of nothing"),
        ({"epoch": 3, "optimizer": {"lr": 0.1}}, "but a mapping of 'epoch', 'optimizer'"),
        ({"a": torch.zeros(1), "b": "text"}, "but a mapping of 'a', 'b'"),
    ],
)
def test_files_without_a_state_dict(saved, content, words):
    with pytest.raises(WeightsError, match=f"published.pth holds no state dict, .*{words}"):
        import_checkpoint("siamfc-pytorch", saved(content))


def test_nothing_in_a_file_is_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = saved({"state_dict": Trap()})
    with pytest.raises(WeightsError, match="holds more than tensors and plain values"):
        import_checkpoint("siamfc-pytorch", path)
    with pytest.raises(WeightsError, match="holds more than tensors"):  # a whole pickled network
        import_checkpoint("siamfc-pytorch", saved(backbone("alexnet")))
    assert not (tmp_path / "sprung").exists()


def test_damaged_and_missing_files(siamfc_state, saved, tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        import_checkpoint("siamfc-pytorch", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="is no file"):
        import_checkpoint("siamfc-pytorch", tmp_path)
    path = saved(siamfc_state)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\x80\x02garbage", b"<!DOCTYPE html>"):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match="is truncated, no PyTorch file"):
            import_checkpoint("siamfc-pytorch", path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(content[:100])
    with pytest.raises(WeightsError, match="truncated or no safetensors file"):
        import_checkpoint("siamfc-pytorch", broken)


def as_python_2_wrote_it(state: State) -> bytes:
    """The old format with byte strings for names, as PyTorch 0.3 under Python 2.7 has it."""
    stream = io.BytesIO()
    torch.save(OrderedDict(state), stream, _use_new_zipfile_serialization=False, pickle_protocol=2)
    stream.seek(0)
    written = bytearray()
    for _ in range(5):  # pickles: magic number, protocol, system, state dict, storage keys; then raw numbers
        operations = list(pickletools.genops(stream))
        ends = [position for _, _, position in operations[1:]] + [stream.tell()]
        for (operation, argument, position), end in zip(operations, ends, strict=True):
            if operation.name == "BINUNICODE":
                written += b"U" + bytes([len(argument)]) + argument.encode()
            else:
                written += stream.getvalue()[position:end]
    return bytes(written) + stream.read()


def test_files_of_python_2(tmp_path):
    state = made_mdnet()
    (tmp_path / "old.pth").write_bytes(as_python_2_wrote_it(state))
    imported = import_checkpoint("py-mdnet", tmp_path / "old.pth")
    torch.testing.assert_close(imported.state["fc4.0.weight"], state["fc4.0.weight"])


def test_unknown_kinds_and_parts(siamfc_state, saved, tmp_path):
    path = saved(siamfc_state)
    with pytest.raises(ConfigError, match=r"no kind of checkpoint 'yolo'; known are torchvision-alexnet, .*py-mdnet"):
        import_checkpoint("yolo", path)
    with pytest.raises(ConfigError, match=r"no part 'head' of a checkpoint; use all or backbone"):
        import_checkpoint("siamfc-pytorch", path, part="head")
    with pytest.raises(ConfigError, match=r"ends in \.safetensors"):
        command("siamfc-pytorch", path, tmp_path / "out.pth")


def test_a_file_that_exists_is_kept(siamfc_state, saved, tmp_path):
    out = tmp_path / "mine.safetensors"
    out.write_bytes(b"precious")
    with pytest.raises(ConfigError, match="exists already"):
        command("siamfc-pytorch", saved(siamfc_state), out)
    assert out.read_bytes() == b"precious"


def test_a_file_that_cannot_be_written(siamfc_state, saved, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(WeightsError, match=r"new.safetensors could not be written \(.*\); give another name"):
        command("siamfc-pytorch", saved(siamfc_state), tmp_path / "taken" / "new.safetensors")
    (tmp_path / "new.partial").mkdir()  # what safetensors itself fails at
    with pytest.raises(WeightsError, match=r"new.safetensors could not be written"):
        command("siamfc-pytorch", saved(siamfc_state), tmp_path / "new.safetensors")


def test_a_weights_file_of_our_own_is_not_imported_again(siamfc_state, saved, tmp_path):
    out = tmp_path / "siamfc.safetensors"
    command("siamfc-pytorch", saved(siamfc_state), out)
    with pytest.raises(WeightsError, match="is a weights file of this package already"):
        import_checkpoint("siamfc-pytorch", out)


def test_the_commands_help_names_every_kind():
    documented = command.__doc__.replace("\n", " ")
    assert all(kind in documented for kind in KINDS)


TRACKERS = {"siamfc": SiamFCConfig, "siamrpn": SiamRPNConfig}


def test_settings_are_ones_that_the_trackers_have():
    told = {kind: definition.metadata for kind, definition in KINDS.items() if "tracker" in definition.metadata}
    assert len(told) == 11
    for kind, metadata in told.items():
        read_config(TRACKERS[metadata["tracker"]], metadata["config"], kind)
