"""A network of cropping-inside residual units made of a deeper one: what its training may start from."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.ciresnet import DESCRIPTIONS, Description

_UNIT = re.compile(r"layer(\d+)\.(\d+)\.")


def without_last_units(state: Mapping[str, torch.Tensor], deeper: str, shallower: str) -> dict[str, torch.Tensor]:
    """Leave out the last units of each stage that a shallower backbone has not.

    A residual unit adds to what it is given, so the network without it is near the one with it. SiamDW's networks are
    trained each from ImageNet by itself.

    Args:
        state: tensors of the deeper backbone.
        deeper: its name, one of ``DESCRIPTIONS``.
        shallower: name of the backbone that is wanted.

    Raises:
        ConfigError: if the two differ in more than the number of units.
    """
    given, wanted = DESCRIPTIONS.get(deeper), DESCRIPTIONS.get(shallower)
    if given is None or wanted is None or not _is_shallower(wanted, given):
        fitting = [name for name, each in DESCRIPTIONS.items() if given is not None and _is_shallower(each, given)]
        raise ConfigError(f"{shallower} is not {deeper} with fewer units; {_and(fitting)}")
    return {name: tensor for name, tensor in state.items() if _has(wanted, name)}


def _is_shallower(one: Description, other: Description) -> bool:
    """Whether one has fewer units than the other in some stage, more in none, and is the same otherwise."""
    if (one.unit, one.stem, len(one.stages)) != (other.unit, other.stem, len(other.stages)) or one == other:
        return False
    pairs = zip(one.stages, other.stages, strict=True)
    return all((a.width, a.halving) == (b.width, b.halving) and 0 < a.blocks <= b.blocks for a, b in pairs)


def _has(description: Description, name: str) -> bool:
    unit = _UNIT.match(name)
    return unit is None or int(unit[2]) < description.stages[int(unit[1]) - 1].blocks


def _and(names: list[str]) -> str:
    return f"{' and '.join(names)} are" if names else "no network of this package is"
