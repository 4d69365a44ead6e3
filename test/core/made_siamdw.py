"""SiamDW's networks, made with their names and shapes, and forward passes written from their definitions."""

from __future__ import annotations

import torch
from made_published import State, conv, norm, run_conv, run_norm
from torch.nn import functional

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


def made_siamdw_head(hidden: int, classes: int) -> State:
    return (
        conv("connect_model.template_cls", hidden * classes, 512, 3)
        | conv("connect_model.template_reg", hidden * 20, 512, 3)
        | conv("connect_model.search_cls", hidden, 512, 3)
        | conv("connect_model.search_reg", hidden, 512, 3)
        | conv("connect_model.adjust", 20, 20, 1)
    )
