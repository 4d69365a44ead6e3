"""Pictures of what is learned from and what the network says of it, a few every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import TensorBoardLogger

from siam_tracker_core.training.engine.module import Batch, Picture

GAP = 4


def to_pictures(images: torch.Tensor) -> list[Picture]:
    """RGB images (N, 3, H, W) in 0..255 as uint8 arrays (H, W, 3)."""
    return list(images.detach().float().clamp(0, 255).permute(0, 2, 3, 1).byte().cpu().numpy())


def heat(response: NDArray[np.float32], height: int, width: int) -> Picture:
    """A response map (rows, columns), from its least to its largest value, as colours (height, width, 3) RGB."""
    low, high = float(response.min()), float(response.max())
    grey = np.uint8((response - low) / max(high - low, 1e-9) * 255)
    large = cv2.resize(grey, (width, height), interpolation=cv2.INTER_NEAREST)  # type: ignore[call-overload]
    return cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def overlay(picture: Picture, response: NDArray[np.float32], side: float) -> Picture:
    """A response map over the middle square of a picture, ``side`` pixels wide, half transparent."""
    result = picture.copy()
    height, width = picture.shape[:2]
    size = round(min(side, height, width))
    top, left = (height - size) // 2, (width - size) // 2
    part = result[top : top + size, left : left + size]
    part[:] = part // 2 + heat(response, size, size) // 2
    return result


def cross(picture: Picture, x: float, y: float, arm: int = 6) -> Picture:
    """The picture with a white cross at a place in pixels."""
    result = np.ascontiguousarray(picture)
    cv2.drawMarker(result, (round(x), round(y)), (255, 255, 255), cv2.MARKER_CROSS, 2 * arm)
    return result


def tile(rows: list[list[Picture]]) -> Picture:
    """One picture of rows of pictures, on black, with a gap between them.

    Raises:
        ValueError: if there is no picture.
    """
    pictures = [picture for row in rows for picture in row]
    if not pictures:
        raise ValueError("there is no picture to tile")
    widths = [sum(picture.shape[1] + GAP for picture in row) - GAP for row in rows]
    heights = [max((picture.shape[0] for picture in row), default=0) for row in rows]
    canvas = np.zeros((sum(heights) + GAP * (len(rows) - 1), max(widths), 3), np.uint8)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for picture in row:
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            left += picture.shape[1] + GAP
        top += height + GAP
    return canvas


class Pictures(lightning.Callback):
    """Writes ``epoch_0003.png`` under a folder, and the same into TensorBoard, from the first batch of every epoch.

    Args:
        folder: made when there is something to write.
        samples: rows of a picture.
    """

    def __init__(self, folder: Path, samples: int = 4) -> None:
        super().__init__()
        self.folder, self.samples = folder, samples

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, batch: Batch, number: int) -> None:
        if number or not trainer.is_global_zero:
            return
        modes = {layer: layer.training for layer in pl_module.modules()}
        few = {name: tensor[: self.samples] for name, tensor in batch.items()}
        # Evaluation mode, so that looking leaves the statistics of batch normalisation alone.
        pl_module.eval()
        try:
            with torch.no_grad():
                rows = pl_module.pictures(few)
        finally:
            for layer, mode in modes.items():
                layer.training = mode
        if rows:
            self._write(trainer, tile(rows))

    def _write(self, trainer: lightning.Trainer, picture: Picture) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch_{trainer.current_epoch:04d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("examples", picture, trainer.global_step, dataformats="HWC")
