"""Random draws as part of a frozen state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class RandomState:
    """Where a random generator is, as a value: who draws from it keeps the state after that.

    Attributes:
        words: the state of NumPy's PCG64.
    """

    words: Mapping[str, object]

    @classmethod
    def of(cls, generator: np.random.Generator) -> RandomState:
        """Where a generator is now."""
        return cls(MappingProxyType(dict(generator.bit_generator.state)))

    def generator(self) -> np.random.Generator:
        """A generator that goes on from here; this state stays."""
        bits = np.random.PCG64(0)
        bits.state = dict(self.words)
        return np.random.Generator(bits)
