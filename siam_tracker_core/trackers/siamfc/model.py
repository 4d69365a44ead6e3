"""SiamFC: fully convolutional Siamese tracking (Bertinetto et al., 2016), with the reference implementation's values.

The exemplar is embedded once. Every frame is searched at three scales around the last position; the correlation maps
are upsampled, the best scale is chosen with a penalty on change, and the peak under a cosine window moves the box. All
of this runs on the device for a batch of targets; five numbers a target come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.crop_sizes import check_crop_sizes
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.siamfc import SiamFCNetwork
from siam_tracker_core.runtimes import Backend, Tensors, joined, torch_backend
from siam_tracker_core.trackers.common.siamese import SiameseState
from siam_tracker_core.trackers.online import OnlineState
from siam_tracker_core.trackers.online.model import LearningModel, Spot
from siam_tracker_core.trackers.siamfc.config import SiamFCConfig
from siam_tracker_core.trackers.siamfc.pyramid import ScalePyramid, SiamFCOutput
from siam_tracker_core.trackers.siamfc.votes import Votes, heights

# Crops that a CPU takes through the network at once. The features of more of them leave its caches: one batch of 24
# took 1.4 times as long as four of 6 on two cores.
CPU_BATCH = 6


class SiamFCTarget(NamedTuple):
    """What is kept of a target.

    Attributes:
        template: of its exemplar.
        first_side: side in pixels of its first search window.
        online: what is learned of it while it is tracked, for trackers that do.
    """

    template: Tensors
    first_side: float
    online: OnlineState | None = None

    def knowing(self, online: OnlineState | None) -> SiamFCTarget:
        """The same with something else learned."""
        return self._replace(online=online)


SiamFCState = SiameseState[SiamFCTarget]


class SiamFCModel(LearningModel[SiamFCTarget, SiamFCOutput]):
    """SiamFC: see the module's docstring.

    Args:
        backend: runs the network.
        config: of the tracker.
        name: of the tracker.
    """

    config: SiamFCConfig

    def __init__(self, backend: Backend, config: SiamFCConfig, name: str = "siamfc") -> None:
        self.backend, self.config, self.name = backend, config, name
        self.device, self.stride, self.lost_windows = backend.device, backend.stride, config.scales
        self.pyramid = ScalePyramid(config, self.device, self.stride)
        self._begin_learning(config.online)

    @classmethod
    def from_network(
        cls,
        network: SiamFCNetwork,
        config: SiamFCConfig,
        device: torch.device,
        name: str = "siamfc",
        precision: str = "auto",
    ) -> SiamFCModel:
        """The model of a PyTorch network, which is taken over; see ``TorchBackend``.

        Raises:
            ConfigError: if the network cannot take crops of the configured sizes.
        """
        backend = torch_backend(network, device, precision, CPU_BATCH, features=config.online.features)
        check_crop_sizes(network, "embed", config.exemplar_size, {"search_size": config.search_size})
        return cls(backend, config, name)

    def start(self, frame: Frame, box: Box) -> SiamFCState:
        config = self.config
        exemplar = Window(*box.centre, context_size(box.width, box.height, config.context_amount))
        search = exemplar.scaled(config.search_size / config.exemplar_size)
        template = self.backend.template(frame.crops([exemplar], config.exemplar_size))
        target = SiamFCTarget(template, search.size)
        own = self._look(target, frame, search, box)
        target = self._first_lesson(target, template, frame, search, config.search_size, box, 1.0)
        return self._begun(frame, box, search.size, own, target)

    def forward(self, states: Sequence[SiamFCState], frame: Frame, crops: torch.Tensor) -> list[SiamFCOutput]:
        template = joined([state.target.template for state in states])
        responses, *features = self.backend.search(template, crops)
        windows = [self.search(state).windows for state in states]
        votes = self._votes(states, features, len(windows[0]), responses.shape[-1])
        return self.pyramid.read(responses, windows, [state.is_lost for state in states], votes)

    def warm_up(self, targets: int = 1) -> None:
        config = self.config
        with torch.inference_mode():
            template = self.backend.template(_blank(targets, config.exemplar_size, self.device))
            responses, *_ = self.backend.search(
                template, _blank(targets * config.scales, config.search_size, self.device)
            )
            self.pyramid.read(responses, [[Window(0, 0, 1)] * config.scales] * targets, [False] * targets)

    def _windows(self, state: SiamFCState) -> tuple[Window, ...]:
        return self.pyramid.windows(state.search_window)

    def look(self, template: Tensors, frame: Frame, window: Window, online: OnlineState | None = None) -> SiamFCOutput:
        """What the network says of one window, without preference for its middle, and what a filter says there."""
        responses, *features = self.backend.search(template, frame.crops([window], self.config.search_size))
        output = self.pyramid.read(responses, [[window]], [True])[0]
        seen = self._seen([online], features, responses.shape[-1])
        return output.heard(seen[0] if seen else None, (output.dx / self.stride, output.dy / self.stride))

    def _look(self, target: SiamFCTarget, frame: Frame, window: Window, box: Box) -> SiamFCOutput:
        return self.look(target.template, frame, window, target.online)

    def _votes(
        self, states: Sequence[SiamFCState], features: Sequence[torch.Tensor], count: int, size: int
    ) -> Votes | None:
        """What the filters of targets say of their windows, ``count`` of each."""
        seen = self._seen([state.target.online for state in states for _ in range(count)], features, size)
        if not seen:
            return None
        own = [seen[start : start + count] for start in range(0, len(seen), count)]
        return Votes(own, [state.own_peak for state in states])

    def _spot(self, state: SiamFCState, output: SiamFCOutput) -> Spot:
        response, score = heights(output.response, output.peak, state.own_peak)
        sides = state.box.width / output.pixels, state.box.height / output.pixels
        return Spot((output.dx, output.dy), sides, score, response)

    def _moved(self, state: SiamFCState, output: SiamFCOutput) -> SiamFCState:
        box, side = self.pyramid.moved(state, output, state.target.first_side)
        return replace(state, box=box, search_side=side)


def _blank(count: int, size: int, device: torch.device) -> torch.Tensor:
    return torch.zeros(count, 3, size, size, device=device)
