"""Multi-domain training of MDNet (Nam and Han, 2016, section 3): shared layers, and a last layer for each video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
import torch
from annotated_types import Ge, Le, Lt
from torch import nn
from torch.nn import functional

from siam_tracker_core.config import departures
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count, NotNegative, Positive, Share
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.mdnet import CONTEXT, MDNet, without_domains
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.mdnet import MDNetConfig, MDNetModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.patches import draw_turns, mirrored, sample_boxes
from siam_tracker_core.training.augmentation.views import Photometry, draw_flips, recolour
from siam_tracker_core.training.engine.module import Batch, Picture, TrainingModule
from siam_tracker_core.training.engine.pictures import to_pictures
from siam_tracker_core.training.engine.recipe import Recipe

# Colours of boxes in pictures: taken for the target, and for the background.
TARGET, BACKGROUND = (0, 220, 90), (220, 60, 0)


@dataclass(frozen=True)
class MDNetTraining(Recipe):
    """Settings of the training; the rates of the defaults are the published ones, for convolutions of VGG-M.

    Attributes:
        domains: most videos that there is a last layer for; those that are not used cost next to nothing.
        backbone: name of the convolutions.
        context: side of a crop relative to that of its box: 1.427, MATLAB's; py-MDNet has 1.299.
        convolutions: ``trained`` convolutions are to come with ``start``; ``fresh`` ones begin with random weights of
            a size that suits the inputs (He et al., 2015).
        hard_negatives: of each domain that teach in a step, the hardest of those that ``data.domains.negatives``
            draws; as many as that leave nothing to choose.
        flip_probability: probability of mirroring a domain's frames.
        rotation: largest turn of a patch about its middle, in degrees; half of the patches are turned, as by py-MDNet
            for ILSVRC VID (30 degrees).
        photometry: how the colours of a frame change.
        tracking: settings of the tracker, which validate and stay with the weights.
    """

    lr: Positive = 1e-3
    final_lr: NotNegative = 1e-3
    backbone_lr_mult: NotNegative = 0.1
    grad_clip_norm: NotNegative = 10.0
    batch_size: Count = 1
    domains: Count = 1024
    backbone: str = "vgg_m"
    context: Annotated[float, Ge(1), Lt(10)] = CONTEXT
    convolutions: Literal["trained", "fresh"] = "trained"
    hard_negatives: Count = 96
    flip_probability: Share = 0.5
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    photometry: Photometry = field(default_factory=lambda: Photometry(grey=0.05, blur=0.1))
    tracking: MDNetConfig = field(default_factory=MDNetConfig)

    __renamed__: ClassVar[dict[str, str]] = {"flip": "flip_probability", "negatives": "hard_negatives"}


# Patches that go through the network at once when negatives are chosen, and frames of a domain in a picture.
_POOL, _SHOWN = 128, 3

# Factor on the usual size of conv1's fresh weights: it brings the features' root mean square, which sets the pace of
# learning online, from some 80 to some 10.
_FIRST_LAYER = 0.125


def initialise(backbone: nn.Module) -> None:
    """Random convolutions that keep the size of what goes through them (He et al., 2015), but for the first."""
    layers = [layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    layers[0].weight.data.mul_(_FIRST_LAYER)


@dataclass(frozen=True)
class Patches:
    """The patches of the domains of a batch.

    Attributes:
        images: float RGB (B, n, 3, 107, 107) in 0..255, the positives first.
        positives: how many of the n.
    """

    images: torch.Tensor
    positives: int


class MDNetModule(TrainingModule):
    """Trains an ``MDNet`` on batches of domains, see ``samplers.Domains``.

    Args:
        network: with a last layer for each domain.
        recipe: settings.
    """

    kind = "mdnet"
    recipe_class = MDNetTraining
    recipe: MDNetTraining
    network: MDNet

    @classmethod
    def build(cls, recipe: MDNetTraining, objects: Path | None = None) -> MDNetModule:  # type: ignore[override]
        """A module with a new network. ``objects`` are not looked at: covered targets are not part of the method."""
        features = None if recipe.backbone == "vgg_m" else backbone(recipe.backbone)
        network = MDNet(recipe.domains, recipe.context, features)
        if recipe.convolutions == "fresh":
            initialise(network.backbone)
        return cls(network, recipe)

    def adopt(self, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """As of any training; the domains begin anew.

        Raises:
            ConfigError: if the weights learned from crops of another size.
        """
        theirs = float(metadata.get("network", {}).get("context", CONTEXT))
        if metadata.get("tracker") == self.kind and abs(theirs - self.recipe.context) > 1e-3:
            raise ConfigError(
                f"training.context is {self.recipe.context:.4f}, and the weights to start from learned from crops of "
                f"{theirs:.4f} times the box; give that"
            )
        own = {name: tensor for name, tensor in self.network.state_dict().items() if name.startswith("fc6.")}
        return own | dict(without_domains(super().adopt(state, metadata)))

    def shipped(self, network: nn.Module) -> Mapping[str, torch.Tensor]:
        """All but the domains' last layers: a target has its own."""
        return without_domains(network.state_dict())

    def on_fit_start(self) -> None:
        """Refuse data with more videos than there are layers before the first step, and not when the first one comes.

        Raises:
            ConfigError: if there are more.
        """
        tracks = len(getattr(getattr(self.trainer, "datamodule", None), "domains", ()))
        if tracks > len(self.network.fc6):
            raise _too_few(len(self.network.fc6), f"{tracks} tracks")

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy of each domain's samples, the mean over domains; only the domains' own last layers learn.

        Raises:
            ConfigError: if there are more domains than ``recipe.domains``, or the batch is of another kind.
        """
        domains = self._domains(batch)
        with torch.autocast(batch["crops"].device.type, enabled=False), torch.no_grad():
            patches = self.patches(batch, generator)
        images = self._hardest(patches, domains)
        count = images.shape[1]
        hidden = self._hidden(images.flatten(0, 1)).unflatten(0, (len(domains), count))
        logits = torch.stack([self.network.fc6[d](h) for d, h in zip(domains, hidden, strict=True)])
        with torch.autocast(images.device.type, enabled=False):
            labels = (torch.arange(count, device=images.device) < patches.positives).long()
            logits = logits.float()
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.repeat(len(domains)))
            right = (logits.detach().argmax(dim=2) == labels).float()
        return {
            "loss": loss,
            "positives_right": right[:, : patches.positives].mean(),
            "negatives_right": right[:, patches.positives :].mean(),
        }

    def _domains(self, batch: Batch) -> list[int]:
        if "domain" not in batch:
            raise ConfigError("MDNet learns from boxes of several frames of a video; give data.kind: domains")
        domains: list[int] = batch["domain"].tolist()
        if max(domains) >= len(self.network.fc6):
            raise _too_few(len(self.network.fc6), f"a track of number {max(domains)}")
        return domains

    def _hidden(self, images: torch.Tensor) -> torch.Tensor:
        """What all domains share, up to fc5, for images (N, 3, 107, 107)."""
        network = self.network
        images = images.contiguous(memory_format=torch.channels_last)
        return network.fc5(network.fc4(network.features(images)))  # type: ignore[no-any-return]

    def patches(self, batch: Batch, generator: torch.Generator) -> Patches:
        """What is in the boxes of a batch, in other colours, perhaps mirrored and turned."""
        recipe, crops = self.recipe, batch["crops"]
        domains, frames, side = crops.shape[:3]
        images = crops.flatten(0, 1).permute(0, 3, 1, 2).flip(1).float()
        images = recolour(images, recipe.photometry, generator)
        flips = draw_flips(domains, recipe.flip_probability, crops.device, generator).repeat_interleave(frames)
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
        boxes = torch.cat((batch["positives"], batch["negatives"]), dim=2).flatten(0, 1)
        turns = draw_turns(boxes, recipe.rotation, generator) if recipe.rotation else None
        sampled = sample_boxes(images, mirrored(boxes, flips, side), recipe.context, turns)
        sampled = sampled.unflatten(0, (domains, frames))
        near = batch["positives"].shape[2]
        parts = (sampled[:, :, :near].flatten(1, 2), sampled[:, :, near:].flatten(1, 2))
        return Patches(torch.cat(parts, dim=1), frames * near)

    def _hardest(self, patches: Patches, domains: list[int]) -> torch.Tensor:
        """The positives, and the negatives that look most like the target, as the paper takes them while tracking."""
        near, off = patches.images[:, : patches.positives], patches.images[:, patches.positives :]
        count = self.recipe.hard_negatives
        if off.shape[1] <= count:
            return patches.images
        layers = [self.network.fc5, *(self.network.fc6[domain] for domain in domains)]
        modes = [layer.training for layer in layers]
        for layer in layers:
            layer.eval()
        chosen = []
        with torch.no_grad():
            for domain, images in zip(domains, off, strict=True):
                parts = [self.network.fc6[domain](self._hidden(part))[:, 1].float() for part in images.split(_POOL)]
                chosen.append(images[torch.cat(parts).topk(count).indices])
        for layer, mode in zip(layers, modes, strict=True):
            layer.train(mode)
        return torch.cat((near, torch.stack(chosen)), dim=1)

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A domain a row: its first frames with their boxes, coloured by what the network takes them for."""
        rows = []
        for number, domain in enumerate(self._domains(batch)):
            images = batch["crops"][number, :_SHOWN].permute(0, 3, 1, 2).flip(1)
            boxes = torch.cat((batch["positives"][number, :_SHOWN], batch["negatives"][number, :_SHOWN]), dim=1)
            patches = sample_boxes(images.float(), boxes, self.recipe.context)
            logits = self.network.fc6[domain](self._hidden(patches.flatten(0, 1)))
            taken = logits.argmax(dim=1).view(boxes.shape[:2]).cpu().numpy()
            rows.append([_drawn(*each) for each in zip(to_pictures(images), boxes.cpu().numpy(), taken, strict=True)])
        return rows

    def tracker(self, network: nn.Module) -> Tracker:
        assert isinstance(network, MDNet)
        # Never LOST, so that the figure is about the network and not about thresholds.
        config = replace(self.recipe.tracking, lost=LostConfig(enabled=False))
        return Tracker(MDNetModel(network, config, self.device, self.kind))

    def description(self) -> dict[str, Any]:
        network: dict[str, Any] = {} if self.recipe.backbone == "vgg_m" else {"backbone": self.recipe.backbone}
        network |= {} if self.recipe.context == CONTEXT else {"context": self.recipe.context}
        return {"tracker": self.kind, "network": network, "config": departures(self.recipe.tracking)}


def _too_few(layers: int, what: str) -> ConfigError:
    return ConfigError(
        f"training.domains is {layers}, and the data have {what}; give as many domains as tracks, or more"
    )


def _drawn(picture: Picture, boxes: np.ndarray, taken: np.ndarray) -> Picture:
    """A frame with its boxes, in the colour of what each is taken for."""
    result = np.ascontiguousarray(picture).copy()
    for (x, y, width, height), target in zip(boxes, taken, strict=True):
        low, high = (round(x), round(y)), (round(x + width), round(y + height))
        cv2.rectangle(result, low, high, TARGET if target else BACKGROUND, 1)
    return result
