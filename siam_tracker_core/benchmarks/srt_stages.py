"""What each stage of a frame of SRT takes, from the convolutions to the box regression, by hidden size."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.benchmarks.many_targets import HEIGHT, WIDTH, made_pictures, spread_boxes
from siam_tracker_core.clock import now
from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Window
from siam_tracker_core.networks.irnn import IRNN
from siam_tracker_core.networks.srt import DEEP, LOCAL, SRTLayers, SRTNetwork
from siam_tracker_core.runtimes import as_images
from siam_tracker_core.trackers.srt import SRTConfig, SRTModel

# What a frame takes, one after the other.
STAGES = (
    "convolutions of the search region",
    "U on the map",
    "pooling conv4_3",
    "pooling the map of U",
    "IRNN on all candidates",
    "matching",
    "regression of the chosen one",
)
# What the first of them, and the second and fourth together, would take if they were not done as they are; and what the
# third to the sixth take as they are done, one part of the candidates after the other.
WHOLE, EACH = "convolutions of the whole picture", "pooling conv5_3, and U on each candidate"
PARTS = "pooling, IRNN and matching, in parts of the candidates"
HIDDEN = (64, 128, 256, 512)


@dataclass(frozen=True)
class StageCosts:
    """What one target takes in one frame.

    Attributes:
        hidden: channels of the IRNN's hidden maps and of its result.
        candidates: boxes that are matched.
        stages: median milliseconds of each of ``STAGES``.
        instead: those of ``WHOLE``, ``EACH`` and ``PARTS``.
    """

    hidden: int
    candidates: int
    stages: dict[str, float]
    instead: dict[str, float]

    @property
    def total(self) -> float:
        """Milliseconds of all stages."""
        return sum(self.stages.values())


def measure_stages(
    device: torch.device,
    hidden: Sequence[int] = HIDDEN,
    frames: int = 40,
    warm_up: int = 3,
    layers: SRTLayers | None = None,
    config: SRTConfig | None = None,
    precision: str = "auto",
) -> list[StageCosts]:
    """Time the stages with several hidden sizes, all taking turns in each round of one run.

    The picture has 640x480 pixels and the target 60x60; the whole picture is looked at in the search region's
    resolution. The weights are random: they do not change what a frame costs.

    Args:
        device: where the network runs.
        hidden: sizes, one or more.
        frames: rounds that the medians are over.
        warm_up: rounds before those that count.
        layers: all else that the network is made of; it has both layers, an IRNN and average pooling.
        config: of the tracker.
        precision: as for ``SRTModel``.

    Raises:
        ConfigError: if ``frames`` or ``hidden`` has nothing to measure, or the network lacks a stage.
    """
    layers = layers or SRTLayers()
    if frames < 1 or warm_up < 0 or not hidden:
        raise ConfigError(f"frames is {frames}, warm_up {warm_up}, hidden {list(hidden)}; give at least 1, 0 and one")
    if not (layers.conv4_3 and layers.conv5_3 and layers.irnn) or layers.pooling != "average":
        raise ConfigError("the stages are those of conv4_3, conv5_3 and an IRNN with average pooling; leave out none")
    with torch.inference_mode():
        models = {
            size: SRTModel(
                SRTNetwork(replace(layers, hidden=size, outputs=size)),
                config or SRTConfig(),
                device,
                precision=precision,
            )
            for size in hidden
        }
        ways = {size: _ways(model) for size, model in models.items()}
        seconds: dict[int, dict[str, list[float]]] = {size: {name: [] for name in own} for size, own in ways.items()}
        for index in range(warm_up + frames):
            for size, own in ways.items():
                for name, way in own.items():
                    elapsed = _seconds(way, device)
                    if index >= warm_up:
                        seconds[size][name].append(elapsed)
    return [_costs(models[size], own) for size, own in seconds.items()]


def _costs(model: SRTModel, seconds: Mapping[str, list[float]]) -> StageCosts:
    medians = {name: statistics.median(values) * 1e3 for name, values in seconds.items()}
    return StageCosts(
        model.network.layers.hidden,
        len(model.offsets) * len(model.factors),
        {name: medians[name] for name in STAGES},
        {name: medians[name] for name in (WHOLE, EACH, PARTS)},
    )


def _ways(model: SRTModel) -> dict[str, Callable[[], object]]:
    """Each stage by itself, for one target, with what the stages before it give at hand."""
    network, size, side = model.network, model.config.search_size, model.side
    picture, box = made_pictures()[0], spread_boxes(1)[0]
    window = Window(*box.centre, size * box.width / side)
    images = as_images(Frame.upload(picture, model.device).crops([window], size), model.dtype)
    whole = as_images(_whole(picture, size / window.size).to(model.device), model.dtype)
    deep = network.backbone.features_at(images, [DEEP])[0]
    maps = network.maps(images)
    assert maps.deep is not None
    projected = maps.deep
    target = model.take_up(maps, side, side)
    regions, parts = target.regions, network.parts(maps, target.regions)
    pooled = network.pool(projected, regions, DEEP)
    first = network.irnn[0]
    assert isinstance(first, IRNN)
    chosen = target.boxes[:1]
    regression = model.regression(maps, side, side)
    ways: tuple[Callable[[], object], ...] = (
        lambda: network.backbone.features_at(images, [LOCAL, DEEP]),
        lambda: network.project(deep),
        lambda: network.local_regions(maps, regions),
        lambda: network.pool(projected, regions, DEEP),
        lambda: network.context(pooled),
        lambda: network.similarity(target.exemplar, parts),
        lambda: regression.apply(model.features(maps, chosen[None])[0], chosen),
    )
    return dict(zip(STAGES, ways, strict=True)) | {
        WHOLE: lambda: network.backbone.features_at(whole, [LOCAL, DEEP]),
        EACH: lambda: first.project(network.pool(deep, regions, DEEP).to(model.dtype)),
        PARTS: lambda: model.match([target], maps),
    }


def _whole(picture: NDArray[np.uint8], scale: float) -> torch.Tensor:
    """A picture (1, 3, H, W) at a scale, with sides of whole cells."""
    width, height = (round(scale * extent / 4) * 4 for extent in (WIDTH, HEIGHT))
    return torch.from_numpy(cv2.resize(picture, (width, height))).permute(2, 0, 1)[None].float()


def _seconds(way: Callable[[], object], device: torch.device) -> float:
    """How long a call takes, until the device is done with it."""
    started = now(device)
    way()
    return now(device) - started
