"""Joint training of DSiam: clips of successive frames that the network tracks itself (section 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import MinLen
from torch import nn
from torch.nn import functional

from siam_tracker_core.config import departures
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count, Decay, NotNegative, Positive, Share
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.dsiam import (
    APPEARANCE_RIDGE,
    SUPPRESSION_RIDGE,
    DSiamNetwork,
    describe,
    with_siamfc,
)
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.dsiam import DSiamConfig, DSiamModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.views import Photometry, draw_flips, recolour
from siam_tracker_core.training.dsiam_clips import ClipResponses, ClipTracker, Position, crop_at
from siam_tracker_core.training.engine.module import Batch, Picture, TrainingModule
from siam_tracker_core.training.engine.pictures import heat, overlay, to_pictures
from siam_tracker_core.training.engine.recipe import Recipe
from siam_tracker_core.training.losses.logistic import balanced_logistic_loss, response_labels
from siam_tracker_core.training.siamfc import initialise

SHOWN = 3  # frames of a clip in a picture


@dataclass(frozen=True)
class DSiamTraining(Recipe):
    """Settings of the joint training; rates, decay and momentum are the paper's (section 3.6), for SGD.

    Attributes:
        backbone: name of the network that sees the images.
        layers: of it, see ``DSiamNetwork``: conv5, or conv5 and conv4 for DSiamM.
        gain: of the correlation; fixed.
        cells: rows and columns of the response.
        initial_bias: where the correlation's bias starts, unless the start weights have one.
        appearance_ridge, suppression_ridge: where lambda_v and lambda_w of all layers start, by cell.
        radius: of the positive label in pixels; the paper says no more than that 1 denotes the target.
        balanced: let both classes weigh one half each, as in SiamFC's training; equation 10 counts all cells alike.
        motion: largest displacement of a search region between two frames along each axis, in search pixels.
        drift: see ``ClipTracker``.
        position: how gradients pass through the place where a target is found, see ``ClipTracker``.
        sharpness: of a soft position.
        gradient_checkpointing: compute each frame again for its gradients instead of keeping it, so that a clip fits
            little memory.
        flip_probability: probability of mirroring a clip.
        photometry: how the colours of a whole clip change.
        tracking: settings of the tracker, which train, validate and stay with the weights.
    """

    batch_size: Count = 1
    lr: Positive = 1e-7
    final_lr: NotNegative = 1e-9
    ema_decay: Decay = 0.0
    freeze_batch_norm: bool = True
    backbone: str = "alexnet"
    layers: Annotated[tuple[str, ...], MinLen(1)] = ("conv5",)
    gain: Positive = 1e-3
    cells: Count = 17
    initial_bias: float = -3.0
    appearance_ridge: Positive = APPEARANCE_RIDGE
    suppression_ridge: Positive = SUPPRESSION_RIDGE
    radius: Positive = 16.0
    balanced: bool = False
    motion: NotNegative = 16.0
    drift: NotNegative = 48.0
    position: Position = "argmax"
    sharpness: Positive = 1.0
    gradient_checkpointing: bool = True
    flip_probability: Share = 0.5
    photometry: Photometry = field(default_factory=lambda: Photometry(0.0, 0.0, 0.0, 0.0, 0.0))

    __renamed__: ClassVar[dict[str, str]] = {
        "flip": "flip_probability",
        "segments": "gradient_checkpointing",
    }
    tracking: DSiamConfig = field(default_factory=DSiamConfig)


class DSiamModule(TrainingModule):
    """Trains a ``DSiamNetwork`` on clips.

    A batch holds uint8 BGR ``crops`` (N, frames, S, S, 3) with the target in their middles, see ``samplers.Clips``.

    Args:
        network: to train.
        recipe: settings.
    """

    kind = "dsiam"
    recipe_class = DSiamTraining
    recipe: DSiamTraining
    network: DSiamNetwork

    def __init__(self, network: DSiamNetwork, recipe: DSiamTraining) -> None:
        super().__init__(network, recipe)
        nn.init.constant_(network.correlation.bias, recipe.initial_bias)
        self.clips = ClipTracker(
            network, recipe.tracking, recipe.drift, recipe.position, recipe.sharpness, recipe.gradient_checkpointing
        )

    @classmethod
    def build(cls, recipe: DSiamTraining, objects: Path | None = None) -> DSiamModule:
        """A module with a fresh network.

        Raises:
            ConfigError: for a network that there is not, or objects, which cannot be pasted into clips.
        """
        if objects:
            raise ConfigError("objects are pasted into pairs, not into clips; leave out --objects")
        features = backbone(recipe.backbone)
        initialise(features)
        ridges = recipe.appearance_ridge, recipe.suppression_ridge
        return cls(DSiamNetwork(features, recipe.layers, recipe.gain, recipe.cells, *ridges), recipe)

    def adopt(self, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """Complete the weights of a SiamFC to those of this network, which starts from it as in the paper.

        Args:
            state: of a whole tracker.
            metadata: of its weights file.
        """
        if metadata.get("tracker") == "siamfc":
            return with_siamfc(self.network, state)
        return super().adopt(state, metadata)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        recipe = self.recipe
        if "crops" not in batch:
            raise ConfigError("DSiam is trained on clips; set data.kind: clips")
        with torch.autocast(batch["crops"].device.type, enabled=False):
            clips = self.augment(batch, generator)
        said = self.clips.track(clips, self.motions(clips, generator))
        with torch.autocast(clips.device.type, enabled=False):
            logits, centres = said.logits.flatten(0, 1), said.centres.detach().flatten(0, 1)
            rows, columns = logits.shape[1:]
            labels = response_labels(rows, columns, centres, self.network.stride, recipe.radius)
            if recipe.balanced:
                frame = balanced_logistic_loss(logits, labels)
            else:
                frame = functional.binary_cross_entropy_with_logits(logits, labels)
        # Equation 10 sums over the frames of a clip.
        values = {"loss": frame * said.logits.shape[1], "error": self._centre_error(said)}
        for name, regressions in zip(("lambda_v", "lambda_w"), self.network.ridges, strict=True):
            for layer, regression in zip(self.network.layers, regressions, strict=True):
                values[f"{name}_{layer}"] = regression.ridge.detach()
        return values

    def augment(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """A batch's clips as float RGB (N, frames, 3, S, S), mirrored and in other colours, all frames of one alike."""
        crops = batch["crops"]
        count, frames, side = crops.shape[:3]
        flip = draw_flips(count, self.recipe.flip_probability, crops.device, generator)
        images = crops.flip(-1).permute(0, 4, 1, 2, 3).float()
        images = torch.where(flip[:, None, None, None, None], images.flip(-1), images)
        # A clip is one high picture, so that its frames change alike.
        images = recolour(images.reshape(count, 3, frames * side, side), self.recipe.photometry, generator)
        return images.view(count, 3, frames, side, side).transpose(1, 2)

    def motions(self, clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Random displacements (N, frames - 1, 2) of the search regions."""
        draw = 2 * torch.rand((clips.shape[0], clips.shape[1] - 1, 2), generator=generator) - 1
        return (draw * self.recipe.motion).to(clips)

    def _centre_error(self, said: ClipResponses) -> torch.Tensor:
        """Median distance in search pixels between the response's peak and the target."""
        logits, centres = said.logits.detach().flatten(0, 1), said.centres.detach().flatten(0, 1)
        place = logits.flatten(1).argmax(dim=1)
        rows, columns = logits.shape[1:]
        found = torch.stack((place % columns - (columns - 1) / 2, place // columns - (rows - 1) / 2), dim=1)
        return (found * self.network.stride - centres).norm(dim=1).median()

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A clip a row: the exemplar and some search regions under their responses; then the fusion's weight maps."""
        config, generator = self.recipe.tracking, self.generator(0)
        clips = self.augment(batch, generator)
        said = self.clips.track(clips, self.motions(clips, generator))
        size, last = config.search_size, said.logits.shape[1] - 1
        numbers = sorted({round(share * last) for share in torch.linspace(0, 1, SHOWN).tolist()})
        exemplars = to_pictures(crop_at(clips[:, 0], torch.zeros_like(said.centres[:, 0]), config.exemplar_size))
        rows = [[exemplar] for exemplar in exemplars]
        for number in numbers:
            searches = to_pictures(crop_at(clips[:, number + 1], -said.centres[:, number], size))
            maps = said.logits[:, number].float().cpu().numpy()
            for row, search, map_ in zip(rows, searches, maps, strict=True):
                row.append(overlay(search, map_, len(map_) * self.network.stride))
        if len(self.network.layers) > 1:
            rows.append([heat(map_, size, size) for map_ in self.network.fusion.weights.detach().float().cpu().numpy()])
        return rows

    def tracker(self, network: nn.Module) -> Tracker:
        assert isinstance(network, DSiamNetwork)
        # Never LOST, so that the figure is about the network and not about thresholds.
        config = replace(self.recipe.tracking, lost=LostConfig(enabled=False))
        return Tracker(DSiamModel(network, config, self.device, self.kind))

    def description(self) -> dict[str, Any]:
        return {
            "tracker": self.kind,
            "network": describe(self.network, self.recipe.backbone),
            "config": departures(self.recipe.tracking),
        }
