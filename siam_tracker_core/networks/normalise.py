"""Input conventions of networks that others trained: what is done to RGB values of 0..255 first."""

from __future__ import annotations

import torch
from torch import nn

Colour = tuple[float, float, float]

# mean and deviation of red, green and blue, in 0..255
IMAGENET: tuple[Colour, Colour] = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # torchvision's models
CAFFE: tuple[Colour, Colour] = ((122.679, 116.669, 104.007), (1.0, 1.0, 1.0))  # Caffe's models, their BGR turned round
MINUS_128: tuple[Colour, Colour] = ((128.0, 128.0, 128.0), (1.0, 1.0, 1.0))  # MDNet


class Normalise(nn.Module):
    """``(images - mean) / std`` by colour; its values are no part of a state dict.

    Args:
        convention: mean and deviation of red, green and blue.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, convention: tuple[Colour, Colour]) -> None:
        super().__init__()
        mean, std = convention
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images - self.mean) / self.std
