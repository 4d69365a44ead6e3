"""Images on their way to an accelerator: through page-locked memory, on a stream of their own.

A copy from ordinary memory makes the processor wait for the device. From page-locked memory it runs beside the
computations of the last frame.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

# One buffer is filled while the other is on its way.
BUFFERS = 2


class Uploader:
    """Copies images to one CUDA device.

    Args:
        device: to copy to.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[torch.Tensor] = []
        self._sent: list[torch.cuda.Event] = []
        self._next = 0

    def upload(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """The image on the device; whatever the current stream does next with it waits for it, the caller does not.

        Args:
            image: uint8 (H, W, 3), contiguous; it may be changed when this returns.
        """
        host = self._buffer(image.shape)
        np.copyto(host.numpy(), image)
        with torch.cuda.stream(self._stream):
            pixels = host.to(self.device, non_blocking=True)
            self._sent[self._next].record(self._stream)
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self._stream)
        # The memory belongs to the upload's stream; it must not be given away while this one reads it.
        pixels.record_stream(current)
        self._next = (self._next + 1) % BUFFERS
        return pixels

    def _buffer(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A page-locked buffer whose last copy has arrived."""
        if not self._buffers or self._buffers[0].shape != shape:
            self._stream.synchronize()
            self._buffers = [torch.empty(shape, dtype=torch.uint8).pin_memory() for _ in range(BUFFERS)]
            self._sent = [torch.cuda.Event() for _ in range(BUFFERS)]
            self._next = 0
        self._sent[self._next].synchronize()
        return self._buffers[self._next]


_uploaders: dict[torch.device, Uploader] = {}


def uploader(device: torch.device) -> Uploader:
    """The device's own uploader."""
    if device not in _uploaders:
        _uploaders[device] = Uploader(device)
    return _uploaders[device]
