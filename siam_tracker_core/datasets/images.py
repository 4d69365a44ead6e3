"""Image files: which of a folder are frames, in which order, and how their pixels are read."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.files.listing import naturally
from siam_tracker_core.pixels.contrast import Stretch
from siam_tracker_core.pixels.files import Orientation, decode_file

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

# The end-of-image marker of a JPEG lies this near to the file's end; some cameras write a little behind it.
_TAIL = 4096
_SAME_FORMAT = {".jpeg": ".jpg", ".tiff": ".tif"}
# Where one frame is there in several formats, masks and labels tend to be in the formats named last.
_PREFERENCE = (".jpg", ".webp", ".tif", ".bmp", ".png")
_NUMBERED = re.compile(r"(.*?)(\d+)\D*")


def read_image(
    path: Path,
    orientation: Orientation = "exif",
    size: tuple[int, int] | None = None,
    stretch: Stretch | None = None,
) -> NDArray[np.uint8]:
    """Read an image file as uint8 (H, W, 3) BGR.

    Args:
        path: the file.
        orientation: ``exif`` turns the picture as its EXIF says, ``stored`` leaves it as it lies.
        size: width and height that an annotation gives. Where only the other orientation has them, the picture is
            taken as the annotation saw it.
        stretch: makes eight bits of sixteen; by default each picture's own percentiles become black and white.

    Raises:
        DatasetError: if the file is missing, truncated, or cannot be decoded.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise DatasetError(f"{path} {reason}") from None
    if _lacks_end(data[:2].tobytes(), data[-_TAIL:].tobytes()):
        raise DatasetError(f"{path} is a truncated image")
    try:
        image = decode_file(data, orientation)
        if size is not None and image.shape[:2] == size and image.shape[0] != image.shape[1]:  # on its side
            other = decode_file(data, "stored" if orientation == "exif" else "exif")
            image = other if other.shape[1::-1] == size else image
    except ValueError:
        raise DatasetError(f"{path} {impostor(path) or 'is not a readable image'}") from None
    if image.dtype == np.uint8:
        return image  # type: ignore[return-value]
    return (stretch or Stretch())(image)  # type: ignore[arg-type]


def is_truncated(path: Path) -> bool:
    """Whether a JPEG file lacks its end, which OpenCV fills with grey without a word; other formats it refuses itself.

    Returns:
        False also for a file that is missing or not a JPEG.
    """
    try:
        with path.open("rb") as file:
            head = file.read(2)
            file.seek(max(2, path.stat().st_size - _TAIL))
            return _lacks_end(head, file.read())
    except OSError:
        return False


def _lacks_end(head: bytes, tail: bytes) -> bool:
    return head == b"\xff\xd8" and b"\xff\xd9" not in tail


def list_images(folder: Path) -> tuple[Path, ...]:
    """The frames in a folder, in natural order: 1, 2, 10.

    Hidden files are passed over. Where the same frames are there in two formats, as pictures with their masks, one
    format is taken. That, gaps in the numbers and several series in one folder are logged as warnings.

    Raises:
        DatasetError: if the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected the frames 0001.jpg, 0002.jpg, ... in it")
    images = naturally(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DatasetError(f"{folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    images = _one_format(folder, images)
    for sentence in _oddities(images):
        logger.warning("%s: %s", folder, sentence)
    return tuple(images)


def _one_format(folder: Path, images: list[Path]) -> list[Path]:
    """The images without those that repeat others in another format."""
    formats: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        suffix = path.suffix.lower()
        formats[_SAME_FORMAT.get(suffix, suffix)].append(path)
    if len(formats) == 1:
        return images
    stems = Counter(path.stem for path in images)
    if max(stems.values()) == 1:  # one series whose format changes
        return images
    chosen = max(formats, key=lambda suffix: (len(formats[suffix]), -_PREFERENCE.index(suffix)))
    others = " and ".join(f"{len(paths)} {suffix}" for suffix, paths in formats.items() if suffix != chosen)
    logger.warning(
        "%s: %d %s files are the frames; %s beside them are left out", folder, len(formats[chosen]), chosen, others
    )
    return formats[chosen]


def _oddities(images: Sequence[Path]) -> list[str]:
    """Sentences about several series in one folder, and about gaps in the numbers of one."""
    series: dict[str, list[int]] = defaultdict(list)
    for path in images:
        match = _NUMBERED.fullmatch(path.stem)
        series[match[1] if match else path.stem].append(int(match[2]) if match else 0)
    if len(series) > 1:
        if max(len(numbers) for numbers in series.values()) < 2:
            return []  # names without an order of their own
        some = list(series.items())[:4]
        named = ", ".join(f"{prefix or 'numbers alone'} ({len(numbers)})" for prefix, numbers in some)
        return [f"{len(series)} series of images lie in one folder and are taken one after the other: {named}"]
    numbers = next(iter(series.values()))
    steps = np.diff(numbers)
    if not len(steps):
        return []
    usual = Counter(steps.tolist()).most_common(1)[0][0]
    gaps = np.flatnonzero(steps != usual)
    if not len(gaps):
        return []
    first = int(gaps[0])
    return [f"the numbers have {len(gaps)} gap(s), first between {images[first].name} and {images[first + 1].name}"]
