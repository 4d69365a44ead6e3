"""Published networks, made with their names and shapes, and forward passes written from their definitions.

Each ``made_*`` gives a state dict as the project in question saves it, and each ``*_forward`` what its network answers.
"""

from __future__ import annotations

import torch
from torch.nn import functional

State = dict[str, torch.Tensor]


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


def thin(state: State) -> State:
    """The shapes without the memory."""
    return {name: torch.zeros(1).expand(tensor.shape) for name, tensor in state.items()}


def made_pysot() -> State:
    state = made_alexnet_without_groups("backbone.features")
    for branch, outputs in (("cls", 10), ("loc", 20)):
        name = f"rpn_head.{branch}"
        for adjust in ("conv_kernel", "conv_search"):
            state |= conv(f"{name}.{adjust}.0", 256, 256, 3, bias=False) | norm(f"{name}.{adjust}.1", 256)
        state |= conv(f"{name}.head.0", 256, 256, 1, bias=False) | norm(f"{name}.head.1", 256)
        state |= conv(f"{name}.head.3", outputs, 256, 1)
    return state


# py-MDNet


def made_mdnet() -> State:
    state = conv("conv1.0", 96, 3, 7) | conv("conv2.0", 256, 96, 5) | conv("conv3.0", 512, 256, 3)
    state |= {"fc4.0.weight": torch.randn(512, 4608) * 0.02, "fc4.0.bias": torch.full((512,), 0.1)}
    return state | {"fc5.1.weight": torch.randn(512, 512) * 0.06, "fc5.1.bias": torch.full((512,), 0.1)}
