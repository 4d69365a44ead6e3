"""A frame and its number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class NumberedFrame(NamedTuple):
    """A frame with its number in the footage, from 0, and uint8 (H, W, 3) BGR pixels."""

    number: int
    image: NDArray[np.uint8]
