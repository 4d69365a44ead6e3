"""Context crops, made once and read many times: every target with so much surrounding that augmentation stays inside.

A store is a folder with ``crops.npy`` (uint8, memory-mapped) and ``index.json``. An epoch reads nothing else, so that
no photograph is decoded twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core.crop import crop_to_pixel_indices
from siam_tracker_core.datasets.coco import read_stills
from siam_tracker_core.datasets.otb_form import list_images, read_sequences
from siam_tracker_core.datasets.types import read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Window, context_size

logger = logging.getLogger(__name__)

EXEMPLAR_SIZE = 127
CROP_SIZE = 320
FORMAT = 1


@dataclass(frozen=True)
class Crop:
    """One context crop.

    Attributes:
        source: ``video``, ``still`` or ``unlabelled``.
        track: the target it shows, unique in the store.
        frame: index of the frame in its sequence, 0 for photographs.
        width, height: of the target in pixels of the crop, whose middle is the target's middle; 0 without a target.
    """

    source: str
    track: str
    frame: int
    width: float
    height: float


@dataclass(frozen=True)
class CropJob:
    """One image and the crops wanted of it."""

    path: Path
    wanted: tuple[tuple[Crop, Window], ...]


@dataclass(frozen=True)
class StoreSources:
    """Where the crops come from; a source that is None is left out.

    Attributes:
        videos: folder of sequences in OTB's form.
        stills: folder in COCO's form.
        unlabelled: folder of photographs without boxes, for distillation only.
        held_out: names of sequences to leave out, e.g. for validation.
        windows_per_photograph: random windows of every photograph without boxes.
    """

    videos: Path | None = None
    stills: Path | None = None
    unlabelled: Path | None = None
    held_out: tuple[str, ...] = ()
    windows_per_photograph: int = 2


def is_trainable(width: float, height: float, image_width: int, image_height: int) -> bool:
    """The filters of the reference implementation: area and sides in pixels, share of the image, aspect ratio.

    Reference values, section 1: area at least 20, sides 20 to 500, square root of the area share 0.01 to 0.5 (here up
    to 0.75, because photographs show their objects larger than videos do), aspect 0.25 to 4. The least side is 12
    here, since footage from the air is of that size.
    """
    share = np.sqrt(width * height / (image_width * image_height))
    aspect = width / max(height, 1e-9)
    return bool(
        min(width, height) >= 12 and max(width, height) <= 500 and 0.01 <= share <= 0.75 and 0.25 <= aspect <= 4
    )


def target_crop(source: str, track: str, frame: int, row: NDArray[np.float64]) -> tuple[Crop, Window]:
    """The crop around a target ``x, y, width, height``, scaled so that its context square has the exemplar's size."""
    x, y, width, height = (float(value) for value in row)
    side = context_size(width, height)
    scale = EXEMPLAR_SIZE / side
    window = Window(x + width / 2, y + height / 2, side * CROP_SIZE / EXEMPLAR_SIZE)
    return Crop(source, track, frame, width * scale, height * scale), window


def _image_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image, or None, with a warning, where it cannot be read."""
    try:
        height, width = read_image(path).shape[:2]
    except DatasetError as error:
        logger.warning("skipped: %s", error)
        return None
    return width, height


def _video_jobs(root: Path, held_out: tuple[str, ...]) -> Iterator[CropJob]:
    sequences = read_sequences(root)
    unknown = set(held_out) - {sequence.name for sequence in sequences}
    if unknown:
        raise DatasetError(f"held-out sequences {sorted(unknown)} are not in {root}")
    for sequence in sequences:
        if sequence.name in held_out:
            continue
        size = _image_size(sequence.frames[0])
        if size is None:
            continue
        width, height = size
        for index, (path, row) in enumerate(zip(sequence.frames, sequence.boxes, strict=True)):
            if not np.isnan(row).any() and is_trainable(row[2], row[3], width, height):
                yield CropJob(path, (target_crop("video", sequence.name, index, row),))


def _still_jobs(root: Path) -> Iterator[CropJob]:
    for still in read_stills(root):
        size = _image_size(still.path)
        if size is None:
            continue
        width, height = size
        wanted = [
            target_crop("still", f"{still.path.stem}#{number}", 0, row)
            for number, row in enumerate(still.boxes)
            if is_trainable(row[2], row[3], width, height)
        ]
        if wanted:
            yield CropJob(still.path, tuple(wanted))


def _unlabelled_jobs(root: Path, windows: int, rng: np.random.Generator) -> Iterator[CropJob]:
    for path in list_images(root):
        size = _image_size(path)
        if size is None:
            continue
        width, height = size
        wanted = []
        for number in range(windows):
            side = min(width, height) * rng.uniform(0.6, 1.0)
            x, y = (float(rng.uniform(side / 2, extent - side / 2)) for extent in (width, height))
            wanted.append((Crop("unlabelled", f"{path.stem}#{number}", 0, 0.0, 0.0), Window(x, y, side)))
        yield CropJob(path, tuple(wanted))


def cut(image: NDArray[np.uint8], window: Window, size: int) -> NDArray[np.uint8]:
    """One crop (size, size, 3) of an image, continued with its mean colour; reduced without aliasing."""
    mean = cv2.mean(image)
    reduction = window.size / size
    if reduction > 1.5:
        small = cv2.resize(image, None, fx=1 / reduction, fy=1 / reduction, interpolation=cv2.INTER_AREA)
        share_x, share_y = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
        window = Window(window.centre_x * share_x, window.centre_y * share_y, window.size / reduction)
        image = small  # type: ignore[assignment]
    return cv2.warpAffine(  # type: ignore[return-value]
        image,
        crop_to_pixel_indices(window, size),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=mean,
    )


def build_store(folder: str | Path, sources: StoreSources, seed: int = 0) -> CropStore:
    """Cut all crops of the sources into ``folder``, or open the store that is there already.

    Images that cannot be read are skipped, named in the log and counted.

    Raises:
        DatasetError: if a source is missing or malformed, or nothing is left to train on.
    """
    folder = Path(folder)
    if (folder / "index.json").is_file():
        return CropStore(folder)
    jobs: list[CropJob] = []
    if sources.videos:
        jobs += _video_jobs(sources.videos, sources.held_out)
    if sources.stills:
        jobs += _still_jobs(sources.stills)
    if sources.unlabelled:
        jobs += _unlabelled_jobs(sources.unlabelled, sources.windows_per_photograph, np.random.default_rng(seed))
    total = sum(len(job.wanted) for job in jobs)
    if not total:
        raise DatasetError("no crop to train on: give at least one of videos, stills, unlabelled with usable images")
    folder.mkdir(parents=True, exist_ok=True)
    crops = np.lib.format.open_memmap(
        folder / "crops.npy", mode="w+", dtype=np.uint8, shape=(total, CROP_SIZE, CROP_SIZE, 3)
    )
    index: list[Crop] = []
    skipped = 0
    for job in tqdm(jobs, desc="cutting crops", unit="image"):
        try:
            image = read_image(job.path)
        except DatasetError as error:
            skipped += 1
            logger.warning("skipped: %s", error)
            continue
        for crop, window in job.wanted:
            crops[len(index)] = cut(image, window, CROP_SIZE)
            index.append(crop)
    crops.flush()
    if skipped:
        logger.warning("%d images were skipped", skipped)
    # Written last: a store without its index is not taken for a whole one.
    (folder / "index.json").write_text(json.dumps({"format": FORMAT, "crops": [asdict(crop) for crop in index]}))
    return CropStore(folder)


class CropStore:
    """A store opened for reading.

    Attributes:
        index: a ``Crop`` for every image of ``pixels``.
        pixels: uint8 (n, CROP_SIZE, CROP_SIZE, 3) BGR, memory-mapped.

    Raises:
        DatasetError: if the folder is no store, or one of another format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / "index.json"
        if not path.is_file():
            raise DatasetError(f"{self.folder} is not a crop store: it has no index.json")
        content = json.loads(path.read_text())
        if content.get("format") != FORMAT:
            raise DatasetError(f"{path} has format {content.get('format')}, expected {FORMAT}; build the store anew")
        self.index = [Crop(**crop) for crop in content["crops"]]
        self.pixels = np.load(self.folder / "crops.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self.index)
