"""What trainings share whose student may learn from published trackers beside its labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Whole
from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.siamese import SiameseNetwork
from siam_tracker_core.training.augmentation.look_alikes import LookAlikes, put_beside
from siam_tracker_core.training.engine.frozen import FrozenFront
from siam_tracker_core.training.engine.module import Batch
from siam_tracker_core.training.engine.pair_module import Clear, PairModule, Pairs, PairTraining, cross_video_negatives
from siam_tracker_core.training.engine.rectifiers import keep_no_masks
from siam_tracker_core.training.teacher import grid_of
from siam_tracker_core.training.teaching.features import FeatureLesson, FeatureTeaching, View
from siam_tracker_core.training.teaching.lesson import Lesson, TeachingLoss, make_lesson, without_others
from siam_tracker_core.training.teaching.teachers import TEACHERS, Teacher


@dataclass(frozen=True)
class TaughtTraining(PairTraining):
    """Settings of a training on pairs that published trackers may teach.

    Attributes:
        teachers: folders of published trackers' ONNX files by name: ``nanotrack_v3``, ``fear_xs``. With none, the
            labels alone teach. An answer to a pair takes 2 and 8 ms of one core.
        look_alikes: how often another video's target stands beside the pair's own.
        frozen_front: units at the front of the backbone that never train. Their features need no gradient, and
            OpenVINO, where it is installed, computes them some twenty times faster than training does. MobileNetV2
            only.
        compile: let PyTorch compile what trains, which takes minutes once. What it gains is up to the processor: a
            step takes half of the time on one with AMX, and as long as before on another with AVX-512 alone.
        features: a lesson of the backbone's features by FEAR-XS' encoder, for which FEAR-XS has to be a teacher.
    """

    teachers: Mapping[str, str] = field(default_factory=dict)
    look_alikes: LookAlikes = field(default_factory=LookAlikes)
    frozen_front: Whole = 0
    compile: bool = False
    features: FeatureTeaching = field(default_factory=FeatureTeaching)

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.teachers) - set(TEACHERS))
        if unknown:
            raise ConfigError(f"there is no teacher {', '.join(unknown)}; known are {', '.join(TEACHERS)}")
        if self.features.weight and "fear_xs" not in self.teachers:
            raise ConfigError("features.weight asks for a lesson by FEAR-XS' encoder; name fear_xs among the teachers")


class Shown(NamedTuple):
    """A batch as student and teachers see it.

    Attributes:
        batch: with another target beside some.
        pairs: the student's views of it.
        clear: the teachers'.
        others: (N, 4), the targets beside in the search views: centre from the middle, width, height; without extent
            where there is none.
    """

    batch: Batch
    pairs: Pairs
    clear: Clear
    others: torch.Tensor


class Said(NamedTuple):
    """What a student says of a batch.

    Attributes:
        answers: of the tracker's own kind.
        exemplars, searches: the backbone's features (N, channels, h, w) of both images.
    """

    answers: tuple[torch.Tensor, ...]
    exemplars: torch.Tensor
    searches: torch.Tensor


class TaughtModule(PairModule):
    """Base of trainings that published trackers may teach; a batch has ``loose`` bool (N,) beside ``PairModule``'s.

    Args:
        network: to train.
        recipe: settings.
        bank: objects to paste; None pastes nothing.

    Attributes:
        teachers: that are asked about each pair; none where the labels teach alone.

    Raises:
        WeightsError: if a teacher's files are missing or damaged.
    """

    recipe: TaughtTraining
    network: SiameseNetwork

    def __init__(self, network: SiameseNetwork, recipe: TaughtTraining, bank: torch.Tensor | None = None) -> None:
        super().__init__(network, recipe, bank)
        # In tuples, as modules are no part of what is trained, averaged and saved.
        self.teachers: tuple[Teacher, ...] = tuple(
            TEACHERS[name](Path(folder)) for name, folder in recipe.teachers.items()
        )
        if recipe.compile:
            keep_no_masks(network)
            channels_last(network)
        self._front = (FrozenFront(network.backbone, recipe.frozen_front),) if recipe.frozen_front else ()
        self._rest = (torch.compile(self._say) if recipe.compile else self._say,)
        self.feature_lesson = self._feature_lesson() if recipe.features.weight else None

    def _feature_lesson(self) -> FeatureLesson:
        recipe, backbone = self.recipe, self.network.backbone
        sizes = recipe.exemplar_size, recipe.search_size
        self._grids = tuple(grid_of(backbone, size) for size in sizes)
        return FeatureLesson(Path(recipe.teachers["fear_xs"]), backbone.out_channels, recipe.features)

    def run(self, pairs: Pairs) -> Said:
        """What the network says of a batch."""
        exemplars, searches = pairs.exemplars, pairs.searches
        for front in self._front:
            exemplars, searches = front(exemplars), front(searches)
        return self._rest[0](exemplars, searches)

    def _say(self, exemplars: torch.Tensor, searches: torch.Tensor) -> Said:
        """The same of images, or of what the frozen front made of them."""
        exemplars, searches = self._features(exemplars), self._features(searches)
        return Said(self.answers(exemplars, searches), exemplars, searches)

    @abstractmethod
    def answers(self, exemplars: torch.Tensor, searches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the network says of pairs of the backbone's features."""

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        backbone = self.network.backbone
        if not self._front:
            return backbone(images)  # type: ignore[no-any-return]
        for unit in backbone.units()[self.recipe.frozen_front :]:
            images = unit(images)
        return images

    def show(self, batch: Batch, generator: torch.Generator) -> Shown:
        """Random views of a batch, with another video's target beside some of its own."""
        with torch.autocast(batch["search"].device.type, enabled=False):
            beside = put_beside(batch, self.recipe.look_alikes, generator)
            batch = {**batch, "search": beside.searches}
            pairs, clear = self.look(batch, generator)
            return Shown(batch, pairs, clear, clear.search_views.place(beside.boxes))

    def teach(self, shown: Shown, points: torch.Tensor, settings: TeachingLoss) -> Lesson:
        """What a student is to say of a batch.

        Args:
            shown: the batch.
            points: (rows, columns, 2), of the student's cells in pixels from the search views' middles.
            settings: of the lesson.
        """
        pairs = shown.pairs
        with torch.autocast(points.device.type, enabled=False):
            answers = [teacher.answer(shown.batch, shown.clear, points) for teacher in self.teachers]
            lesson = make_lesson(answers, pairs.boxes, pairs.negative, shown.batch["loose"], points, settings)
            return without_others(lesson, pairs.boxes, shown.others, points)

    def taught_features(self, values: dict[str, torch.Tensor], shown: Shown, said: Said) -> dict[str, torch.Tensor]:
        """Losses with that of the lesson of features, where there is one."""
        if self.feature_lesson is None:
            return values
        with torch.autocast(said.searches.device.type, enabled=False):
            clear, (small, large) = shown.clear, self._grids
            views = View(clear.exemplars, said.exemplars, small), View(clear.searches, said.searches, large)
            loss = self.feature_lesson(views, self.global_step)
        return {**values, "loss": values["loss"] + self.recipe.features.weight * loss, "features": loss.detach()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups = super().parameter_groups()
        if self.feature_lesson is not None:
            groups.append({"params": list(self.feature_lesson.parameters()), "lr": self.recipe.features.rate})
        return groups

    @staticmethod
    def strangers(shown: Shown) -> torch.Tensor:
        """Bool (N,), where the search image of the sample before cannot show a sample's target.

        See ``cross_video_negatives``; what stands beside the target there is the exemplar of two samples before.
        """
        track: torch.Tensor = shown.batch["track"]
        beside = shown.others[:, 2].roll(1) > 0
        return cross_video_negatives(shown.batch) & ~(beside & (track == track.roll(2)))

    def settings(self) -> dict[str, Any]:
        # Where the teachers' files lay is nobody's affair.
        return {**super().settings(), "teachers": [teacher.name for teacher in self.teachers]}
