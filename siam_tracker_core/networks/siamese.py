"""What every Siamese network offers a runtime: a template branch that runs once, a search branch for all frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, GivesEarlier, footprint_of


class SiameseNetwork(nn.Module):
    """A network of two branches with one backbone, as trackers run it.

    Images are RGB (N, 3, S, S) with values in 0..255. Both branches give float32 or the network's own number type, and
    the batch is the first dimension of every tensor.

    Attributes:
        backbone: of both branches.
    """

    backbone: Backbone

    @abstractmethod
    def template(self, exemplars: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the search branch compares with, N rows for N exemplar images."""

    def embed(self, searches: torch.Tensor) -> torch.Tensor:
        """Features (N, C, rows, columns) of search images, which the templates are compared with."""
        return self.trimmed(self.backbone(searches))

    def trimmed(self, features: torch.Tensor) -> torch.Tensor:
        """The backbone's features of search images without the cells at the border that the network leaves out."""
        return features

    @abstractmethod
    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the features of N * M search images say, M images in a row for every one of N templates."""

    def beside_map(self, features: torch.Tensor, size: int) -> torch.Tensor:
        """Search features whose middle cell is the middle cell of the map that ``compare`` gives, at its stride.

        A map of a template slid over features has its middle where theirs is. A template of an even side makes the
        map's cells lie between the features' cells: cell i of a template of 6 cells at i + 2.5. The mean of four
        neighbours is the features there, interpolated bilinearly.

        Args:
            features: (N, C, rows, columns), of search images.
            size: side of their map in cells.

        Returns:
            (N, C, rows, columns), as many cells a side as the map has, or an even number more.
        """
        between = (features.shape[-1] - size) % 2
        return functional.avg_pool2d(features, 2, stride=1) if between else features

    def search(self, template: tuple[torch.Tensor, ...], searches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What N * M search images say, M images in a row for every one of N templates."""
        return self.compare(template, self.embed(searches))


class WithFeatures(SiameseNetwork):
    """A network whose search branch gives features as well, for trackers that learn from them.

    Deep features say what kind of thing is where, and early ones what it looks like in detail, which is what tells a
    target from another of its kind (docs/online.md). Early ones have more cells: those that lie in one cell of the map
    become its channels, r * r times as many for a stride r times as fine.

    Args:
        network: that is run; its answers come first.
        units: of the backbone, from the front, after which the features are taken; 0 for all of them.

    Raises:
        ConfigError: if the backbone has no such units.
    """

    def __init__(self, network: SiameseNetwork, units: int = 0) -> None:
        super().__init__()
        self.network, self.units = network, units
        self._finer = _finer(network.backbone, units) if units else 1

    @property
    def backbone(self) -> Backbone:  # type: ignore[override]
        """Of the network that is run."""
        return self.network.backbone

    def template(self, exemplars: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.network.template(exemplars)

    def trimmed(self, features: torch.Tensor) -> torch.Tensor:
        return self.network.trimmed(features)

    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._beside(self.network.compare(template, features), features)

    def beside_map(self, features: torch.Tensor, size: int) -> torch.Tensor:
        return self.network.beside_map(features, size)

    def search(self, template: tuple[torch.Tensor, ...], searches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if not self.units:
            return super().search(template, searches)
        assert isinstance(self.backbone, GivesEarlier)
        early, late = self.backbone.with_earlier(searches, self.units)
        answers = self.network.compare(template, self.trimmed(late))
        return self._beside(answers, self.trimmed(gathered(early, self._finer, late.shape[-2:])))

    def _beside(self, answers: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return *answers, self.beside_map(features, answers[0].shape[-1]).float()


def gathered(features: torch.Tensor, finer: int, cells: Sequence[int]) -> torch.Tensor:
    """Features (N, C, rows, columns) of a finer grid as channels of a coarser one.

    Args:
        features: whose cell 0 lies where the coarse grid's does.
        finer: cells of the fine grid along a side of one of the coarse grid.
        cells: rows and columns of the coarse grid. Where the fine grid ends before them, its last cells go on.

    Returns:
        (N, C * finer^2, *cells).
    """
    rows, columns = (finer * count for count in cells)
    below, right = max(0, rows - features.shape[-2]), max(0, columns - features.shape[-1])
    if below or right:
        features = functional.pad(features, (0, right, 0, below), mode="replicate")
    return functional.pixel_unshuffle(features[..., :rows, :columns], finer)


def _finer(backbone: Backbone, units: int) -> int:
    """How much finer the grid after the first units is than the last one."""
    chain = backbone.units()
    most = len(chain) if isinstance(backbone, GivesEarlier) else 0
    if not 0 < units <= most:
        raise ConfigError(
            f"features_from is {units}, and {type(backbone).__name__} gives features after 0 (all of it)"
            + (f" to {most} of its units" if most else " only")
        )
    return backbone.stride // footprint_of(nn.Sequential(*chain[:units])).stride
