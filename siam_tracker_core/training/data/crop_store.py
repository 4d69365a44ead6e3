"""Context crops: how they are cut, and a store that holds them decoded, for reading in any order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core.crop import crop_to_pixel_indices
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.pixels.files import decoded
from siam_tracker_core.training.data.prepared_set import PreparedSet, open_prepared
from siam_tracker_core.training.data.shards import read_shard

EXEMPLAR_SIZE = 127
CROP_SIZE = 320
FORMAT = 2


def target_window(box: NDArray[np.float64], crop_size: int = CROP_SIZE) -> tuple[Window, tuple[float, float]]:
    """The window around a target, at which its context square (SiamFC section 2.4) has 127 pixels of the crop.

    Args:
        box: ``x, y, width, height`` of the target in pixels of the image.
        crop_size: side of the crop in pixels.

    Returns:
        The window, with the target in its middle, and the target's width and height in pixels of the crop.
    """
    x, y, width, height = (float(value) for value in box)
    side = context_size(width, height)
    scale = EXEMPLAR_SIZE / side
    return Window(x + width / 2, y + height / 2, side * crop_size / EXEMPLAR_SIZE), (width * scale, height * scale)


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


def decode(image: bytes, crop_size: int, origin: str) -> NDArray[np.uint8]:
    """A JPEG crop as uint8 (crop_size, crop_size, 3) BGR.

    Args:
        image: the file's content.
        crop_size: the side that it must have.
        origin: where it comes from, for the message.

    Raises:
        DatasetError: if it is no image of that size.
    """
    pixels = decoded(np.frombuffer(image, dtype=np.uint8))
    if pixels is None or pixels.shape != (crop_size, crop_size, 3):
        raise DatasetError(f"a crop of {origin} is not a JPEG of {crop_size}x{crop_size} pixels; prepare it again")
    return pixels  # type: ignore[return-value]


@dataclass(frozen=True)
class Crop:
    """One context crop of a store.

    Attributes:
        source: name of the data set it comes from.
        track: the target it shows, unique in its source.
        frame: its number in the track, 0 for photographs.
        width, height: of the target in pixels of the crop, whose middle is the target's middle; 0 without a target.
    """

    source: str
    track: str
    frame: int
    width: float
    height: float


class CropStore:
    """A store opened for reading: a folder with ``crops.npy`` (memory-mapped) and ``index.json``.

    Attributes:
        index: a ``Crop`` for every image of ``pixels``.
        pixels: uint8 (n, side, side, 3) BGR, memory-mapped.

    Raises:
        DatasetError: if the folder is no store, or one of another format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        content = _read_store_index(self.folder)
        self.index = [Crop(**crop) for crop in content["crops"]]
        self.pixels = np.load(self.folder / "crops.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def crop_size(self) -> int:
        """Side of the crops in pixels."""
        return int(self.pixels.shape[1])


def _read_store_index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    if not path.is_file():
        raise DatasetError(f"{folder} is not a crop store: it has no index.json")
    content = json.loads(path.read_text())
    if content.get("format") != FORMAT:
        raise DatasetError(f"{path} has format {content.get('format')}, expected {FORMAT}; build the store anew")
    return content  # type: ignore[no-any-return]


def build_store(folder: str | Path, shards: Many[str | Path]) -> CropStore:
    """Decode all crops of prepared data sets into ``folder``, or open the store of them that is there already.

    Args:
        folder: of the store; takes three bytes a pixel, 307 kB a crop of 320 pixels.
        shards: prepared data sets, all of one crop size.

    Raises:
        DatasetError: if a data set is missing or broken, the crop sizes differ, ``folder`` holds a store of other data
            sets, or there is no room for it on the disk.
    """
    folder = Path(folder)
    if not shards:
        raise DatasetError("no crop to learn from: give at least one folder that `siam-tracker prepare` wrote")
    sets = [open_prepared(location) for location in shards]
    made_of = [{"data_set": each.info.data_set, "fingerprint": each.fingerprint} for each in sets]
    if (folder / "index.json").is_file():
        if _read_store_index(folder).get("made_of") != made_of:
            raise DatasetError(f"{folder} holds the crops of other data sets; choose another folder or remove it")
        return CropStore(folder)
    size = common_crop_size(sets)
    folder.mkdir(parents=True, exist_ok=True)
    pixels = _allocate(folder / "crops.npy", sum(each.frames for each in sets), size)
    index: list[Crop] = []
    bar = tqdm(total=len(pixels), desc="decoding crops", unit="crop", disable=None)
    for crop, image in _crops(sets):
        pixels[len(index)] = decode(image, size, f"{crop.source}, {crop.track}")
        index.append(crop)
        bar.update()
    bar.close()
    pixels.flush()
    # Written last: a store without its index is not taken for a whole one.
    content = {"format": FORMAT, "made_of": made_of, "crops": [asdict(crop) for crop in index]}
    (folder / "index.json").write_text(json.dumps(content))
    return CropStore(folder)


def common_crop_size(sets: Many[PreparedSet]) -> int:
    """The crop size of all of them.

    Raises:
        DatasetError: if they differ.
    """
    sizes = {each.info.location: each.info.crop_size for each in sets}
    if len(set(sizes.values())) != 1:
        shown = ", ".join(f"{location} {size}" for location, size in sizes.items())
        raise DatasetError(f"the data sets have crops of different sizes ({shown}); prepare them with one --crop_size")
    return sets[0].info.crop_size


def _allocate(path: Path, count: int, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    """An array on the disk with its room taken: writing to a mapped file that the disk cannot hold ends the process."""
    shape = (count, size, size, 3)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    try:
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink()
        raise DatasetError(
            f"{path} needs {count * size * size * 3 / 1e9:.1f} GB and cannot have them ({error.strerror})"
        ) from error
    return pixels


def _crops(sets: Many[PreparedSet]) -> Iterator[tuple[Crop, bytes]]:
    for each in sets:
        for shard in each.shards:
            for sample in read_shard(each.info, shard.file, range(len(shard))):
                for frame, (width, height), image in zip(sample.frames, sample.sizes, sample.images, strict=True):
                    yield Crop(sample.data_set, sample.track, int(frame), float(width), float(height)), image
