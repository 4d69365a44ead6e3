"""Crops of a frame: one upload of the image, many crops.

Square context crops, and patches: boxes that are stretched to squares. They are sampled bilinearly and continue past
the border with the frame's mean colour (SiamFC section 2.4). On the CPU OpenCV does the sampling, on an accelerator
``sample`` does that of all regions at once; both follow the coordinates of ``geometry``.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Window
from siam_tracker_core.upload import uploader


def check_image(image: object) -> NDArray[np.uint8]:
    """The image itself, if it is what trackers take; a Pillow image, which says that it is RGB, as BGR.

    Raises:
        ImageError: unless it is a non-empty uint8 array (H, W, 3).
    """
    if getattr(image, "mode", None) == "RGB":
        image = np.ascontiguousarray(np.asarray(image)[..., ::-1])
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
        self._scale = np.ones(4)
        self.device = device
        self._host = image
        self._colour: NDArray[np.float64] | None = None
        self._pixels: torch.Tensor | None = None
        if device.type == "cuda":
            self._pixels = uploader(device).upload(np.ascontiguousarray(image))
        elif device.type != "cpu":
            self._pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device)

    @property
    def _mean(self) -> NDArray[np.float64]:
        """Mean colour (3,), computed when a region first reaches beyond the border."""
        if self._colour is None:
            # The same as cv2.mean, which takes ten times as long.
            self._colour = np.array(cv2.sumElems(self._host)[:3]) / (self._host.shape[0] * self._host.shape[1])
        return self._colour

    @classmethod
    def upload(cls, image: NDArray[np.uint8], device: torch.device | str) -> Frame:
        """Check an image and put it on the device.

        Args:
            image: uint8 (H, W, 3) BGR. It must not be changed while the frame is in use.

        Raises:
            ImageError: if it is not of that form.
        """
        return cls(check_image(image), torch.device(device))

    def seen_as(self, width: int, height: int) -> Frame:
        """The same picture in the coordinates of images of another size, whose pixels are not resampled for that.

        Args:
            width, height: in pixels; windows and boxes of the result are in such pixels.
        """
        view = copy.copy(self)
        view.width, view.height = width, height
        horizontal, vertical = self._host.shape[1] / width, self._host.shape[0] / height
        view._scale = np.array([horizontal, vertical, horizontal, vertical])
        return view

    def crops(self, windows: Sequence[Window], size: int) -> torch.Tensor:
        """Resample square windows of the image.

        Args:
            windows: the regions, which may lie partly or wholly outside the image.
            size: side of the crops in pixels.

        Returns:
            (len(windows), 3, size, size), BGR in 0..255, channels last in memory, on the device: uint8 on the CPU,
            float32 elsewhere.
        """
        regions = np.array([[w.centre_x, w.centre_y, w.size, w.size] for w in windows], dtype=np.float64)
        return self._resample(regions.reshape(-1, 4), size)

    def patches(self, boxes: NDArray[np.float64], size: int) -> torch.Tensor:
        """Resample boxes of the image to squares, whatever their shape.

        Args:
            boxes: (n, 4) of ``x, y, width, height`` in pixels, partly or wholly outside the image if need be.
            size: side of the patches in pixels.

        Returns:
            As ``crops``.
        """
        return self._resample(np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1), size)

    def _resample(self, regions: NDArray[np.float64], size: int) -> torch.Tensor:
        """Regions (n, 4) of centre, width and height as (n, 3, size, size)."""
        regions = regions * self._scale
        if self._pixels is None:
            return self._resample_on_host(regions, size)
        return self._resample_on_device(self._pixels, regions, size)

    def _resample_on_host(self, regions: NDArray[np.float64], size: int) -> torch.Tensor:
        crops = np.empty((len(regions), size, size, 3), dtype=np.uint8)
        inside = self._are_inside(regions)
        for region, crop, whole in zip(regions, crops, inside, strict=True):
            cv2.warpAffine(
                self._host,
                _to_pixel_indices(region, size),
                (size, size),
                dst=crop,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(0, 0, 0) if whole else self._mean.tolist(),
            )
        return torch.from_numpy(crops).permute(0, 3, 1, 2)

    def _are_inside(self, regions: NDArray[np.float64]) -> list[bool]:
        """Whether no pixel of a region's crop is sampled beyond the border, so that the mean colour plays no part."""
        low, high = regions[:, :2] - regions[:, 2:] / 2, regions[:, :2] + regions[:, 2:] / 2
        # Samples lie half a crop pixel inside and reach for the next image pixel; OpenCV rounds them to 1/32 pixel.
        inside = (low >= 1) & (high <= (self.width - 1, self.height - 1))
        return [bool(across and down) for across, down in inside]

    def _resample_on_device(self, pixels: torch.Tensor, regions: NDArray[np.float64], size: int) -> torch.Tensor:
        mean = (0.0, 0.0, 0.0) if all(self._are_inside(regions)) else tuple(self._mean.tolist())
        halves = np.array([*pixels.shape[1::-1], *pixels.shape[1::-1]]) / 2
        table = np.vstack([regions / halves - (1, 1, 0, 0), (*mean, 0)])
        # One small transfer for regions and colour.
        on_device = torch.from_numpy(table.astype(np.float32)).to(self.device, non_blocking=True)
        return sample(pixels, on_device[:-1], on_device[-1, :3], size)


def sample(pixels: torch.Tensor, regions: torch.Tensor, mean: torch.Tensor, size: int) -> torch.Tensor:
    """Resample regions of an image bilinearly, all at once.

    On a GPU starting kernels takes longer than running them, so there are few: the image becomes float as a whole, and
    one kernel reads it for all regions.

    Args:
        pixels: uint8 (H, W, 3).
        regions: float32 (n, 4) of centre, in -1..1 from edge to edge of the image, and width and height, of which 2 is
            that of the image.
        mean: (3,), the colour beyond the border.
        size: side of the crops in pixels.

    Returns:
        float32 (n, 3, size, size), channels last in memory.
    """
    places = torch.addcmul(regions[:, :2, None], _steps(size, pixels.device), regions[:, 2:, None])
    image = (pixels - mean).permute(2, 0, 1)[None].expand(len(regions), -1, -1, -1)
    crops = sample_grid(image, places[:, 0], places[:, 1]) + mean[:, None, None]
    return crops.contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=32)
def _steps(size: int, device: torch.device) -> torch.Tensor:
    """Middles of so many pixels, in -0.5..0.5 from edge to edge of them."""
    return ((torch.arange(size, dtype=torch.float32) + 0.5) / size - 0.5).to(device)


def sample_grid(images: torch.Tensor, along_x: torch.Tensor, along_y: torch.Tensor) -> torch.Tensor:
    """Sample images bilinearly where columns and rows cross; zero outside.

    Args:
        images: float (N, C, H, W).
        along_x: (N, columns) in -1..1 from the left to the right edge.
        along_y: (N, rows) in -1..1 from the upper to the lower edge.

    Returns:
        (N, C, rows, columns).
    """
    return functional.grid_sample(images, crossings(along_x, along_y), mode="bilinear", align_corners=False)


def crossings(along_x: torch.Tensor, along_y: torch.Tensor) -> torch.Tensor:
    """Where columns (N, columns) and rows (N, rows) cross, (N, rows, columns, 2)."""
    rows, columns = along_y.shape[1], along_x.shape[1]
    return torch.stack((along_x[:, None].expand(-1, rows, -1), along_y[:, :, None].expand(-1, -1, columns)), dim=-1)


def sample_on_mean(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Bilinear samples of images that continue with their mean colours, differentiable with respect to both.

    Args:
        images: float (N, C, S, S).
        places: (N, rows, columns, 2), x and y in -1..1 between the images' edges.

    Returns:
        (N, C, rows, columns), channels last in memory.
    """
    sampled, inside = (
        functional.grid_sample(each, places, mode="bilinear", align_corners=False)
        for each in (images, torch.ones_like(images[:1, :1]).expand_as(images[:, :1]))
    )
    # Added where the image ends: to take it from the whole image before would take longer than all the rest.
    samples = torch.addcmul(sampled, images.mean(dim=(2, 3), keepdim=True), 1 - inside)
    return samples.contiguous(memory_format=torch.channels_last)


def crop_to_pixel_indices(window: Window, size: int) -> NDArray[np.float64]:
    """The 2x3 matrix that maps pixel indices of a crop to pixel indices of the image (centres at whole numbers)."""
    return _to_pixel_indices(np.array([window.centre_x, window.centre_y, window.size, window.size]), size)


def _to_pixel_indices(region: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """``crop_to_pixel_indices`` for a region of centre, width and height."""
    scale = region[2:] / size
    origin = region[:2] - region[2:] / 2 + scale / 2 - 0.5
    return np.array([[scale[0], 0.0, origin[0]], [0.0, scale[1], origin[1]]])
