"""Random draws as part of a frozen state."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypedDict

import numpy as np


class PCG64Place(TypedDict):
    """Where the sequence is, and which one it is."""

    state: int
    inc: int


class PCG64State(TypedDict):
    """As NumPy gives the state of its PCG64."""

    bit_generator: str
    state: PCG64Place
    has_uint32: int
    uinteger: int


@dataclass(frozen=True)
class RandomState:
    """Where a random generator is, as a value: who draws from it keeps the state after that.

    Attributes:
        words: the state of NumPy's PCG64.
    """

    words: PCG64State

    @classmethod
    def of(cls, generator: np.random.Generator) -> RandomState:
        """Where a generator is now."""
        return cls(copy.deepcopy(generator.bit_generator.state))  # type: ignore[arg-type]

    def generator(self) -> np.random.Generator:
        """A generator that goes on from here; this state stays."""
        bits = np.random.PCG64(0)
        bits.state = self.words  # type: ignore[assignment]
        return np.random.Generator(bits)
