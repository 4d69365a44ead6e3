"""The classifier of one target that learns online (MDNet section 4), shared by MDNet and the cascaded tracker.

The convolutions are frozen and common to all targets; each target has its own fc4 to fc6. Features are kept in memory,
so that no patch goes through the convolutions twice.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np
import torch

from siam_tracker_core.geometry import Box
from siam_tracker_core.networks.mdnet import HIDDEN
from siam_tracker_core.trackers.common.sampling import Samples, Spread, draw
from siam_tracker_core.trackers.mdnet.batched_head import Head, SGDConfig, logits, stacked
from siam_tracker_core.trackers.mdnet.config import ClassifierConfig
from siam_tracker_core.trackers.mdnet.memory import FrameMemory
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork

# How training boxes are spread (HyeonseobNam/py-MDNet:tracking/options.yaml).
POSITIVES = Spread("gaussian", 0.1, 1.3)
FIRST_NEGATIVES = (Spread("uniform", 1.0, 1.6), Spread("whole", 0.0, 1.6))
NEGATIVES = Spread("uniform", 2.0, 1.3)


class Term(enum.Enum):
    """From how far back an update takes its positives; its negatives are always of the short memory."""

    SHORT = "short"
    LONG = "long"


class Classifier:
    """Tells one target from everything else, and learns.

    It is the one part of a target that changes in place: its layers and memories are too large to be copied in every
    frame. They change in ``adapt`` alone, when everything of a frame has been located.

    Args:
        network: what the targets share.
        config: of the classifier.

    Attributes:
        head: the target's own layers.
        positives, negatives: features that are remembered.
        rounds_left: of the updates that have been asked for.
        remembered, taught: numbers of the last frames whose features it has been given and whose rounds it has run.
    """

    def __init__(self, network: PatchNetwork, config: ClassifierConfig) -> None:
        self.network, self.config = network, config
        self.rounds_left = self.remembered = self.taught = 0
        self._term = Term.LONG
        self._generator = torch.Generator(network.device).manual_seed(config.seed)
        # Tensors that are made in inference mode could not be learned from.
        with torch.inference_mode(False):
            self.head = Head(network.network, torch.Generator().manual_seed(config.seed), network.device)
            later = (config.long_memory - 1) * config.update_positives
            self.positives = self._memory(config.long_memory, config.init_positives + later)
            self.negatives = self._memory(config.short_memory, config.short_memory * config.update_negatives)

    def _memory(self, frames: int, rows: int) -> FrameMemory:
        return FrameMemory(frames, rows, self.network.network.width, self.network.dtype, self.network.device)

    def remember_only(self, positives: torch.Tensor, negatives: torch.Tensor) -> FrameMemory:
        """Have nothing but the features of a target's own frame in memory, however many negatives there are.

        Returns:
            The memory of negatives for all later frames, empty.
        """
        lasting, self.negatives = self.negatives, self._memory(1, max(1, len(negatives)))
        self.remember(positives, negatives)
        return lasting

    def remember_from_now(self, negatives: FrameMemory, first: torch.Tensor) -> None:
        """Keep the negatives of later frames in a memory that has those of the target's own frame first."""
        self.negatives = negatives
        self.negatives.push(_finite_rows(first))

    def remember(self, positives: torch.Tensor, negatives: torch.Tensor) -> None:
        """Keep the features (p, 4608) and (n, 4608) of a frame; the oldest frame's leave.

        Rows with what is no finite number are left out, for nothing that learned from them would ever be one again.
        """
        self.positives.push(_finite_rows(positives))
        self.negatives.push(_finite_rows(negatives))

    def samples(self, box: Box, image_size: tuple[int, int], rng: np.random.Generator) -> Samples:
        """Boxes of an update, around the box in which the target was found.

        Args:
            box: in pixels.
            image_size: width and height of the frame in pixels.
            rng: of the boxes.
        """
        config = self.config
        return Samples(
            draw(POSITIVES, box, config.update_positives, image_size, rng, overlap=(0.7, 1.0)),
            draw(NEGATIVES, box, config.update_negatives, image_size, rng, overlap=(0.0, 0.3)),
        )

    def request(self, term: Term) -> None:
        """Ask for an update, in place of what is left of an earlier one."""
        self._term = term
        self.rounds_left = self.config.update_rounds

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (n, 2) of background and target for features (n, 4608)."""
        return scores_together([self], features[None])[0]

    @property
    def can_learn(self) -> bool:
        """Whether there is something to tell apart."""
        return len(self.positives) > 0 and len(self.negatives) > 0

    def sgd(self, lr: float) -> SGDConfig:
        """How this classifier learns at a learning rate."""
        config = self.config
        return SGDConfig(lr, config.lr_mult, config.momentum, config.weight_decay, config.grad_clip_norm)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Positives (p, 4608), a pool of negatives (n, 4608), and which of these were drawn before: bool (n,)."""
        config = self.config
        known = len(self.positives)
        recent = known if self._term is Term.LONG else self.positives.rows_of_last(config.short_memory)
        near, _ = self._draw(recent, config.batch_positives)
        off, again = self._draw(len(self.negatives), max(config.hard_pool, config.batch_negatives))
        return self.positives.take(near + (known - recent)), self.negatives.take(off), again

    def dropout_masks(self, count: int) -> list[torch.Tensor]:
        """Factors (count, 512) on the outputs of fc4 and fc5: 0 or 2."""
        return [2.0 * self._uniform(count, HIDDEN).ge(0.5).float() for _ in range(2)]

    def _uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=self._generator, device=self.network.device)

    def _draw(self, available: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Places (count,) without repetition while there are any, and which are repetitions."""
        order = torch.randperm(available, generator=self._generator, device=self.network.device)
        numbers = torch.arange(count, device=self.network.device)
        return order[numbers % available], numbers >= available


def _finite_rows(features: torch.Tensor) -> torch.Tensor:
    finite = features.isfinite().all(dim=1)
    return features if bool(finite.all()) else features[finite]


def scores_together(classifiers: Sequence[Classifier], features: torch.Tensor) -> torch.Tensor:
    """Logits of several targets, one batched product a layer.

    Args:
        classifiers: of T targets.
        features: (T, n, 4608).

    Returns:
        float32 (T, n, 2), of background and target.
    """
    with torch.no_grad():
        return logits(stacked([classifier.head for classifier in classifiers]), features.float())
