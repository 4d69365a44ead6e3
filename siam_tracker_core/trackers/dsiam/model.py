"""DSiam: SiamFC whose exemplar and search features follow the target's look (Guo et al., 2017, section 3).

After a confident frame two transformations are learned in closed form, V from the first frame's exemplar to the target
as it looks now, W from its neighbourhood to the same with its background darkened; the next frame is searched with
them. Both are learned anew each time and from the first frame's exemplar, so errors do not add up.

The published code (DSiam/utils, DSiam/run_DSiam.m; reference values, section 5) does what the paper does not tell:
features are multiplied with a Hann window before each transform, and only a share of them is replaced by transformed
ones. These are the defaults; ``config/trackers/dsiam_paper.yaml`` has the paper's plain form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.dsiam import DSiamNetwork, Exemplar, Features, Suppression
from siam_tracker_core.networks.inference import inference_dtype, ready
from siam_tracker_core.runtimes import as_images
from siam_tracker_core.trackers.common.siamese import SiameseModel, SiameseState
from siam_tracker_core.trackers.dsiam.adaptation import Adaptation, learned
from siam_tracker_core.trackers.dsiam.config import DSiamConfig
from siam_tracker_core.trackers.results import TrackResult, TrackState
from siam_tracker_core.trackers.siamfc import CPU_BATCH, ScalePyramid, SiamFCOutput


@dataclass(frozen=True)
class DSiamTarget:
    """What is kept of a target.

    Attributes:
        first: of its exemplar in the first frame.
        first_side: side in pixels of its first search window.
        adaptation: what the last confident frame taught; kept, though not used, while the target is LOST.
        is_adapted: whether the next frame will be searched with it.
        learns: whether the frame in which the target was just located teaches.
    """

    first: Exemplar
    first_side: float
    adaptation: Adaptation | None = None
    is_adapted: bool = False
    learns: bool = False

    @property
    def used(self) -> Adaptation | None:
        """What the next frame is searched with, in place of the first exemplar."""
        return self.adaptation if self.is_adapted else None


DSiamState = SiameseState[DSiamTarget]


class Query(NamedTuple):
    """What the windows of several targets are compared with.

    Attributes:
        features: (T, C, h, w) of each layer.
        suppression: of the targets that have one.
    """

    features: Features
    suppression: Suppression | None


class DSiamModel(SiameseModel[DSiamTarget, SiamFCOutput]):
    """DSiam: see the module's docstring.

    Args:
        network: with its weights; it is taken over, put on ``device`` and made ready for inference.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.

    Raises:
        ConfigError: if the network cannot take crops of the configured sizes.
    """

    config: DSiamConfig

    def __init__(
        self,
        network: DSiamNetwork,
        config: DSiamConfig,
        device: torch.device,
        name: str = "dsiam",
        precision: str = "auto",
    ) -> None:
        self.config, self.device, self.name, self.lost_windows = config, device, name, config.scales
        self.dtype = inference_dtype(device, precision)
        self.network = ready(network, device, self.dtype)
        check_crop_sizes(network, "embed", config.exemplar_size, {"search_size": config.search_size})
        for ridge, regressions in zip((config.appearance_ridge, config.suppression_ridge), network.ridges, strict=True):
            if ridge is not None:
                for regression in regressions:
                    regression.set(ridge)
        self.stride = network.stride
        self.layers = 1 if config.fusion == "first" else len(network.layers)
        fixed = config.layer_weights(self.layers)
        self.weights = (network.fusion.weights.detach() if fixed is None else fixed).to(device)
        self.weighting = config.weighting().to(device)
        self.bias = float(network.correlation.bias.detach())
        self.pyramid = ScalePyramid(config, device, self.stride)

    def start(self, frame: Frame, box: Box) -> DSiamState:
        config = self.config
        exemplar = Window(*box.centre, context_size(box.width, box.height, config.context_amount))
        search = exemplar.scaled(config.search_size / config.exemplar_size)
        features = self.embed(frame.crops([exemplar], config.exemplar_size))
        target = DSiamTarget(self.network.exemplar(features, config.appearance_blend), search.size)
        return self._begun(frame, box, search.size, self._look(target, frame, search, box), target)

    def forward(self, states: Sequence[DSiamState], frame: Frame, crops: torch.Tensor) -> list[SiamFCOutput]:
        responses = self._respond(self._query([state.target for state in states]), crops)
        windows = [self.search(state).windows for state in states]
        return self.pyramid.read(responses, windows, [state.is_lost for state in states])

    def locate(self, state: DSiamState, output: SiamFCOutput) -> tuple[DSiamState, TrackResult]:
        moved, result = super().locate(state, output)
        config, target = self.config, moved.target
        if not config.adapts:
            return moved, result
        lost, logit = result.state is TrackState.LOST, output.peak + self.bias
        learns = not lost and logit > config.threshold
        unused = lost or (not learns and config.after_doubt == "off")
        target = replace(target, learns=learns, is_adapted=target.is_adapted and not unused)
        if learns:
            words = f"learns {self._lesson}, the response is {logit:.2f}"
        elif lost:
            words = "learns nothing of a lost target"
        else:
            words = f"learns nothing, the response of {logit:.2f} is not above {config.threshold:g}"
        return replace(moved, target=target), replace(result, learning=words)

    def adapt(self, states: Sequence[DSiamState], frame: Frame) -> list[DSiamState]:
        adapted = list(states)
        places = [place for place, state in enumerate(states) if state.target.learns]
        if not places:
            return adapted
        with torch.inference_mode():
            lessons = self.learn(
                [states[place].target.first for place in places],
                frame,
                [states[place].search_window for place in places],
            )
        for place, lesson in zip(places, lessons, strict=True):
            target = replace(states[place].target, adaptation=lesson, is_adapted=True)
            adapted[place] = replace(states[place], target=target)
        return adapted

    def lose(self, state: DSiamState) -> DSiamState:
        return super().lose(replace(state, target=replace(state.target, is_adapted=False, learns=False)))

    def warm_up(self, targets: int = 1) -> None:
        config, size = self.config, self.config.search_size
        frame = Frame.upload(torch.zeros(size, size, 3, dtype=torch.uint8).numpy(), self.device)
        window = Window(0, 0, 1)
        with torch.inference_mode():
            features = self.embed(frame.crops([window] * targets, config.exemplar_size))
            firsts = [
                self.network.exemplar([layer[place : place + 1] for layer in features], config.appearance_blend)
                for place in range(targets)
            ]
            query = self._query([DSiamTarget(first, 1.0) for first in firsts])
            responses = self._respond(query, frame.crops([window] * (targets * config.scales), size))
            self.pyramid.read(responses, [[window] * config.scales] * targets, [False] * targets)
            self.learn(firsts, frame, [window] * targets)

    def embed(self, crops: torch.Tensor) -> Features:
        """Float32 features of BGR crops (N, 3, S, S) for each layer that is used."""
        images = as_images(crops, self.dtype)
        parts = images.split(CPU_BATCH) if self.device.type == "cpu" else (images,)
        features = [self.network.embed(part, self.layers) for part in parts]
        return [torch.cat(layer).float() for layer in zip(*features, strict=True)]

    def learn(self, firsts: Sequence[Exemplar], frame: Frame, searches: Sequence[Window]) -> list[Adaptation]:
        """Learn V and W of several targets from a frame.

        Args:
            firsts: of their first frames.
            frame: to learn from.
            searches: the search windows around the targets' new places.
        """

        def crop(size: int) -> torch.Tensor:
            return frame.crops([window.scaled(size / self.config.search_size) for window in searches], size)

        first = Exemplar(
            *([torch.cat(layer) for layer in zip(*part, strict=True)] for part in zip(*firsts, strict=True))
        )
        together = learned(self.network, self.config, first, crop, self.embed, self.weighting)
        return [
            Adaptation(*([layer[number : number + 1] for layer in part] for part in together))
            for number in range(len(searches))
        ]

    def _windows(self, state: DSiamState) -> tuple[Window, ...]:
        return self.pyramid.windows(state.search_window)

    def _look(self, target: DSiamTarget, frame: Frame, window: Window, box: Box) -> SiamFCOutput:
        responses = self._respond(self._query([target]), frame.crops([window], self.config.search_size))
        return self.pyramid.read(responses, [[window]], [True])[0]

    def _moved(self, state: DSiamState, output: SiamFCOutput) -> DSiamState:
        box, side = self.pyramid.moved(state, output, state.target.first_side)
        return replace(state, box=box, search_side=side)

    def _query(self, targets: Sequence[DSiamTarget]) -> Query:
        used = [target.used for target in targets]
        features = [
            target.first.features if own is None else own.features for own, target in zip(used, targets, strict=True)
        ]
        together = [torch.cat(layer) for layer in zip(*features, strict=True)]
        suppressed = {place: own.kernels for place, own in enumerate(used) if own is not None and own.kernels}
        if not suppressed:
            return Query(together, None)
        kernels = [torch.cat(layer) for layer in zip(*suppressed.values(), strict=True)]
        members = torch.tensor(list(suppressed), device=self.device)
        return Query(together, Suppression(kernels, members, self.config.suppression_blend))

    def _respond(self, query: Query, crops: torch.Tensor) -> torch.Tensor:
        """Raw responses (T * windows, 1, rows, columns) of BGR crops, equally many in a row for each target."""
        return self.network.raw(query.features, self.embed(crops), query.suppression, self.weights)

    @property
    def _lesson(self) -> str:
        appearance = {"learned": ["V"], "previous": ["the target as it looks"], "off": []}[self.config.appearance]
        return " and ".join(appearance + ["W"] * self.config.suppression)
