"""A tracker is a model plus a state: what all targets share, and what is known of one of them.

A model has pure steps. ``start`` makes the state of a target. For every frame after that, ``search`` says which windows
of the image are wanted, ``forward`` runs the network on the crops of all targets at once, ``locate`` turns a target's
output into its next state and a result, and ``adapt`` lets those that learn do so. No step changes the state that it is
given. ``trackers.update`` runs the steps, and ``Tracker`` and ``TrackerGroup`` keep the states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.trackers.results import TrackResult


@dataclass(frozen=True)
class TargetState:
    """What is known of one target; models add what they need.

    Attributes:
        box: where it was last believed to be, in pixels.
        image_size: width and height in pixels of the images that it is followed on.
    """

    box: Box
    image_size: tuple[int, int]


@dataclass(frozen=True)
class SearchRequest:
    """Which regions of the next image are wanted for a target.

    Attributes:
        windows: the regions; none for models that take patches from the frame themselves.
        crop_size: side in pixels of their crops.
    """

    windows: tuple[Window, ...]
    crop_size: int


class Output(Protocol):
    """What a network says of one target in one frame."""

    @property
    def is_finite(self) -> bool:
        """Whether the numbers that decide about the target are all finite."""
        ...


StateT = TypeVar("StateT", bound=TargetState)
OutputT = TypeVar("OutputT", bound=Output)


class TrackerModel(ABC, Generic[StateT, OutputT]):
    """Network, settings and device of a tracker, shared by all of its targets.

    Attributes:
        name: for people, e.g. ``"siamfc"``.
        device: where the network runs.
        config: its settings, a dataclass.
        draws: whether its results depend on random numbers.
        can_wait: whether ``adapt`` may follow the answer, or be left out where there is no time for it.
        repetition: added to the seed of these, so that repeated runs differ; 0 is the seed of the settings.
    """

    name: str
    device: torch.device
    config: object
    draws: bool = False
    can_wait: bool = False
    repetition: int = 0

    @property
    def runtime(self) -> str:
        """What the network runs in; PyTorch, unless a model leaves that to a backend."""
        return "torch"

    @property
    def threads(self) -> int | None:
        """Threads that its network runs on, whatever PyTorch is told; None where PyTorch's number counts."""
        return None

    @property
    def together(self) -> int:
        """Targets that the network takes at once by graphs of their own, which want a warm-up of their own; else 1."""
        return 1

    @abstractmethod
    def start(self, frame: Frame, box: Box) -> StateT:
        """The state of a target that is inside ``box``, which has been checked against the frame."""

    @abstractmethod
    def search(self, state: StateT) -> SearchRequest:
        """Where to look for a target in the next image; the same state gives the same answer."""

    @abstractmethod
    def forward(self, states: Sequence[StateT], frame: Frame, crops: torch.Tensor) -> list[OutputT]:
        """Run the network for several targets at once. No other step after ``start`` and before ``adapt`` does.

        Args:
            states: of targets whose requests have one size of crops.
            frame: where the crops come from, for models that need more of it.
            crops: (sum of their windows, 3, crop_size, crop_size) on the device, in the order of ``states``.

        Returns:
            One output a target.
        """

    @abstractmethod
    def locate(self, state: StateT, output: OutputT) -> tuple[StateT, TrackResult]:
        """The state after a frame, and what is said of it."""

    def adapt(self, states: Sequence[StateT], frame: Frame) -> list[StateT]:
        """The states after learning from the frame in which the targets were located; the same by default."""
        return list(states)

    def pass_over(self, state: StateT, reason: str) -> StateT:
        """The state of a target that nothing was learned of in a frame, for a reason in words."""
        return state

    @abstractmethod
    def lose(self, state: StateT) -> StateT:
        """The state of a target whose frame could not be searched: it is looked for like any lost one."""

    @abstractmethod
    def warm_up(self, targets: int = 1) -> None:
        """Run the network on blank crops for ``targets`` targets.

        No frame is slow then because it is the first: neither with all of them there, nor with one of them lost.
        """
