"""Memory that is used up."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the memory of the machine or of the GPU is used up."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()  # PyTorch's allocator of the CPU raises a plain RuntimeError
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)
