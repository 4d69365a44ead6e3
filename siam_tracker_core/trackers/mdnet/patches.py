"""What is in boxes of a frame, as features of MDNet's frozen convolutions."""

from __future__ import annotations

import numpy as np
import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.inference import inference_dtype
from siam_tracker_core.networks.mdnet import CROP_SIZE, MDNet
from siam_tracker_core.runtimes import as_images
from siam_tracker_core.trackers.common.sampling import Boxes

# Patches that a CPU takes through the convolutions at once: the features of more of them leave its caches.
CPU_BATCH = 16
GPU_BATCH = 2048


class PatchNetwork:
    """The frozen convolutions, and all else that the targets of one tracker share.

    Args:
        network: with its weights; it is taken over, put on ``device`` and made ready for inference. Its fc6 are not
            looked at.
        device: where to run.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``; the last layers are always float32.

    Attributes:
        dtype: in which the convolutions compute, and features are kept.
        batch: patches that go through them at once.
    """

    def __init__(self, network: MDNet, device: torch.device, precision: str = "auto") -> None:
        self.device = device
        self.dtype = inference_dtype(device, precision)
        self.network = network.eval().requires_grad_(False)
        channels_last(self.network).to(device)
        self.network.backbone.to(self.dtype)
        self.batch = CPU_BATCH if device.type == "cpu" else GPU_BATCH

    def patches(self, frame: Frame, boxes: Boxes) -> torch.Tensor:
        """What is in boxes and the network's margin around it, (n, 3, 107, 107) BGR, see ``Frame.patches``.

        Args:
            frame: where they are.
            boxes: (n, 4) of ``x, y, width, height`` in pixels.
        """
        with torch.no_grad():
            return frame.patches(with_margin(boxes, self.network.context), CROP_SIZE)

    def features(self, patches: torch.Tensor) -> torch.Tensor:
        """Features (n, 4608) of BGR patches (n, 3, 107, 107), in ``dtype``."""
        with torch.no_grad():
            parts = [self.network.features(as_images(part, self.dtype)) for part in patches.split(self.batch)]
            return (
                torch.cat(parts) if parts else torch.empty(0, self.network.width, dtype=self.dtype, device=self.device)
            )

    def look(self, frame: Frame, boxes: Boxes) -> torch.Tensor:
        """Features (n, 4608) of what is in boxes, see ``patches``; not all patches are held at once."""
        parts = np.split(boxes, range(GPU_BATCH, len(boxes), GPU_BATCH))
        return torch.cat([self.features(self.patches(frame, part)) for part in parts])


def with_margin(boxes: Boxes, context: float) -> Boxes:
    """Boxes (n, 4) enlarged ``context`` times around their centres."""
    sizes = boxes[:, 2:] * context
    return np.concatenate([boxes[:, :2] - (sizes - boxes[:, 2:]) / 2, sizes], axis=1)
