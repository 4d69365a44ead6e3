"""A network that tracks its target through the clips it is trained on (DSiam, section 3.5 and Figure 5).

A clip's crops have the target in their middles and at one size. The search region of a frame lies where the target was
found in the frame before, displaced by a random motion, because such crops do not tell how far the target really went.
All crops of a frame are cut out of its image by bilinear sampling, which is differentiable with respect to place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from siam_tracker_core.crop import crossings, sample_on_mean
from siam_tracker_core.networks.dsiam import DSiamNetwork, Exemplar, Features, Suppression
from siam_tracker_core.trackers.common.response import cosine_window, peaks
from siam_tracker_core.trackers.dsiam import Adaptation, DSiamConfig, learned

Position = Literal["argmax", "soft"]


@dataclass(frozen=True)
class ClipResponses:
    """What a network said of a batch of clips; frame 0 is the exemplar's and has none.

    Attributes:
        logits: (N, frames - 1, rows, columns), with bias.
        centres: (N, frames - 1, 2), the targets' places (x, y) in search pixels from the middles of the search regions.
    """

    logits: torch.Tensor
    centres: torch.Tensor


def crop_at(images: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    """Square regions of images at their own scale, differentiable with respect to images and places.

    Args:
        images: float (N, C, S, S); they continue with their mean colour.
        places: (N, 2), centres (x, y) of the regions in pixels from the images' middles.
        size: side of the regions in pixels.

    Returns:
        (N, C, size, size), channels last in memory.
    """
    offsets = torch.arange(size, device=images.device, dtype=images.dtype) + 0.5 - size / 2
    along_x, along_y = ((offsets + places[:, axis, None]) * (2 / images.shape[-1]) for axis in (0, 1))
    return sample_on_mean(images, crossings(along_x, along_y))


class ClipTracker:
    """Tracks clips with a network that is being trained.

    Args:
        network: in which gradients are wanted.
        config: sizes, blending and fusion, as the tracker will have them. As in Figure 5 every frame is learned from:
            what makes a frame confident is not looked at.
        drift: largest distance in search pixels, along each axis, between where a target is said to be and where it is;
            a target that is lost by more is put back to that distance.
        position: how gradients pass through the place where a target is found. ``argmax`` lets none pass, for the place
            of a maximum does not change with the response; ``soft`` takes those of the response's centre of mass.
        sharpness: of that centre of mass, a factor on the logits.
        gradient_checkpointing: keep only the results of each frame for the backward pass, and compute the rest again
            then. Memory is that of one frame instead of all, for a third more time.
    """

    def __init__(
        self,
        network: DSiamNetwork,
        config: DSiamConfig,
        drift: float = 48.0,
        position: Position = "argmax",
        sharpness: float = 1.0,
        gradient_checkpointing: bool = True,
    ) -> None:
        self.network, self.config = network, config
        self.drift, self.position, self.sharpness = drift, position, sharpness
        self.gradient_checkpointing = gradient_checkpointing
        self._layers = 1 if config.fusion == "first" else None

    def track(self, clips: torch.Tensor, motions: torch.Tensor) -> ClipResponses:
        """Follow the targets.

        Args:
            clips: float RGB (N, frames, 3, S, S) in 0..255.
            motions: (N, frames - 1, 2), how the search regions are displaced, in search pixels.
        """
        network, config = self.network, self.config
        places = torch.zeros_like(motions[:, 0])
        features = self._embed(crop_at(clips[:, 0], places, config.exemplar_size))
        first = network.exemplar(features, config.appearance_blend)
        adaptation = Adaptation(features, [])
        logits, centres = [], []
        for number in range(1, clips.shape[1]):
            middles = self._bounded(places + motions[:, number - 1])
            frame = clips[:, number]
            last = number == clips.shape[1] - 1
            arguments = (frame, middles, first, adaptation, last)
            if self.gradient_checkpointing and torch.is_grad_enabled():
                response, places, adaptation = checkpoint(self._frame, *arguments, use_reentrant=False)
            else:
                response, places, adaptation = self._frame(*arguments)
            logits.append(response)
            centres.append(-middles)
        return ClipResponses(torch.stack(logits, dim=1), torch.stack(centres, dim=1))

    def _frame(
        self, frame: torch.Tensor, middles: torch.Tensor, first: Exemplar, adaptation: Adaptation, last: bool
    ) -> tuple[torch.Tensor, torch.Tensor, Adaptation]:
        """Logits of a frame, the targets' places in it, and what it teaches."""
        config = self.config
        searches = self._embed(crop_at(frame, middles, config.search_size))
        with torch.autocast(frame.device.type, enabled=False):
            logits = self._respond(adaptation, searches)
            places = self._bounded(middles + self._displacement(logits))
        if last or not config.adapts:
            return logits, places, adaptation

        def crop(size: int) -> torch.Tensor:
            return crop_at(frame, places, size)

        return logits, places, learned(self.network, config, first, crop, self._embed, config.weighting().to(frame))

    def _respond(self, adaptation: Adaptation, searches: Features) -> torch.Tensor:
        network, suppression = self.network, None
        if adaptation.kernels:
            members = torch.arange(len(searches[0]), device=searches[0].device)
            suppression = Suppression(adaptation.kernels, members, self.config.suppression_blend)
        weights = self.config.layer_weights(len(searches))
        weights = None if weights is None else weights.to(searches[0])
        raw = network.raw(adaptation.features, searches, suppression, weights)
        return (raw + network.correlation.bias)[:, 0]

    def _embed(self, images: torch.Tensor) -> Features:
        """Features in single precision (or double), whatever the backbone computes in."""
        layers = self.network.embed(images, self._layers)
        return [layer.to(images.dtype) for layer in layers]

    def _bounded(self, places: torch.Tensor) -> torch.Tensor:
        return places.clamp(-self.drift, self.drift)

    def _displacement(self, logits: torch.Tensor) -> torch.Tensor:
        """Where the targets are found, (N, 2) in search pixels (x, y) from the middles of the search regions."""
        found = self._peak(logits.detach())
        if self.position == "argmax":
            return found
        soft = self._mass(logits)
        return found + soft - soft.detach()

    def _peak(self, logits: torch.Tensor) -> torch.Tensor:
        """The peak as the tracker takes it, at one scale."""
        factor = self.config.response_up
        large = functional.interpolate(logits[:, None], scale_factor=factor, mode="bicubic")[:, 0]
        size = large.shape[-1]
        influence = torch.full_like(large[:, 0, 0], self.config.window_influence)
        window = cosine_window(size).to(large)
        rows, columns = peaks(large, influence, window / window.sum())
        cells = torch.stack((columns, rows), dim=1).to(logits.dtype) - (size - 1) / 2
        return cells * (self.network.stride / factor)

    def _mass(self, logits: torch.Tensor) -> torch.Tensor:
        """The centre of mass of the response."""
        rows, columns = logits.shape[1:]
        shares = (logits * self.sharpness).flatten(1).softmax(dim=1).view_as(logits)
        across = torch.arange(columns, device=logits.device, dtype=logits.dtype) - (columns - 1) / 2
        down = torch.arange(rows, device=logits.device, dtype=logits.dtype) - (rows - 1) / 2
        x, y = (shares.sum(dim=1) * across).sum(dim=1), (shares.sum(dim=2) * down).sum(dim=1)
        return torch.stack((x, y), dim=1) * self.network.stride
