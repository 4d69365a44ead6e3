"""Writing a sequence with its ground truth as a rosbag2 bag."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer
from tqdm import tqdm

from siam_tracker_core.bags.types import COMPRESSED_IMAGE, IMAGE, SECOND, TRACKS, typestore
from siam_tracker_core.errors import BagError

BgrImage = NDArray[np.uint8]

START = 1_700_000_000 * SECOND  # any moment will do, but the same one each time
JPEG_QUALITY = 95
_STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


@dataclass(frozen=True)
class BagOptions:
    """How a bag is written.

    Attributes:
        storage: the file format, ``"mcap"`` or ``"sqlite3"``.
        image_topic: topic of the images; ``/compressed`` is added to it for compressed ones, as image_transport does.
        truth_topic: topic of the ground truth, a TrackedTargetArray for each image, empty where the target is absent.
        compressed: ``""`` for raw sensor_msgs/Image in bgr8; ``"jpeg"`` or ``"png"`` for sensor_msgs/CompressedImage.
        frame_id: of all headers.
    """

    storage: Literal["mcap", "sqlite3"] = "mcap"
    image_topic: str = "/camera/image_raw"
    truth_topic: str = "/ground_truth"
    compressed: Literal["", "jpeg", "png"] = ""
    frame_id: str = "camera"

    def __post_init__(self) -> None:
        if self.storage not in _STORAGES:
            raise BagError(f"there is no bag storage {self.storage!r}; expected mcap or sqlite3")
        if self.compressed not in ("", "jpeg", "png"):
            raise BagError(f"there is no image compression {self.compressed!r}; expected jpeg, png or nothing")
        for topic in (self.image_topic, self.truth_topic):
            if not topic.startswith("/") or topic.endswith("/"):
                raise BagError(f"{topic!r} is not a topic's full name; it begins with a slash, like /camera/image_raw")
        if self.image_topic == self.truth_topic:
            raise BagError(f"images and ground truth cannot share the topic {self.image_topic}")

    @property
    def full_image_topic(self) -> str:
        """The topic that the images are really on."""
        return f"{self.image_topic}/compressed" if self.compressed else self.image_topic


def write_sequence_bag(
    out: str | Path,
    images: Iterable[BgrImage],
    boxes: NDArray[np.float64],
    rate: float,
    label: str = "",
    options: BagOptions = BagOptions(),
    progress: bool = True,
) -> Path:
    """Write images and ground truth as a bag, image ``i`` at the time ``i / rate`` after the first.

    The bag appears under its name only when it is whole.

    Args:
        out: the bag's folder, which must not exist.
        images: uint8 (H, W, 3) BGR, as many as there are boxes.
        boxes: float64 (N, 4), ``x, y, width, height`` in zero-based pixels; NaN rows where the target is absent.
        rate: images a second, positive.
        label: of the target.
        options: format and topics.
        progress: show a bar with the time left.

    Returns:
        The bag's folder.

    Raises:
        BagError: if ``out`` exists or cannot be written, or images and boxes differ in number.
    """
    out = Path(out)
    if not rate > 0:
        raise BagError(f"a rate of {rate:g} images a second is impossible; give a positive number")
    with _whole_or_not_at_all(out) as folder:
        with Writer(folder, version=9, storage_plugin=_STORAGES[options.storage]) as writer:
            messages = _Messages(options, label)
            image_type = COMPRESSED_IMAGE if options.compressed else IMAGE
            image_topic = writer.add_connection(options.full_image_topic, image_type, typestore=typestore())
            truth_topic = writer.add_connection(options.truth_topic, TRACKS, typestore=typestore())
            count = 0
            for image in tqdm(images, total=len(boxes), desc=out.name, unit="image", disable=not progress or None):
                if count < len(boxes):
                    stamp = START + round(count * SECOND / rate)
                    writer.write(image_topic, stamp, messages.image(image, stamp))
                    writer.write(truth_topic, stamp, messages.truth(boxes[count], stamp, count))
                count += 1
        if count != len(boxes):
            raise BagError(f"{out} was not written: there are {count} images but {len(boxes)} boxes; they must agree")
        if count == 0:
            raise BagError(f"{out} was not written: there is no image to put into it")
    return out


@contextmanager
def _whole_or_not_at_all(out: Path) -> Iterator[Path]:
    """A folder of the same name elsewhere, which becomes ``out`` on success and is removed on failure."""
    if out.exists() or out.is_symlink():
        raise BagError(f"{out} exists already and is not overwritten; give another name or remove it first")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise BagError(f"{out} cannot be written ({error.strerror}); give a folder that can be") from None
    try:
        yield room / out.name  # storage files are named after their folder
        (room / out.name).rename(out)
    except OSError as error:
        raise BagError(f"{out} could not be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(room, ignore_errors=True)


class _Messages:
    """Makes serialised messages."""

    def __init__(self, options: BagOptions, label: str) -> None:
        self._options = options
        self._label = label
        self._types: dict[str, Any] = dict(typestore().types)
        self._serialise: Callable[[Any, str], Any] = typestore().serialize_cdr

    def image(self, image: BgrImage, stamp: int) -> bytes:
        header = self._header(stamp)
        if self._options.compressed:
            message = self._types[COMPRESSED_IMAGE](header, self._options.compressed, self._encoded(image))
            return bytes(self._serialise(message, COMPRESSED_IMAGE))
        rows, columns = image.shape[:2]
        data = np.ascontiguousarray(image).reshape(-1)
        message = self._types[IMAGE](header, rows, columns, "bgr8", 0, 3 * columns, data)
        return bytes(self._serialise(message, IMAGE))

    def truth(self, box: NDArray[np.float64], stamp: int, index: int) -> bytes:
        header = self._header(stamp)
        targets = []
        if not np.isnan(box).any():
            x, y, width, height = (float(value) for value in box)
            target = self._types["siam_tracker_msgs/msg/TrackedTarget"]
            exact = ("", False, np.zeros(4, np.float32))  # nothing is wrong with it, it was seen, no error is known
            targets = [target(header, 1, self._label, x, y, width, height, 1.0, target.STATE_TRACKING, index, *exact)]
        return bytes(self._serialise(self._types[TRACKS](header, targets), TRACKS))

    def _header(self, stamp: int) -> Any:
        time = self._types["builtin_interfaces/msg/Time"](stamp // SECOND, stamp % SECOND)
        return self._types["std_msgs/msg/Header"](time, self._options.frame_id)

    def _encoded(self, image: BgrImage) -> NDArray[np.uint8]:
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if self._options.compressed == "jpeg" else []
        return np.asarray(cv2.imencode(f".{self._options.compressed}", image, quality)[1], dtype=np.uint8).reshape(-1)
