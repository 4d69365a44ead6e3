"""Made sequences: a photographed object over a photographed background, with ground truth that is exact.

The pictures are scikit-image's, all in the public domain and shipped inside its wheel: a cat's face, cut out as an
ellipse, moves, scales and rotates over a meadow. An ellipse under such a motion has its bounding box in closed
form, so the ground truth is exact to less than a pixel's fraction and needs no annotator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.otb_form import GROUND_TRUTH
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box

BgrImage = NDArray[np.uint8]
FloatImage = NDArray[np.float32]

RATE = 30.0
PERIOD = 150  # frames of one round of the demo path

# The face in the cat's picture, in its pixels.
_FACE_CENTRE = (205.0, 150.0)
_FACE_AXES = (155.0, 140.0)
# Everything below is laid out for 640x480 and scaled to the size that is asked for.
_LAYOUT = (640, 480)
_TARGET_AXIS = 46.0
_NOISE = 2.0


@dataclass(frozen=True)
class Pose:
    """Where an ellipse is: its centre in pixels, its semi-axes in pixels, its angle in radians."""

    centre_x: float
    centre_y: float
    axis_x: float
    axis_y: float
    angle: float

    @property
    def box(self) -> Box:
        """The axis-aligned bounding box of the ellipse, exact."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        half_width = math.hypot(self.axis_x * cosine, self.axis_y * sine)
        half_height = math.hypot(self.axis_x * sine, self.axis_y * cosine)
        return Box.from_centre(self.centre_x, self.centre_y, 2 * half_width, 2 * half_height)

    def inside(self, image_width: int, image_height: int) -> FloatImage:
        """Coverage of each pixel by the ellipse: float32 (H, W) in 0..1, with an edge one pixel wide."""
        x = np.arange(image_width, dtype=np.float32)[None, :] + 0.5 - self.centre_x
        y = np.arange(image_height, dtype=np.float32)[:, None] + 0.5 - self.centre_y
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        u = (cosine * x + sine * y) / self.axis_x
        v = (cosine * y - sine * x) / self.axis_y
        radius = np.sqrt(u * u + v * v)
        # First-order distance to the edge in pixels: (radius - 1) over the length of its gradient.
        slope = np.sqrt((u / self.axis_x) ** 2 + (v / self.axis_y) ** 2) / np.maximum(radius, 1e-6)
        return np.clip(0.5 + (1 - radius) / np.maximum(slope, 1e-9), 0, 1).astype(np.float32)


@dataclass(frozen=True)
class MadeSequence:
    """A made video with its ground truth.

    Attributes:
        name: the kind that was asked for.
        frames: uint8 (H, W, 3) BGR images.
        boxes: float64 (len(frames), 4), ``x, y, width, height`` in zero-based pixels: the whole object, including what
            is hidden or outside the picture; a row of NaN where no part of it can be seen.
        rate: frames per second.
    """

    name: str
    frames: list[BgrImage]
    boxes: NDArray[np.float64]
    rate: float = RATE

    def __len__(self) -> int:
        return len(self.frames)

    def write_otb_form(self, folder: str | Path) -> Path:
        """Write ``img/0001.png ...`` and a one-based ``groundtruth_rect.txt`` into a new or empty folder.

        Raises:
            DatasetError: if the folder holds something already.
        """
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise DatasetError(f"{folder} is not empty; give a new folder for the sequence")
        (folder / "img").mkdir(parents=True)
        for number, frame in enumerate(self.frames, start=1):
            cv2.imwrite(str(folder / "img" / f"{number:04d}.png"), frame)
        rows = self.boxes + np.array([1.0, 1.0, 0.0, 0.0])  # one-based
        (folder / GROUND_TRUTH).write_text("".join(",".join(f"{v:.4f}" for v in row) + "\n" for row in rows))
        return folder


def made_sequence(
    kind: Literal["demo", "leaves"] = "demo",
    frames: int = PERIOD,
    size: tuple[int, int] = _LAYOUT,
    seed: int = 0,
) -> MadeSequence:
    """Make a sequence; the same arguments give the same pixels.

    Args:
        kind: ``"demo"``: the object goes round in 150 frames, behind a brick pillar around frame 37 (in part, then
            wholly for a few frames), growing, shrinking and turning all the while, and meets a look-alike around frame
            112. ``"leaves"``: it leaves the picture on the right around frame 52, stays away for 40 frames and comes
            back where it left.
        frames: how many, at 30 Hz; a shorter sequence is the beginning of a longer one.
        size: width and height of the images in pixels.
        seed: of the noise, the background's part and the phase of turning and scaling.

    Raises:
        DatasetError: for an unknown kind, less than one frame, or a side under 64 pixels.
    """
    if kind not in ("demo", "leaves"):
        raise DatasetError(f"there is no made sequence {kind!r}; expected 'demo' or 'leaves'")
    if frames < 1:
        raise DatasetError(f"a made sequence of {frames} frames is impossible; give at least 1")
    if min(size) < 64:
        raise DatasetError(f"a made sequence of {size[0]}x{size[1]} pixels is too small; give at least 64x64")
    scene = _Scene(kind, size, seed)
    made = [scene.frame(index) for index in range(frames)]
    return MadeSequence(kind, [image for image, _ in made], np.stack([box for _, box in made]))


class _Scene:
    """One staging: what is where in each frame, and how it looks."""

    def __init__(self, kind: str, size: tuple[int, int], seed: int) -> None:
        self._width, self._height = size
        self._demo = kind == "demo"
        self._scale = min(size[0] / _LAYOUT[0], size[1] / _LAYOUT[1])
        rng = np.random.default_rng(seed)
        self._phase = rng.uniform(0, 2 * math.pi, 3)
        margin = round(40 * self._scale)
        self._sway = margin / 2
        self._background = _covering(_picture("grass"), self._width + 2 * margin, self._height + 2 * margin)
        self._cat = _cut_out()
        self._look_alike = _other_coat(self._cat)
        self._bricks = _picture("brick")
        shape = (self._height + 32, self._width + 32, 3)
        self._noise = rng.normal(0, _NOISE, shape).astype(np.float32)
        self._noise_offsets = rng.integers(0, 33, (997, 2))

    def frame(self, index: int) -> tuple[BgrImage, NDArray[np.float64]]:
        """The image and the target's box in one frame."""
        shift = (self._sway * math.sin(index / 40), self._sway * 0.6 * math.sin(index / 27 + 1))
        canvas = self._view(shift)
        pose = self._target(index)
        if self._demo:
            self._paint(canvas, self._look_alike, self._second(index))
        self._paint(canvas, self._cat, pose)
        pillar = self._pillar(shift) if self._demo else None
        if pillar is not None:
            self._build(canvas, pillar)
        dx, dy = self._noise_offsets[index % len(self._noise_offsets)]
        canvas += self._noise[dy : dy + self._height, dx : dx + self._width]
        image = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
        box = pose.box
        return image, np.full(4, np.nan) if self._hidden(box, pillar) else box.to_array()

    def _target(self, index: int) -> Pose:
        turn = 2 * math.pi * index / PERIOD
        if self._demo:
            x, y = 320 - 215 * math.cos(turn), 240 - 90 * math.sin(turn)
        else:
            x, y = 320 + 400 * _away(index), 240 + 40 * math.sin(2 * turn)
        growth = 1 + 0.22 * math.sin(3 * turn + self._phase[0])
        angle = 0.35 * math.sin(2 * turn + self._phase[1])
        return self._pose(x, y, growth, angle)

    def _second(self, index: int) -> Pose:
        """The look-alike walks along the bottom against the target's direction, and passes close below it."""
        turn = 2 * math.pi * index / PERIOD
        return self._pose(320 - 215 * math.cos(turn + math.pi), 425, 0.95, 0.2 * math.sin(turn + self._phase[2]))

    def _pose(self, x: float, y: float, growth: float, angle: float) -> Pose:
        axis = _TARGET_AXIS * self._scale * growth
        across, down = self._width / _LAYOUT[0], self._height / _LAYOUT[1]
        return Pose(x * across, y * down, axis, axis * _FACE_AXES[1] / _FACE_AXES[0], angle)

    def _pillar(self, shift: tuple[float, float]) -> tuple[int, int]:
        """Left and right edge of the pillar in whole pixels; it hangs from the top and stands in the scene."""
        half = 80 * self._scale
        centre = self._width / 2 - shift[0]
        return round(centre - half), round(centre + half)

    @property
    def _pillar_bottom(self) -> int:
        return round(245 * self._height / _LAYOUT[1])

    def _hidden(self, box: Box, pillar: tuple[int, int] | None) -> bool:
        visible = box.clipped(self._width, self._height)
        outside = visible.width <= 0 or visible.height <= 0
        if pillar is None:
            return outside
        # An ellipse lies inside an upright rectangle exactly if its bounding box does.
        behind = pillar[0] <= box.x and box.right <= pillar[1] and box.bottom <= self._pillar_bottom
        return outside or behind

    def _view(self, shift: tuple[float, float]) -> FloatImage:
        """The camera's part of the background, sub-pixel."""
        rows, columns = self._background.shape[:2]
        left = (columns - self._width) / 2 + shift[0]
        top = (rows - self._height) / 2 + shift[1]
        matrix = np.array([[1, 0, left], [0, 1, top]], dtype=np.float64)
        size = (self._width, self._height)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        view = cv2.warpAffine(self._background, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
        return view.astype(np.float32)

    def _paint(self, canvas: FloatImage, texture: BgrImage, pose: Pose) -> None:
        """Draw a texture, whose inscribed ellipse becomes the pose's, over the canvas."""
        rows, columns = texture.shape[:2]
        around = pose.box
        left, top = max(0, math.floor(around.x) - 2), max(0, math.floor(around.y) - 2)
        right = min(self._width, math.ceil(around.right) + 2)
        bottom = min(self._height, math.ceil(around.bottom) + 2)
        if right <= left or bottom <= top:
            return
        local = replace(pose, centre_x=pose.centre_x - left, centre_y=pose.centre_y - top)
        cosine, sine = math.cos(pose.angle), math.sin(pose.angle)
        scale_x, scale_y = 2 * pose.axis_x / columns, 2 * pose.axis_y / rows
        linear = np.array([[cosine * scale_x, -sine * scale_y], [sine * scale_x, cosine * scale_y]])
        # OpenCV counts from pixel centres: half a pixel less than image coordinates, on both sides.
        middle = np.array([columns / 2 - 0.5, rows / 2 - 0.5])
        offset = np.array([local.centre_x - 0.5, local.centre_y - 0.5]) - linear @ middle
        matrix = np.hstack([linear, offset[:, None]])
        size = (right - left, bottom - top)
        drawn = cv2.warpAffine(texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        part = canvas[top:bottom, left:right]
        part += local.inside(*size)[..., None] * (drawn.astype(np.float32) - part)

    def _build(self, canvas: FloatImage, pillar: tuple[int, int]) -> None:
        bottom, width = self._pillar_bottom, pillar[1] - pillar[0]
        wall = cv2.resize(self._bricks, (width, max(1, bottom)), interpolation=cv2.INTER_AREA)
        left, right = max(0, pillar[0]), min(self._width, pillar[1])
        if right > left:
            canvas[:bottom, left:right] = wall[:, left - pillar[0] : right - pillar[0]]


def _away(index: int) -> float:
    """How far the target is on its way out of the picture, 0..1: out in 50 frames, away for 25, back in 50."""
    position = index % PERIOD
    share = min(max((position - 10) / 50, 0.0), 1.0) - min(max((position - 85) / 50, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _picture(name: str) -> BgrImage:
    """One of scikit-image's pictures as uint8 BGR.

    Raises:
        DatasetError: if scikit-image is not installed, or its copy lacks the picture.
    """
    try:
        from skimage import data  # only made sequences need it
    except ImportError:
        raise DatasetError("made sequences need the pictures of scikit-image; pip install scikit-image") from None
    path = Path(data.data_dir) / f"{name}.png"
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path} cannot be read; made sequences need scikit-image's own wheel, with its pictures")
    return np.asarray(image, dtype=np.uint8)


def _covering(image: BgrImage, width: int, height: int) -> BgrImage:
    """The image scaled to cover the size, its surplus cut off evenly."""
    factor = max(width / image.shape[1], height / image.shape[0])
    columns, rows = max(width, round(image.shape[1] * factor)), max(height, round(image.shape[0] * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(image, (columns, rows), interpolation=method)
    left, top = (columns - width) // 2, (rows - height) // 2
    return np.asarray(scaled[top : top + height, left : left + width], dtype=np.uint8)


def _cut_out() -> BgrImage:
    """The cat's face, filling its rectangle, at about the size at which it is drawn."""
    image = _picture("chelsea")
    (x, y), (axis_x, axis_y) = _FACE_CENTRE, _FACE_AXES
    face = image[round(y - axis_y) : round(y + axis_y), round(x - axis_x) : round(x + axis_x)]
    return np.asarray(cv2.resize(face, (124, 112), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _other_coat(face: BgrImage) -> BgrImage:
    """A look-alike: the mirrored face in a darker, colder coat."""
    tint = np.array([1.0, 0.82, 0.7], dtype=np.float32)
    return np.clip(face[:, ::-1].astype(np.float32) * tint, 0, 255).astype(np.uint8)
