"""Synthetic clips with exact boxes: cut-out objects that move over photographs.

Layout::

    cutouts/*.png           objects with alpha, one a file
    photographs/*.jpg       backgrounds: JPEG, PNG or BMP, in any number of folders

Nothing is stored: a clip is drawn by chance from ``(seed, number of the clip)``, and a frame is a function of the clip
and its index alone, so that any process renders the same pixels in any order. In a clip one object moves, turns and
grows along sums of sines over a photograph that is panned; in some clips the photograph is replaced by another at one
frame, while the object goes on (what stays is the target, not what surrounds it); in some another object passes in
front of it.

The object never leaves the picture. Its box encloses the pixels of which it covers more than half (alpha over 0.5),
whether or not another object hides them; its visibility is the share of these pixels that are not hidden.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.composed_scene import TAU, Backdrop, Flight, Scene, Wave, pan_margins, read_cut_out
from siam_tracker_core.datasets.images import IMAGE_SUFFIXES
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.files import naturally

# An object whose longer side, at its largest, is this share of the picture's shorter side can turn without leaving it.
_LARGEST = 0.5


@dataclass(frozen=True)
class ComposedConfig:
    """How clips are drawn.

    Attributes:
        clips: how many.
        frames: in each clip, at 30 Hz.
        width, height: of the pictures in pixels.
        seed: of the draw.
        smallest, largest: range of the object's longer side as a share of the picture's shorter side; an object is
            never shown larger than its file.
        cuts: share of the clips in which the photograph is replaced.
        occlusions: share of the clips in which another object passes in front.
    """

    clips: int = 1000
    frames: int = 60
    width: int = 640
    height: int = 480
    seed: int = 0
    smallest: float = 0.1
    largest: float = 0.4
    cuts: float = 0.3
    occlusions: float = 0.4

    def __post_init__(self) -> None:
        if self.clips < 1 or self.frames < 2:
            raise ConfigError(
                f"{self.clips} clips of {self.frames} frames are impossible; give 1 or more, of 2 or more"
            )
        if min(self.width, self.height) < 64:
            raise ConfigError(f"composed pictures of {self.width}x{self.height} are too small; give at least 64x64")
        if not 0 < self.smallest <= self.largest <= _LARGEST:
            raise ConfigError(
                f"objects from {self.smallest} to {self.largest} of the picture are impossible; "
                f"give 0 < smallest <= largest <= {_LARGEST}"
            )
        for name in ("cuts", "occlusions"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share of the clips, 0..1; got {getattr(self, name)}")


@dataclass(frozen=True)
class ComposedClip(Sequence):
    """A sequence whose images are rendered when they are asked for.

    ``frames`` names the photograph behind each frame; only ``image`` gives the picture.

    Attributes:
        scene: what is drawn.
        first: the scene's frame that is this sequence's frame 0.
    """

    scene: Scene = None  # type: ignore[assignment]
    first: int = 0

    def image(self, index: int) -> NDArray[np.uint8]:
        """Frame ``index`` as uint8 (H, W, 3) BGR.

        Raises:
            DatasetError: if the photograph or a cut-out cannot be read any more.
        """
        return self.scene.render(self.first + range(len(self))[index])

    def part(self, start: int, stop: int) -> ComposedClip:
        """The frames from ``start`` up to, and without, ``stop`` as a sequence of its own."""
        first = self.first + range(len(self))[start:stop].start
        return replace(super().part(start, stop), first=first)  # type: ignore[return-value,call-arg]


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[ComposedClip]:
    """The clips of the default ``ComposedConfig``; see ``compose``."""
    return compose(root, ComposedConfig(), skipped)


def compose(root: Path, config: ComposedConfig, skipped: Skipped) -> Iterator[ComposedClip]:
    """Clips over the cut-outs and photographs of a folder, one after the other.

    A clip's name is ``number/cut-out``. No photograph is opened here; cut-outs are, since the boxes follow from them.

    Args:
        root: holds ``cutouts/`` and ``photographs/``.
        config: how clips are drawn.
        skipped: collects cut-outs that cannot be read, have no alpha, or are smaller than 16 pixels.

    Raises:
        DatasetError: if a folder is missing or empty, or no cut-out can be used.
    """
    cutouts = _files(root / "cutouts", frozenset({".png"}), "PNG files with alpha")
    photographs = _files(root / "photographs", IMAGE_SUFFIXES, "photographs for backgrounds")
    usable = _Usable(cutouts, skipped)
    for number in range(config.clips):
        rng = np.random.default_rng((config.seed, number))
        scene = _drawn(rng, config, usable, photographs)
        truths = [scene.truth(index) for index in range(config.frames)]
        yield ComposedClip(
            name=f"{number:06d}/{scene.target.path.stem}",
            frames=tuple(scene.backdrop(index).path for index in range(config.frames)),
            boxes=np.stack([box for box, _ in truths]),
            visibility=np.array([seen for _, seen in truths]),
            scene=scene,
        )


class _Usable:
    """Draws cut-outs that can be used, and remembers those that cannot."""

    def __init__(self, paths: list[Path], skipped: Skipped) -> None:
        self._paths, self._skipped = paths, skipped
        self._sides: dict[Path, int | None] = {}

    def draw(self, rng: np.random.Generator) -> tuple[Path, int]:
        """A cut-out and its longer side in pixels; the same one for the same generator, whatever was drawn before.

        Raises:
            DatasetError: if there is none that can be used.
        """
        while True:
            path = self._paths[rng.integers(len(self._paths))]
            if path not in self._sides:
                self._sides[path] = self._side(path)
            side = self._sides[path]
            if side is not None:
                return path, side
            if len(self._sides) == len(self._paths) and not any(self._sides.values()):
                raise DatasetError(f"no cut-out can be used: {'; '.join(self._skipped.lines())}")

    def _side(self, path: Path) -> int | None:
        try:
            return max(read_cut_out(path).shape[:2])
        except DatasetError as error:
            self._skipped.add("cut-out that cannot be used", error)
            return None


def _drawn(rng: np.random.Generator, config: ComposedConfig, usable: _Usable, photographs: list[Path]) -> Scene:
    """One scene; every number is drawn in every clip, so that the shares do not change what else is drawn."""
    shorter = min(config.width, config.height)
    path, side = usable.draw(rng)
    wanted = shorter * math.exp(rng.uniform(math.log(config.smallest), math.log(config.largest)))
    longest = max(1, min(side, round(wanted)))
    margin = longest * math.sqrt(0.5) + 1  # half the diagonal of the largest rectangle with this longer side
    target = Flight(
        path,
        longest,
        Wave.drawn(rng, config.width / 2, config.width / 2 - margin),
        Wave.drawn(rng, config.height / 2, config.height / 2 - margin),
        Wave.drawn(rng, -0.25, 0.25),
        Wave.drawn(rng, rng.uniform(-0.3, 0.3), rng.uniform(0, 0.5)),
    )
    occluder = _passing(rng, config, usable, target)
    pan_x, pan_y = (0.5 * length for length in pan_margins(config.width, config.height))
    chosen = rng.integers(len(photographs), size=2)
    backdrops = tuple(
        Backdrop(photographs[number], Wave.drawn(rng, 0, pan_x), Wave.drawn(rng, 0, pan_y)) for number in chosen
    )
    cut = int(rng.integers(config.frames // 4, config.frames - config.frames // 4))
    is_cut, is_occluded = rng.random(2) < (config.cuts, config.occlusions)
    return Scene(
        config.width,
        config.height,
        target,
        occluder if is_occluded else None,
        backdrops if is_cut else backdrops[:1],
        max(1, cut),
    )


def _passing(rng: np.random.Generator, config: ComposedConfig, usable: _Usable, target: Flight) -> Flight:
    """Another object that meets the target in one frame and has passed it half a second to two seconds later."""
    path, side = usable.draw(rng)
    longest = max(1, min(side, round(target.longest * rng.uniform(0.6, 1.4))))
    direction, duration = rng.uniform(0, TAU), rng.uniform(15, 60)
    speed = (target.longest + longest) / 2 / duration
    return Flight(
        path,
        longest,
        target.x,
        target.y,
        Wave.drawn(rng, -0.1, 0.1),
        Wave.drawn(rng, rng.uniform(-0.3, 0.3), 0.2),
        velocity=(speed * math.cos(direction), speed * math.sin(direction)),
        meeting=int(rng.integers(config.frames)),
    )


def _files(folder: Path, suffixes: frozenset[str], what: str) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected {what} in it")
    paths = naturally(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not paths:
        raise DatasetError(f"{folder} holds no file; expected {what} ({', '.join(sorted(suffixes))})")
    return paths
