"""Square context crops of a frame: one upload of the image, many crops.

Crops are sampled bilinearly and continue past the border with the frame's mean colour (SiamFC section 2.4). On the CPU
OpenCV does the sampling, on an accelerator one batched ``grid_sample``; both follow the coordinates of ``geometry``.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Window


def check_image(image: object) -> NDArray[np.uint8]:
    """The image itself, if it is what trackers take.

    Raises:
        ImageError: unless it is a non-empty uint8 array (H, W, 3).
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"the image is a {type(image).__name__}; expected a uint8 array (height, width, 3), BGR")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"the image has shape {image.shape} and type {image.dtype}; expected uint8 (height, width, 3)")
    if image.size == 0:
        raise ImageError(f"the image is empty: its shape is {image.shape}")
    return image


class Frame:
    """An image on the device, together with its mean colour.

    Attributes:
        width, height: of the image, in pixels.
        device: where it lies.
    """

    def __init__(self, image: NDArray[np.uint8], device: torch.device) -> None:
        self.height, self.width = image.shape[:2]
        self.device = device
        self._host = image
        self._mean = np.array(cv2.mean(image)[:3])
        self._pixels: torch.Tensor | None = None
        if device.type != "cpu":
            self._pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device, non_blocking=True)

    @classmethod
    def upload(cls, image: NDArray[np.uint8], device: torch.device | str) -> Frame:
        """Check an image and put it on the device.

        Args:
            image: uint8 (H, W, 3) BGR. It must not be changed while the frame is in use.

        Raises:
            ImageError: if it is not of that form.
        """
        return cls(check_image(image), torch.device(device))

    def crops(self, windows: Sequence[Window], size: int) -> torch.Tensor:
        """Resample square windows of the image.

        Args:
            windows: the regions, which may lie partly or wholly outside the image.
            size: side of the crops in pixels.

        Returns:
            float32 (len(windows), 3, size, size), BGR in 0..255, channels last in memory, on the device.
        """
        if self._pixels is None:
            return self._crops_on_host(windows, size)
        return self._crops_on_device(self._pixels, windows, size)

    def _crops_on_host(self, windows: Sequence[Window], size: int) -> torch.Tensor:
        crops = np.empty((len(windows), size, size, 3), dtype=np.uint8)
        for window, crop in zip(windows, crops, strict=True):
            cv2.warpAffine(
                self._host,
                crop_to_pixel_indices(window, size),
                (size, size),
                dst=crop,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=self._mean.tolist(),
            )
        return torch.from_numpy(crops).permute(0, 3, 1, 2).float()

    def _crops_on_device(self, pixels: torch.Tensor, windows: Sequence[Window], size: int) -> torch.Tensor:
        mean = torch.as_tensor(self._mean, dtype=torch.float32, device=self.device)
        # grid_sample continues with zeros, so the mean is taken off before and put back after.
        centred = (pixels.float() - mean).permute(2, 0, 1)[None].expand(len(windows), -1, -1, -1)
        table = np.array([[w.centre_x, w.centre_y, w.size] for w in windows], dtype=np.float32)
        regions = torch.from_numpy(table).to(self.device, non_blocking=True)
        steps = (torch.arange(size, device=self.device, dtype=torch.float32) + 0.5) / size - 0.5
        along_x = (regions[:, :1] + steps * regions[:, 2:]) * (2 / self.width) - 1
        along_y = (regions[:, 1:2] + steps * regions[:, 2:]) * (2 / self.height) - 1
        grid = torch.stack((along_x[:, None, :].expand(-1, size, -1), along_y[:, :, None].expand(-1, -1, size)), dim=-1)
        crops = torch.nn.functional.grid_sample(centred, grid, mode="bilinear", align_corners=False)
        return (crops + mean[:, None, None]).contiguous(memory_format=torch.channels_last)


def crop_to_pixel_indices(window: Window, size: int) -> NDArray[np.float64]:
    """The 2x3 matrix that maps pixel indices of a crop to pixel indices of the image (centres at whole numbers)."""
    scale = window.size / size
    origin_x = window.centre_x - window.size / 2 + scale / 2 - 0.5
    origin_y = window.centre_y - window.size / 2 + scale / 2 - 0.5
    return np.array([[scale, 0.0, origin_x], [0.0, scale, origin_y]])
