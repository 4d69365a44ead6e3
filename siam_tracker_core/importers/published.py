"""What a published checkpoint looks like, and how its tensors become those of a network here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from siam_tracker_core.errors import WeightsError

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Published:
    """One kind of checkpoint.

    Attributes:
        description: for people.
        source: the repository and file that define its names and shapes.
        network: makes the network that the tensors are for.
        metadata: what goes into the weights file: ``tracker``, ``network`` and ``config`` as ``load_tracker`` reads
            them, as far as they apply.
        modules: published module names and ours, where they differ.
        left_out: beginnings of the names of published tensors that the network has no place for.
        added: tensors of the network that are not published.
        bgr: the published name of the first convolution's weights, if they take BGR; they are turned to RGB, which all
            networks here take.
        prepare: brings published tensors into the network's shapes.
    """

    description: str
    source: str
    network: Callable[[], nn.Module]
    metadata: Mapping[str, Any]
    modules: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    added: Mapping[str, torch.Tensor] = field(default_factory=dict)
    bgr: str = ""
    prepare: Callable[[Tensors], Tensors] | None = None

    def adopt(self, tensors: Mapping[str, torch.Tensor], origin: str | Path) -> tuple[Tensors, list[str]]:
        """The network's state dict, and the names of the published tensors that were left out.

        Args:
            tensors: by published name.
            origin: where they come from, for the message.

        Raises:
            WeightsError: if tensors are missing, unused, or of another shape; names them all as they were published.
        """
        used = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(self.left_out))}
        left_out = sorted(set(tensors) - set(used))
        if self.prepare:
            used = self.prepare(used)
        wanted = self._wanted()
        for name in wanted:
            if name.endswith(".num_batches_tracked"):
                used.setdefault(name, torch.tensor(0))  # PyTorch before 0.4.1 had no such counter
        if not set(wanted) & set(tensors):
            raise WeightsError(
                f"{origin} is no checkpoint of {self.description}: it has none of its {len(wanted)} tensors, such as "
                f"{min(wanted)}, but {len(tensors)} others, such as {min(tensors)}"
            )
        problems = _misfit(wanted, used)
        if problems:
            raise WeightsError(f"{origin} is no checkpoint of {self.description}: {problems}")
        if self.bgr:
            used[self.bgr] = used[self.bgr].flip(1)
        state = {_renamed(name, self.modules): _single(tensor) for name, tensor in used.items()}
        return {**state, **self.added}, left_out

    def _wanted(self) -> dict[str, torch.Size]:
        """Shapes by published name."""
        theirs = {ours: published for published, ours in self.modules.items()}
        with torch.device("meta"):  # shapes alone
            state = self.network().state_dict()
        return {_renamed(name, theirs): tensor.shape for name, tensor in state.items() if name not in self.added}


def _renamed(name: str, modules: Mapping[str, str]) -> str:
    module, _, tensor = name.rpartition(".")
    return f"{modules.get(module, module)}.{tensor}"


def _single(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _misfit(wanted: Mapping[str, torch.Size], given: Mapping[str, torch.Tensor]) -> str:
    misshapen = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(shape)}"
        for name, shape in sorted(wanted.items())
        if name in given and given[name].shape != shape
    ]
    problems = {
        "missing": sorted(set(wanted) - set(given)),
        "unused": sorted(set(given) - set(wanted)),
        "of another shape": misshapen,
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in problems.items() if names)
