"""Crops of many targets: some graphs take one at a time, others several at once, each where it is the faster."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property

import torch

from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.runtimes.backend import Backend, Tensors
from siam_tracker_core.runtimes.torch_backend import for_each_crop, joined

_log = logging.getLogger(__name__)


class InBatches:
    """Two backends of one network as one; see ``Backend``.

    Several crops at once keep all cores busy from a layer's start to its end, which a single one does not. A batch that
    is not full costs as much as a full one, so the crops that are left over go one by one while they are few.

    Args:
        single: takes one crop at a time.
        several: makes the backend that takes ``count`` crops at once, when so many come for the first time. Where it
            cannot be made, all crops go one by one, with a warning.
        count: of crops in a batch.
    """

    def __init__(self, single: Backend, several: Callable[[], Backend], count: int) -> None:
        self._single, self._make, self.count = single, several, count
        self.runtime, self.precision, self.device = single.runtime, single.precision, single.device
        self.stride, self.threads = single.stride, single.threads

    @cached_property
    def _several(self) -> Backend:
        try:
            return self._make()
        except SiamTrackerError as error:
            _log.warning("crops go through the network one by one, for %s", error)
            return self._single

    def template(self, crops: torch.Tensor) -> Tensors:
        return self._single.template(crops)

    def search(self, template: Tensors, crops: torch.Tensor) -> Tensors:
        at_once = in_batches(len(crops), self.count)
        if not at_once:
            return self._single.search(template, crops)
        rows = for_each_crop(template, len(crops))
        answers = [self._several.search(tuple(part[:at_once] for part in rows), crops[:at_once])]
        if at_once < len(crops):
            answers.append(self._single.search(tuple(part[at_once:] for part in rows), crops[at_once:]))
        return joined(answers)


def in_batches(crops: int, count: int) -> int:
    """How many of some crops go in batches: those that fill them, and a rest that leaves one place empty at most."""
    rest = crops % count
    return crops if rest == count - 1 and rest > 1 else crops - rest
