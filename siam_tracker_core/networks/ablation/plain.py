"""AlexNet and VGG-10 with other receptive fields, strides and padding (SiamDW, Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from siam_tracker_core.networks.ablation.layers import Chain, check_stride, conv, pool, tail_kernels
from siam_tracker_core.networks.backbone import footprint_of

# Both have a receptive field of 39 pixels where their last convolutions begin, and 12x12 cells of an unpadded exemplar.
BEFORE_TAIL = 39


class Layer(NamedTuple):
    """One convolution: its channels, kernel, stride and groups, and the pooling after it (kernel, stride)."""

    channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    pool: tuple[int, int] | None = None


class PlainNet(Chain):
    """Convolutions one after the other, normalised and rectified but for the last.

    Args:
        front: up to the last pooling.
        tail: channels and groups of the convolutions after it.
        receptive_field: of the whole, in pixels; the kernels of the tail follow from it.
        stride: 8; 4 leaves the stride out of the last pooling, 16 gives the last convolution one.
        padded: whether all layers are.

    Raises:
        ConfigError: if there is no such network.
    """

    def __init__(
        self,
        front: Sequence[Layer],
        tail: Sequence[tuple[int, int]],
        receptive_field: int,
        stride: int,
        padded: bool,
    ) -> None:
        super().__init__()
        check_stride(stride)
        kernels = tail_kernels(receptive_field, BEFORE_TAIL, min(stride, 8), len(tail))
        *others, last = front
        assert last.pool is not None
        layers = [*others, last._replace(pool=(last.pool[0], 1 if stride == 4 else 2))]
        layers += [
            Layer(channels, kernel, groups=groups) for (channels, groups), kernel in zip(tail, kernels, strict=True)
        ]
        if stride == 16:
            layers[-1] = layers[-1]._replace(stride=2)
        channels = 3
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"conv{number}", _block(channels, layer, padded, plain=layer is layers[-1]))
            channels = layer.channels
        self._measure(footprint_of(self), channels)


def _block(inputs: int, layer: Layer, padded: bool, plain: bool) -> nn.Sequential:
    parts = [conv(inputs, layer.channels, layer.kernel, layer.stride, padded, layer.groups)]
    if not plain:
        parts += [nn.BatchNorm2d(layer.channels), nn.ReLU(inplace=True)]
    if layer.pool:
        parts.append(pool(*layer.pool, padded=padded))
    return nn.Sequential(*parts)


class AlexNetVariant(PlainNet):
    """SiamFC's AlexNet with the receptive field in the kernels of its last three convolutions; 87 are its own.

    Args:
        receptive_field: 71 to 127 in Table 1.
        stride: 4, 8 or 16.
        padded: column 6 of Table 1.
    """

    def __init__(self, receptive_field: int = 87, stride: int = 8, padded: bool = False) -> None:
        front = (Layer(96, 11, stride=2, pool=(3, 2)), Layer(256, 5, groups=2, pool=(3, 2)))
        super().__init__(front, ((384, 1), (384, 2), (256, 2)), receptive_field, stride, padded)


class VGG10(PlainNet):
    """The ten convolutions of VGG-13 without its last two poolings' strides; the first two poolings are 3x3.

    With a receptive field of 103 all kernels are 3x3, and an unpadded exemplar gives the 4x4 cells of Table 2. Table 1
    prints one row of receptive fields and sizes for AlexNet and VGG-10, which hold for both if 103 is its column 3.

    Args:
        receptive_field: 103 in Table 2, 71 to 127 in Table 1.
        stride: 4, 8 or 16.
        padded: column 6 of Table 1.
    """

    def __init__(self, receptive_field: int = 103, stride: int = 8, padded: bool = False) -> None:
        front = (
            Layer(64, 3),
            Layer(64, 3, pool=(3, 2)),
            Layer(128, 3),
            Layer(128, 3, pool=(3, 2)),
            Layer(256, 3),
            Layer(256, 3, pool=(2, 2)),
        )
        super().__init__(front, ((512, 1),) * 4, receptive_field, stride, padded)
