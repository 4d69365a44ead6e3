"""The last layers of many targets at once: fc4 to fc6 of MDNet as batched products, and their learning.

Each target has its own layers. They are stacked for a call, so that T targets take one product a layer, forward and
back. Learning is stochastic gradient descent with momentum, written out over the stack: an optimiser of PyTorch would
clip and count the targets together.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from siam_tracker_core.networks.mdnet import MDNet

Stack = list[torch.Tensor]


class Head:
    """One target's own fc4, fc5 and fc6, and their momenta.

    Args:
        network: whose fc4 and fc5 are copied; fc6 is new, with random weights.
        generator: of those weights, on the CPU.
        device: where the layers are.

    Attributes:
        parameters: weights (inputs, outputs) and biases, a pair for each layer.
        momenta: likewise; zero before anything was learned.
    """

    def __init__(self, network: MDNet, generator: torch.Generator, device: torch.device) -> None:
        own = MDNet(domains=0)
        own.fc4, own.fc5 = copy.deepcopy(network.fc4), copy.deepcopy(network.fc5)
        own.add_domain(generator)
        self.parameters: Stack = []
        for layer in (own.fc4[0], own.fc5[1], own.fc6[0][1]):  # type: ignore[index]
            assert isinstance(layer, torch.nn.Linear)
            self.parameters.append(layer.weight.detach().float().t().contiguous().to(device))
            self.parameters.append(layer.bias.detach().float().clone().to(device))
        self.momenta: Stack = [torch.zeros_like(parameter) for parameter in self.parameters]


@dataclass(frozen=True)
class SGDConfig:
    """How a round of learning goes.

    Attributes:
        lr: learning rate of fc4 and fc5.
        lr_mult: factor on that of fc6.
        momentum: share of the last step.
        weight_decay: on weights and biases.
        grad_clip_norm: largest norm of one target's gradient; 0 clips nothing.
        dropout: share of fc4's and fc5's outputs that is left out; published networks have one half.
    """

    lr: float
    lr_mult: float
    momentum: float
    weight_decay: float
    grad_clip_norm: float
    dropout: float = 0.5


def stacked(heads: Sequence[Head], part: str = "parameters") -> Stack:
    """The parameters or momenta of T heads, each (T, ...); of one head they are its own, not copies."""
    parts = [getattr(head, part) for head in heads]
    if len(parts) == 1:
        return [tensor[None] for tensor in parts[0]]
    return [torch.stack(tensors) for tensors in zip(*parts, strict=True)]


def write_back(heads: Sequence[Head], stack: Stack, part: str = "parameters") -> None:
    """Give the rows of a stack back to the heads that it was made of."""
    if len(heads) == 1:
        return
    for place, head in enumerate(heads):
        for own, tensor in zip(getattr(head, part), stack, strict=True):
            own.copy_(tensor[place])


def logits(stack: Stack, features: torch.Tensor, dropout_masks: Sequence[torch.Tensor] = ()) -> torch.Tensor:
    """What T heads say of features.

    Args:
        stack: their parameters, in the features' type.
        features: (T, n, 4608).
        dropout_masks: factors (T, n, 512) on the outputs of fc4 and of fc5, in learning.

    Returns:
        (T, n, 2), of background and target.
    """
    for layer in range(len(stack) // 2):
        if layer:
            features = functional.relu(features)
            if dropout_masks:
                features = features * dropout_masks[layer - 1]
        features = torch.baddbmm(stack[2 * layer + 1][:, None], features, stack[2 * layer])
    return features


def hardest(stack: Stack, pool: torch.Tensor, again: torch.Tensor, count: int) -> torch.Tensor:
    """The negatives that look most like the target (MDNet section 4.2: hard minibatch mining).

    They are compared in the type in which the features are kept.

    Args:
        stack: parameters of T heads.
        pool: (T, n, 4608).
        again: bool (T, n), rows that were there before; they are taken last.
        count: how many of each.

    Returns:
        (T, count, 4608).
    """
    if pool.shape[1] <= count:
        return pool
    with torch.no_grad():
        scores = logits([tensor.to(pool.dtype) for tensor in stack], pool)[..., 1].float()
        best = scores.masked_fill(again, -torch.inf).topk(count, dim=1).indices
        return pool.gather(1, best[..., None].expand(-1, -1, pool.shape[2]))


def sgd_step(
    stack: Stack,
    momenta: Stack,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    dropout_masks: Sequence[torch.Tensor],
    settings: SGDConfig,
) -> None:
    """One step of stochastic gradient descent on the mean cross-entropy of each target's samples, in place.

    Args:
        stack, momenta: of T heads.
        positives: (T, p, 4608).
        negatives: (T, n, 4608).
        dropout_masks: factors (T, p + n, 512), see ``logits``.
        settings: of the step.
    """
    features = torch.cat((positives, negatives), dim=1).float()
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in stack]
        said = functional.log_softmax(logits(leaves, features, dropout_masks), dim=2)
        right = torch.cat((said[:, : positives.shape[1], 1], said[:, positives.shape[1] :, 0]), dim=1)
        # A mean over each target's samples, and a sum over targets: they do not know of each other.
        gradients = torch.autograd.grad(-right.mean(dim=1).sum(), leaves)
    factors = _clip_factors(gradients, settings.grad_clip_norm)
    with torch.no_grad():
        for place, (parameter, momentum, gradient) in enumerate(zip(stack, momenta, gradients, strict=True)):
            shape = (-1,) + (1,) * (gradient.dim() - 1)
            step = gradient * factors.view(shape) + settings.weight_decay * parameter
            momentum.mul_(settings.momentum).add_(step)
            last = place >= len(stack) - 2
            parameter.sub_(momentum * (settings.lr * (settings.lr_mult if last else 1.0)))


def _clip_factors(gradients: Sequence[torch.Tensor], clip: float) -> torch.Tensor:
    """Factors (T,) that bring each target's gradient to a norm of at most ``clip``."""
    squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0)
    if not clip:
        return torch.ones_like(squares)
    return (clip / (squares.sqrt() + 1e-6)).clamp_max(1.0)
