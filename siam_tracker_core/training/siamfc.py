"""Training of SiamFC: pairs, augmentation on the device, balanced logistic loss (SiamFC section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as lightning
import torch

from siam_tracker_core.networks import SiamFCNetwork, cross_correlation
from siam_tracker_core.training.augment import Photometry, recolour, resample
from siam_tracker_core.training.losses import balanced_logistic_loss, response_labels


@dataclass(frozen=True)
class SiamFCTraining:
    """Settings of the training.

    The paper trains from scratch for 50 epochs of 53,200 pairs at rates from 1e-2 to 1e-5. The defaults here are for
    a backbone that has its features by distillation already, on data that are some hundred times smaller.

    Attributes:
        epochs: how many.
        steps_per_epoch: optimiser steps in each; a checkpoint follows.
        batch: pairs a step.
        first_rate: learning rate of SGD at the start.
        last_rate: learning rate at the end; it falls logarithmically.
        momentum: of SGD, as in the reference implementation.
        weight_decay: of SGD, as in the reference implementation.
        warm_up: steps in which the rate rises.
        radius: of the positive label in pixels.
        shift: largest displacement of the target in the search crop, in pixels.
        scale: largest relative change of the search crop's scale.
        stretch: largest relative change along each axis by itself.
        exemplar_shift: as shift, for the exemplar: users' boxes are not exact either.
        exemplar_scale: as scale, for the exemplar.
        flip: probability of mirroring both crops.
        negatives: weight of the loss on pairs whose search image is another target's (DaSiamRPN, section 3.2).
        average: decay of the exponential moving average of the weights, which is what is kept.
        initial_bias: where the correlation's bias starts; it makes a response of half the largest one undecided.
        frozen_norms: keep the statistics of batch normalisation that distillation found.
        frame_range: largest distance in frames between the two images of a pair.
        video_share: share of pairs from videos; the others are two views of one photograph.
        cutout_share: share of pairs that are composed of cut-out objects and two backgrounds, where there are cut-outs.
        seed: of everything random.
        photometry: how colours change.
    """

    epochs: int = 50
    steps_per_epoch: int = 60
    batch: int = 16
    first_rate: float = 1e-3
    last_rate: float = 1e-5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warm_up: int = 100
    radius: float = 16.0
    shift: float = 32.0
    scale: float = 0.06
    stretch: float = 0.05
    exemplar_shift: float = 3.0
    exemplar_scale: float = 0.04
    flip: float = 0.5
    negatives: float = 0.25
    average: float = 0.998
    initial_bias: float = -3.0
    frozen_norms: bool = False
    frame_range: int = 50
    video_share: float = 0.5
    cutout_share: float = 0.35
    seed: int = 0
    photometry: Photometry = field(default_factory=Photometry)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.epochs * self.steps_per_epoch


class SiamFCModule(lightning.LightningModule):
    """Trains a ``SiamFCNetwork``; ``averaged`` holds the moving average of its weights.

    Args:
        network: to train.
        config: settings.
        exemplar_size, search_size: of the crops in pixels.
    """

    def __init__(
        self, network: SiamFCNetwork, config: SiamFCTraining, exemplar_size: int = 127, search_size: int = 255
    ) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.sizes = (exemplar_size, search_size)
        torch.nn.init.constant_(network.correlation.bias, config.initial_bias)
        self.averaged = torch.optim.swa_utils.AveragedModel(
            network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average), use_buffers=True
        )

    def _uniform(self, rows: int, columns: int, spread: float, generator: torch.Generator) -> torch.Tensor:
        return ((2 * torch.rand((rows, columns), generator=generator) - 1) * spread).to(self.device)

    def _augment(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exemplar images, search images (both RGB) and where the targets are in the latter."""
        config, count = self.config, len(batch["search"])
        flip = (torch.rand(count, generator=generator) < config.flip).to(self.device)
        exemplar = resample(
            batch["exemplar"],
            self.sizes[0],
            self._uniform(count, 2, config.exemplar_shift, generator),
            1 + self._uniform(count, 1, config.exemplar_scale, generator).expand(-1, 2),
            flip,
        )
        shift = self._uniform(count, 2, config.shift, generator)
        scale = (
            1 + self._uniform(count, 1, config.scale, generator) + self._uniform(count, 2, config.stretch, generator)
        )
        search = resample(batch["search"], self.sizes[1], shift, scale, flip)
        images = [recolour(crops.flip(1), config.photometry, generator) for crops in (exemplar, search)]
        exemplar, search = (image.contiguous(memory_format=torch.channels_last) for image in images)
        return exemplar, search, -shift / scale

    def training_step(self, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + self.global_step)
        with torch.autocast(self.device.type, enabled=False):
            exemplar, search, centres = self._augment(batch, generator)
        exemplars, searches = self.network.embed(exemplar), self.network.embed(search)
        with torch.autocast(self.device.type, enabled=False):
            exemplars, searches = exemplars.float(), searches.float()
            correlation = self.network.correlation
            logits = correlation(exemplars, searches)[:, 0]
            rows, columns = logits.shape[1:]
            labels = response_labels(rows, columns, centres, self.network.backbone.stride, config.radius)
            loss = balanced_logistic_loss(logits, labels)
            if config.negatives:
                strangers = cross_correlation(exemplars, searches.roll(1, dims=0)) * correlation.gain + correlation.bias
                negative = balanced_logistic_loss(strangers[:, 0], torch.zeros_like(labels))
                self.log("negative", negative)
                loss = loss + config.negatives * negative
        self.log("loss", loss, prog_bar=True)
        self.log("error", self._centre_error(logits.detach(), centres), prog_bar=True)
        return loss

    def _centre_error(self, logits: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
        """Median distance in search pixels between the peak and the target."""
        place = logits.flatten(1).argmax(dim=1)
        columns = logits.shape[2]
        found = torch.stack((place % columns, place // columns), dim=1) - (columns - 1) / 2
        return (found * self.network.backbone.stride - centres).norm(dim=1).median()

    def on_train_epoch_start(self) -> None:
        if self.config.frozen_norms:
            for layer in self.network.modules():
                if isinstance(layer, torch.nn.BatchNorm2d):
                    layer.eval()

    def on_before_zero_grad(self, *_: Any) -> None:
        self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        config = self.config
        optimiser = torch.optim.SGD(
            self.network.parameters(), config.first_rate, momentum=config.momentum, weight_decay=config.weight_decay
        )

        def factor(step: int) -> float:
            decay = (config.last_rate / config.first_rate) ** min(1.0, step / config.steps)
            return float(decay * min(1.0, (step + 1) / config.warm_up))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
