"""Responses to a target in the middle of the search image and at its borders (SiamDW, Figure 2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError, WeightsError
from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.networks import SiamFCNetwork, described_backbone
from siam_tracker_core.weights import load_into, read_weights

EXEMPLAR, SEARCH = 127, 255
# Where the target's middle lies in the search image, in shares of the way from its middle to the outermost response.
PLACES = ((0.0, 0.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 1.0))


@dataclass(frozen=True)
class Look:
    """What a network says of one search image.

    Attributes:
        image: uint8 (255, 255, 3) BGR.
        response: float32 (rows, columns).
        target: cell (x, y) of the response over the target's middle, fractions and all.
    """

    image: NDArray[np.uint8]
    response: NDArray[np.float32]
    target: tuple[float, float]

    @property
    def error(self) -> float:
        """Cells from the peak to the target."""
        row, column = np.unravel_index(int(self.response.argmax()), self.response.shape)
        return float(np.hypot(column - self.target[0], row - self.target[1]))


def load_siamfc(path: Path) -> SiamFCNetwork:
    """The network of a SiamFC's weights, in evaluation mode.

    Raises:
        WeightsError: if the file is missing, damaged, or of another tracker.
    """
    state, metadata = read_weights(path)
    if metadata.get("tracker") != "siamfc":
        raise WeightsError(
            f"{path} is of {metadata.get('tracker')!r}; responses at the border are looked at in a siamfc"
        )
    description = metadata.get("network", {})
    network = SiamFCNetwork(described_backbone(description, "alexnet", str(path)), float(description.get("gain", 1e-3)))
    load_into(network, state, str(path))
    return network.eval()


def looks(network: SiamFCNetwork, sequence: Sequence) -> list[Look]:
    """The first frame searched for its own target, which lies at each of ``PLACES``.

    Args:
        network: in evaluation mode.
        sequence: whose first frame shows the target.

    Raises:
        DatasetError: if it does not.
    """
    box = sequence.box(0) if len(sequence) else None
    if box is None:
        raise DatasetError(f"the first frame of {sequence.name} has no target to look at")
    frame = Frame.upload(sequence.image(0), "cpu")
    side = context_size(box.width, box.height)
    middle = Window(box.x + box.width / 2, box.y + box.height / 2, side)
    found = []
    with torch.inference_mode():
        exemplar = network.embed(_images(frame, middle, EXEMPLAR))
        wide = middle.scaled(SEARCH / EXEMPLAR)
        cells = network.correlation(exemplar, network.embed(_images(frame, wide, SEARCH))).shape[-1]
        reach = (cells - 1) / 2 * network.backbone.stride * wide.size / SEARCH
        for across, down in PLACES:
            window = Window(wide.centre_x - across * reach, wide.centre_y - down * reach, wide.size)
            images = _images(frame, window, SEARCH)
            response = network.correlation(exemplar, network.embed(images))[0, 0].float().numpy()
            target = ((cells - 1) / 2 * (1 + across), (cells - 1) / 2 * (1 + down))
            found.append(Look(images[0].flip(0).permute(1, 2, 0).byte().numpy(), response, target))
    return found


def _images(frame: Frame, window: Window, size: int) -> torch.Tensor:
    """The RGB image of a window, (1, 3, size, size)."""
    return frame.crops([window], size).flip(1).float()
