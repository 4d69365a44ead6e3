"""A made VOT data set whose frames say which they are, and a tracker that follows a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from siam_tracker_core.geometry import Box

SIZE = (160, 120)  # width, height


def truth_boxes(identity: int, count: int) -> np.ndarray:
    """Whole pixels, now and then partly outside the image."""
    frame = np.arange(count)
    x = 60 + np.round(70 * np.sin(frame / 17 + identity))
    y = 45 + np.round(40 * np.cos(frame / 23 + 2 * identity))
    return np.stack([x, y, 30 + frame % 7, 25 + frame % 5], axis=1).astype(float)


def frame_image(identity: int, frame: int) -> np.ndarray:
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[:] = (frame, identity, 0)
    return image


def rotated(boxes: np.ndarray) -> np.ndarray:
    """Rectangles of the boxes' sizes and centres, turned a little more in every frame: (N, 4, 2)."""
    angle = np.arange(len(boxes)) / 9
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    corners = signs[None] * boxes[:, None, 2:]
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = np.stack(
        [cosine * corners[..., 0] - sine * corners[..., 1], sine * corners[..., 0] + cosine * corners[..., 1]], axis=-1
    )
    return turned + (boxes[:, :2] + boxes[:, 2:] / 2)[:, None]


def write_lines(path: Path, regions: Sequence[np.ndarray]) -> None:
    path.write_text("".join(",".join(f"{value:g}" for value in np.ravel(region)) + "\n" for region in regions))


def write_vot(
    root: Path,
    lengths: Mapping[str, int],
    polygons: bool = False,
    tags: Mapping[str, Callable[[int], bool]] | None = None,
) -> Path:
    """Sequences in vot-toolkit's form; the n-th one's frames carry n in green and their number in blue."""
    for identity, (name, count) in enumerate(lengths.items()):
        folder = root / name
        (folder / "color").mkdir(parents=True)
        for frame in range(count):
            cv2.imwrite(str(folder / "color" / f"{frame + 1:08d}.png"), frame_image(identity, frame))
        (folder / "sequence").write_text("channels.color=color/%08d.png\nfps=25\nname=made\n")
        boxes = truth_boxes(identity, count)
        write_lines(folder / "groundtruth.txt", rotated(boxes) if polygons else boxes)
        for tag, marked in (tags or {}).items():
            (folder / f"{tag}.tag").write_text("".join(f"{int(marked(frame))}\n" for frame in range(count)))
    (root / "list.txt").write_text("".join(f"{name}\n" for name in lengths))
    return root


class Clock:
    """Stands still but for what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """Says of each frame what the script says, and takes the time that the script says.

    Args:
        script: (sequence's number, frame) -> x, y, width, height, or None for no answer.
        seconds: frame -> time that it takes, if there is a clock to set forward.
    """

    name = "scripted"

    def __init__(
        self,
        script: Callable[[int, int], object],
        clock: Clock | None = None,
        seconds: Callable[[int], float] = lambda frame: 0.01,
    ) -> None:
        self.script, self.clock, self.seconds = script, clock, seconds
        self.inits: list[tuple[int, int, Box]] = []
        self.updates: list[tuple[int, int]] = []

    def _look(self, image: np.ndarray) -> tuple[int, int]:
        frame, identity, _ = (int(value) for value in image[0, 0])
        if self.clock is not None:
            self.clock.now += self.seconds(frame)
        return identity, frame

    def init(self, image: np.ndarray, box: Box) -> None:
        self.inits.append((*self._look(image), box))

    def update(self, image: np.ndarray) -> object:
        seen = self._look(image)
        self.updates.append(seen)
        return self.script(*seen)


def failing_script(period: int = 37) -> Callable[[int, int], np.ndarray]:
    """Whole pixels near the truth, and, but for the first sequence, far from it in every ``period``-th frame."""

    def script(identity: int, frame: int) -> np.ndarray:
        box = truth_boxes(identity, frame + 1)[frame]
        if identity > 0 and (frame + 13 * identity) % period == period - 1:
            return np.array([400.0, 400.0, 20.0, 20.0])
        shift = np.array([frame * 7 % 11 - 5, frame * 5 % 9 - 4, frame % 4, -(frame % 3)])
        return box + shift

    return script
