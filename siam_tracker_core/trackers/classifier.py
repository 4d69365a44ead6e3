"""The classifier of one target that learns online (MDNet section 4), shared by MDNet and the cascaded tracker.

The convolutions are frozen and common to all targets; each target has its own fc4 to fc6. Features are kept in memory,
so that no patch goes through the convolutions twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box
from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.inference import inference_dtype
from siam_tracker_core.networks.mdnet import CONTEXT, CROP_SIZE, FEATURES, HIDDEN, MDNet
from siam_tracker_core.trackers.candidates import Boxes, Samples, Spread, draw
from siam_tracker_core.trackers.heads import Descent, Head, logits, stacked
from siam_tracker_core.trackers.learning import Learner, Term, run_rounds
from siam_tracker_core.trackers.memory import FrameMemory

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]

# How training boxes are spread (HyeonseobNam/py-MDNet:tracking/options.yaml).
POSITIVES = Spread("gaussian", 0.1, 1.3)
FIRST_NEGATIVES = (Spread("uniform", 1.0, 1.6), Spread("whole", 0.0, 1.6))
NEGATIVES = Spread("uniform", 2.0, 1.3)

# Patches that a CPU takes through the convolutions at once: the features of more of them leave its caches.
CPU_BATCH = 16
GPU_BATCH = 2048


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of the classifier; defaults are those of HyeonseobNam/py-MDNet:tracking/options.yaml.

    Attributes:
        init_positives: boxes of the first frame that overlap the target by at least 0.7.
        init_negatives: boxes of the first frame that overlap it by at most 0.5, half of them near, half anywhere.
        init_rate: learning rate at the first frame; the MATLAB version takes 1e-4.
        init_rounds: rounds of learning at the first frame; the MATLAB version takes 30.
        update_positives: boxes of a later frame that overlap the target by at least 0.7.
        update_negatives: boxes of a later frame that overlap it by at most 0.3.
        update_rate: learning rate of updates; the MATLAB version takes 3e-4.
        update_rounds: rounds of an update; the MATLAB version takes 10.
        last_factor: on the rate of fc6.
        momentum: of the descent.
        weight_decay: on all that learns.
        clip: largest norm of the gradient; 0 clips nothing.
        batch_positives: positives in a round.
        batch_negatives: negatives in a round, the hardest of a pool.
        hard_pool: negatives in that pool.
        long_memory: frames whose positives are remembered.
        short_memory: frames whose negatives are remembered, and whose positives a short-term update takes; the MATLAB
            version has 20.
        budget: most rounds of updates in a frame; the rest goes on in the frames after. 0: no limit.
        learning: ``same`` learns before a frame's result is handed out, ``worker`` after it; the boxes are the same.
        seed: of everything random.
    """

    init_positives: Count = 500
    init_negatives: Count = 5000
    init_rate: Positive = 5e-4
    init_rounds: Whole = 50
    update_positives: Count = 50
    update_negatives: Count = 200
    update_rate: Positive = 1e-3
    update_rounds: Whole = 15
    last_factor: Positive = 10.0
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    weight_decay: NotNegative = 5e-4
    clip: NotNegative = 10.0
    batch_positives: Count = 32
    batch_negatives: Count = 96
    hard_pool: Count = 1024
    long_memory: Count = 100
    short_memory: Count = 30
    budget: Whole = 0
    learning: Literal["same", "worker"] = "same"
    seed: Whole = 0

    __pydantic_config__ = STRICT


class PatchNetwork:
    """The frozen convolutions, and all else that the targets of one tracker share.

    Args:
        network: with its weights; it is taken over, put on ``device`` and made ready for inference. Its fc6 are not
            looked at.
        config: of the classifiers.
        device: where to run.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``; the last layers are always float32.

    Attributes:
        dtype: in which the convolutions compute, and features are kept.
        learner: lets the targets learn.
    """

    def __init__(self, network: MDNet, config: ClassifierConfig, device: torch.device, precision: str = "auto") -> None:
        self.config, self.device = config, device
        self.dtype = inference_dtype(device, precision)
        self.network = network.eval().requires_grad_(False)
        channels_last(self.network).to(device)
        self.network.backbone.to(self.dtype)
        self.batch = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        self.learner = Learner(self, config.learning == "worker", config.budget)

    def patches(self, frame: Frame, boxes: Boxes) -> torch.Tensor:
        """What is in boxes and 16 pixels around it, float32 (n, 3, 107, 107) BGR; continued with the mean colour.

        Args:
            frame: where they are.
            boxes: (n, 4) of ``x, y, width, height`` in pixels.
        """
        with torch.no_grad():
            return frame.patches(with_margin(boxes), CROP_SIZE)

    def features(self, patches: torch.Tensor) -> torch.Tensor:
        """Features (n, 4608) of BGR patches (n, 3, 107, 107), in ``dtype``."""
        with torch.no_grad():
            parts = [
                self.network.features(part.to(self.dtype).flip(1).contiguous(memory_format=torch.channels_last))
                for part in patches.split(self.batch)
            ]
            return torch.cat(parts) if parts else torch.empty(0, FEATURES, dtype=self.dtype, device=self.device)

    def look(self, frame: Frame, boxes: Boxes) -> torch.Tensor:
        """Features (n, 4608) of what is in boxes, see ``patches``; not all patches are held at once."""
        parts = np.split(boxes, range(GPU_BATCH, len(boxes), GPU_BATCH))
        return torch.cat([self.features(self.patches(frame, part)) for part in parts])


def with_margin(boxes: Boxes) -> Boxes:
    """Boxes (n, 4) enlarged around their centres, so that a patch of 107 pixels has 16 around the box."""
    sizes = boxes[:, 2:] * CONTEXT
    return np.concatenate([boxes[:, :2] - (sizes - boxes[:, 2:]) / 2, sizes], axis=1)


class Classifier:
    """Tells one target from everything else, and learns.

    Args:
        network: what the targets share.
        seed: of everything random; the configuration's where none is given.

    Attributes:
        head: the target's own layers.
        rng: the target's own generator, for drawing boxes.
        positives, negatives: features that are remembered.
        rounds_left: of the updates that have been asked for.
    """

    def __init__(self, network: PatchNetwork, seed: int | None = None) -> None:
        self.network, self.config = network, network.config
        seed = self.config.seed if seed is None else seed
        self.rng = np.random.default_rng(seed)
        self.rounds_left = 0
        self._term = Term.LONG
        self._generator = torch.Generator(network.device).manual_seed(seed)
        config = self.config
        # Tensors that are made in inference mode could not be learned from.
        with torch.inference_mode(False):
            self.head = Head(network.network, torch.Generator().manual_seed(seed), network.device)
            later = (config.long_memory - 1) * config.update_positives
            self.positives = self._memory(config.long_memory, config.init_positives + later)
            self.negatives = self._memory(config.short_memory, config.short_memory * config.update_negatives)

    def _memory(self, frames: int, rows: int) -> FrameMemory:
        return FrameMemory(frames, rows, FEATURES, self.network.dtype, self.network.device)

    def start(self, frame: Frame, box: Box, image_size: tuple[int, int]) -> None:
        """Learn a target from its first frame.

        All of the frame's negatives teach now, and as many as of any other frame are remembered.

        Args:
            frame: in which it is.
            box: its own.
            image_size: width and height of the frame in pixels.
        """
        config = self.config
        near = draw(POSITIVES, box, config.init_positives, image_size, self.rng, overlap=(0.7, 1.0))
        shares = (config.init_negatives - config.init_negatives // 2, config.init_negatives // 2)
        off = [
            draw(spread, box, count, image_size, self.rng, overlap=(0.0, 0.5))
            for spread, count in zip(FIRST_NEGATIVES, shares, strict=True)
        ]
        with torch.inference_mode(False):
            features = self.network.look(frame, np.concatenate([near, *off]))
            positives, negatives = features[: len(near)], features[len(near) :]
            lasting, self.negatives = self.negatives, self._memory(1, max(1, len(negatives)))
            self.remember(positives, negatives)
            if self.can_learn:
                run_rounds([self], config.init_rounds, self.descent(config.init_rate))
            kept = torch.from_numpy(self.rng.permutation(len(negatives))[: config.update_negatives])
            self.negatives = lasting
            self.negatives.push(negatives[kept.to(negatives.device)])

    def samples(self, box: Box, image_size: tuple[int, int]) -> Samples:
        """Boxes of an update, around the box in which the target was found."""
        config = self.config
        return Samples(
            draw(POSITIVES, box, config.update_positives, image_size, self.rng, overlap=(0.7, 1.0)),
            draw(NEGATIVES, box, config.update_negatives, image_size, self.rng, overlap=(0.0, 0.3)),
        )

    def remember(self, positives: torch.Tensor, negatives: torch.Tensor) -> None:
        """Keep the features (p, 4608) and (n, 4608) of a frame; the oldest frame's leave."""
        self.positives.push(positives)
        self.negatives.push(negatives)

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

    def descent(self, rate: float) -> Descent:
        """How this classifier learns at a rate."""
        config = self.config
        return Descent(rate, config.last_factor, config.momentum, config.weight_decay, config.clip)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Positives (p, 4608), a pool of negatives (n, 4608), and which of these were drawn before: bool (n,)."""
        config = self.config
        known = len(self.positives)
        recent = known if self._term is Term.LONG else self.positives.rows_of_last(config.short_memory)
        near, _ = self._draw(recent, config.batch_positives)
        off, again = self._draw(len(self.negatives), max(config.hard_pool, config.batch_negatives))
        return self.positives.take(near + (known - recent)), self.negatives.take(off), again

    def dropout(self, count: int) -> list[torch.Tensor]:
        """Factors (count, 512) on the outputs of fc4 and fc5: 0 or 2."""
        return [2.0 * self._uniform(count, HIDDEN).ge(0.5).float() for _ in range(2)]

    def _uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=self._generator, device=self.network.device)

    def _draw(self, available: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Places (count,) without repetition while there are any, and which are repetitions."""
        order = torch.randperm(available, generator=self._generator, device=self.network.device)
        numbers = torch.arange(count, device=self.network.device)
        return order[numbers % available], numbers >= available


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
