"""Reading the images of a bag and the ground truth that belongs to them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.bags.ros1 import image_as_ros2
from siam_tracker_core.bags.storage import BagStorage
from siam_tracker_core.bags.truth import boxes_on_topic
from siam_tracker_core.bags.types import COMPRESSED_IMAGE, IMAGE_TYPES, TRUTH_TYPES, stamp_text, typestore, with_stamp
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_rectangles
from siam_tracker_core.errors import BagError, ImageError
from siam_tracker_core.pixels import PixelReader, RawImage

BgrImage = NDArray[np.uint8]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class BagFrame:
    """One image message of a bag.

    Attributes:
        index: its number, from 0.
        stamp: of its header, in nanoseconds.
        recorded: when it was recorded, in nanoseconds.
        raw: the serialised message, ready to be published.
        type: ``sensor_msgs/msg/Image`` or ``sensor_msgs/msg/CompressedImage``.
    """

    index: int
    stamp: int
    recorded: int
    raw: bytes
    type: str

    def image(self, reader: PixelReader | None = None) -> BgrImage:
        """The pixels as uint8 (H, W, 3) BGR, for every encoding of ``siam_tracker_core.pixels``.

        Args:
            reader: makes the pixels, as those of all images of the bag; by default this one is read by itself.

        Raises:
            BagError: for another encoding, or data that cannot be read.
        """
        reader = reader or PixelReader()
        try:
            message: Any = typestore().deserialize_cdr(self.raw, self.type)
            if self.type == COMPRESSED_IMAGE:
                return reader.file(message.data)
            big_endian = bool(message.is_bigendian)
            return reader.raw(
                RawImage(message.width, message.height, message.encoding, message.step, big_endian, message.data)
            )
        except ImageError as error:
            raise BagError(f"image {self.index} of the bag: {error}") from None
        except Exception as error:  # damaged data fails in the libraries in many ways
            raise BagError(f"image {self.index} of the bag cannot be decoded ({error})") from None


class BagReader:
    """The images of one topic of a bag, checked, with their ground truth. A context manager.

    Opening reads the whole bag once, so that damage is found before anything is started.

    Args:
        path: the bag's folder, or its .mcap or .db3 file; or the .bag file of ROS 1.
        image_topic: topic of the images; empty if the bag has only one.
        truth_topic: topic of the ground truth; empty to take the only one there is, or none.

    Attributes:
        path: the bag.
        image_topic, truth_topic: the topics that were found; ``truth_topic`` is empty where there is none.
        image_type: the ROS type of the images.
        stamps: int64 (N,), header stamps of the images in nanoseconds, strictly increasing. Where the headers of a bag
            have no stamps, or the same more than once, they are the times of recording, and so say the frames.
        recorded: int64 (N,), when they were recorded, in nanoseconds.

    Raises:
        BagError: if the bag is missing, damaged or empty, has no such topic, or its images' stamps do not increase.
    """

    def __init__(self, path: str | Path, image_topic: str = "", truth_topic: str = "") -> None:
        self.path = Path(path)
        self._storage = BagStorage(self.path)
        try:
            self.image_topic = self._choose_images(image_topic)
            self.truth_topic = self._choose_truth(truth_topic)
            self.image_type = self._storage.topics(IMAGE_TYPES)[self.image_topic]
            if self._storage.message_count == 0:
                raise BagError(f"{self.path} is empty: it has no message on any topic")
            self._by_recording = False
            times = [(frame.stamp, frame.recorded) for frame in self.frames()]
            self._storage.check_whole(self.image_topic, len(times))
            if self.truth_topic:
                self._storage.check_whole(self.truth_topic, sum(1 for _ in self._storage.messages(self.truth_topic)))
            if not times:
                raise BagError(f"{self.path} has no image on {self.image_topic}; record some, or name another topic")
            self.stamps, self.recorded = np.array(times, dtype=np.int64).T
            self._stamp_by_recording()
            self._check_order()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.stamps)

    def close(self) -> None:
        """Release the bag's files."""
        self._storage.close()

    def frames(self) -> Iterator[BagFrame]:
        """The images in the order of recording.

        Raises:
            BagError: where the bag is damaged.
        """
        for index, (recorded, raw) in enumerate(self._storage.messages(self.image_topic)):
            stamp = self._storage.stamp(raw, self.image_topic, index)
            if self._storage.is_ros1:
                with self._storage.damage():
                    raw = image_as_ros2(raw, self.image_type)
            if self._by_recording:
                stamp, raw = recorded, with_stamp(raw, recorded)
            yield BagFrame(index, stamp, recorded, raw, self.image_type)

    def truth(self, sidecar: str | Path = "") -> NDArray[np.float64]:
        """The target's box in each image.

        Taken from ``sidecar`` where one is given, else from the ground-truth topic, else from a groundtruth_rect.txt in
        the bag's folder or beside it.

        Args:
            sidecar: a file of one-based ``x,y,width,height`` lines, one an image.

        Returns:
            float64 (N, 4), ``x, y, width, height`` in zero-based pixels; NaN rows where the target is absent.

        Raises:
            BagError: if there is none, or it does not agree with the images in number or stamps.
            DatasetError: if the file is malformed.
        """
        if sidecar:
            return self._from_file(Path(sidecar))
        if self.truth_topic:
            return self._from_topic()
        folder = self.path if self.path.is_dir() else self.path.parent
        beside = [place / GROUND_TRUTH for place in (folder, folder.parent)]
        for file in beside:
            if file.is_file():
                return self._from_file(file)
        raise BagError(
            f"{self.path} has no ground truth: no topic of {' or '.join(TRUTH_TYPES)}, and no {GROUND_TRUTH} in or "
            f"beside it; name a topic or a file"
        )

    def _stamp_by_recording(self) -> None:
        """Take the times of recording where headers are not stamped, or several alike; stamps that jump back stay."""
        steps = np.diff(self.stamps)
        unstamped = bool((self.stamps == 0).any())
        jumps_back = bool(((steps < 0) & (self.stamps[1:] != 0)).any())
        if jumps_back or not (unstamped or (steps == 0).any()):
            return
        logger.warning(
            "%s: images on %s have %s; the times of recording are taken instead",
            self.path,
            self.image_topic,
            "no stamps in their headers" if unstamped else "equal stamps",
        )
        self._by_recording, self.stamps = True, self.recorded

    def _check_order(self) -> None:
        wrong = np.flatnonzero(np.diff(self.stamps) <= 0)
        if wrong.size:
            index = int(wrong[0]) + 1
            raise BagError(
                f"{self.path}: image {index} on {self.image_topic} is stamped {stamp_text(int(self.stamps[index]))}, "
                f"not after image {index - 1} ({stamp_text(int(self.stamps[index - 1]))}); "
                "header stamps must increase, or tracks cannot be told apart"
            )

    def _choose_images(self, wanted: str) -> str:
        topics = self._storage.topics(IMAGE_TYPES)
        if wanted:
            return self._named(wanted, topics, "image")
        if not topics:
            others = _listed(self._storage.all_topics)
            raise BagError(
                f"{self.path} has no image topic (sensor_msgs/Image or CompressedImage); its topics are: {others}"
            )
        if len(topics) > 1:
            raise BagError(f"{self.path} has {len(topics)} image topics; name one of them: {_listed(topics)}")
        return next(iter(topics))

    def _choose_truth(self, wanted: str) -> str:
        topics = self._storage.topics(TRUTH_TYPES)
        if wanted:
            return self._named(wanted, topics, "ground-truth")
        if len(topics) > 1:
            raise BagError(f"{self.path} has {len(topics)} ground-truth topics; name one of them: {_listed(topics)}")
        return next(iter(topics), "")

    def _named(self, wanted: str, topics: dict[str, str], kind: str) -> str:
        if wanted in topics:
            return wanted
        other = self._storage.connections(wanted)
        why = f"{wanted} carries {other[0].msgtype}" if other else f"there is no topic {wanted} in {self.path}"
        raise BagError(f"{why}; the bag's {kind} topics are: {_listed(topics)}")

    def _from_file(self, path: Path) -> NDArray[np.float64]:
        boxes = read_rectangles(path)
        if len(boxes) != len(self):
            raise BagError(
                f"{self.path} has {len(self)} images on {self.image_topic} but {path} has {len(boxes)} lines; "
                "they must agree, one line an image"
            )
        return boxes

    def _from_topic(self) -> NDArray[np.float64]:
        stamps, in_order = boxes_on_topic(self._storage, self.truth_topic)
        found = dict(zip(stamps, in_order, strict=True))
        if self._by_recording and len(in_order) == len(self):  # of stamps that are no use, the order is left
            return np.stack(in_order)
        if len(found) != len(self):
            raise BagError(
                f"{self.path} has {len(self)} images on {self.image_topic} but {len(found)} different stamps on "
                f"{self.truth_topic}; there must be one message for each image, with its stamp"
            )
        missing = next((index for index, stamp in enumerate(self.stamps.tolist()) if stamp not in found), None)
        if missing is not None:
            raise BagError(
                f"{self.path}: no message on {self.truth_topic} has the stamp of image {missing}, "
                f"{stamp_text(int(self.stamps[missing]))}; ground truth must carry its image's stamp"
            )
        return np.stack([found[stamp] for stamp in self.stamps.tolist()])


def _listed(topics: Collection[str]) -> str:
    return ", ".join(sorted(topics)) or "none"
