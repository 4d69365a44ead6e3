"""Reading the images of a bag and the ground truth that belongs to them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag1 import ReaderError as Ros1ReaderError
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from siam_tracker_core.bags.ros1 import image_as_ros2, ros1_message, ros1_stamp
from siam_tracker_core.bags.types import (
    COMPRESSED_IMAGE,
    DETECTIONS,
    IMAGE_TYPES,
    TRUTH_TYPES,
    header_stamp,
    stamp_text,
    typestore,
    with_stamp,
)
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
        self._reader = self._open()
        try:
            self.image_topic = self._choose_images(image_topic)
            self.truth_topic = self._choose_truth(truth_topic)
            self.image_type = self._topics(IMAGE_TYPES)[self.image_topic]
            if self._reader.message_count == 0:
                raise BagError(f"{self.path} is empty: it has no message on any topic")
            self._by_recording = False
            times = [(frame.stamp, frame.recorded) for frame in self.frames()]
            self._check_whole(self.image_topic, len(times))
            if self.truth_topic:
                self._check_whole(self.truth_topic, sum(1 for _ in self._messages(self.truth_topic)))
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
        with suppress(ReaderError, Ros1ReaderError):  # of one that was never opened
            self._reader.close()

    def frames(self) -> Iterator[BagFrame]:
        """The images in the order of recording.

        Raises:
            BagError: where the bag is damaged.
        """
        for index, (recorded, raw) in enumerate(self._messages(self.image_topic)):
            stamp = self._stamp(raw, self.image_topic, index)
            if self._is_ros1:
                with self._damage():
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

    @property
    def _is_ros1(self) -> bool:
        return self.path.suffix == ".bag"

    def _open(self) -> Reader | Ros1Reader:
        if not self.path.exists():
            raise BagError(f"{self.path} does not exist; expected a rosbag2 folder, or an .mcap, .db3 or .bag file")
        if self._is_ros1 and self.path.is_file():
            return self._open_ros1()
        if self.path.is_dir() and not (self.path / "metadata.yaml").is_file():
            if any(self.path.glob("*.mcap")) or any(self.path.glob("*.db3")):
                raise BagError(
                    f"{self.path} has no metadata.yaml, as after a recording that was cut short; "
                    "`ros2 bag reindex` can make it anew"
                )
            raise BagError(f"{self.path} is not a bag: a rosbag2 folder has a metadata.yaml")
        with self._damage():
            reader = Reader(self.path)
            reader.open()
        return reader

    def _open_ros1(self) -> Ros1Reader:
        try:
            reader = Ros1Reader(self.path)
            reader.open()
        except Exception as error:  # a damaged file fails in the library in many ways
            raise BagError(
                f"{self.path} cannot be read as a ROS 1 bag ({error}); repair it with `rosbag reindex`"
            ) from None
        return reader

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Turn whatever the storage libraries raise into one sentence; a damaged file fails in them in many ways."""
        try:
            yield
        except BagError:
            raise
        except PermissionError:
            raise BagError(f"{self.path} cannot be read: permission denied") from None
        except Exception as error:
            reason = str(error).strip().rstrip(".") or type(error).__name__
            raise BagError(
                f"{self.path} cannot be read as a rosbag2 bag; it is truncated or damaged ({reason}); record it again "
                "or repair it with `ros2 bag reindex` or `mcap recover`"
            ) from None

    def _check_whole(self, topic: str, found: int) -> None:
        """Refuse a bag with fewer messages than it says; a shortened database may open without complaint."""
        promised = sum(each.msgcount for each in self._connections(topic))
        if found != promised:
            raise BagError(
                f"{self.path} is truncated: {found} of {promised} messages are left on {topic}; record it again"
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

    def _connections(self, topic: str) -> list[Connection]:
        return [each for each in self._reader.connections if each.topic == topic]

    def _topics(self, types: Collection[str]) -> dict[str, str]:
        return {each.topic: each.msgtype for each in self._reader.connections if each.msgtype in types}

    def _choose_images(self, wanted: str) -> str:
        topics = self._topics(IMAGE_TYPES)
        if wanted:
            return self._named(wanted, topics, "image")
        if not topics:
            others = _listed(each.topic for each in self._reader.connections)
            raise BagError(
                f"{self.path} has no image topic (sensor_msgs/Image or CompressedImage); its topics are: {others}"
            )
        if len(topics) > 1:
            raise BagError(f"{self.path} has {len(topics)} image topics; name one of them: {_listed(topics)}")
        return next(iter(topics))

    def _choose_truth(self, wanted: str) -> str:
        topics = self._topics(TRUTH_TYPES)
        if wanted:
            return self._named(wanted, topics, "ground-truth")
        if len(topics) > 1:
            raise BagError(f"{self.path} has {len(topics)} ground-truth topics; name one of them: {_listed(topics)}")
        return next(iter(topics), "")

    def _named(self, wanted: str, topics: dict[str, str], kind: str) -> str:
        if wanted in topics:
            return wanted
        other = self._connections(wanted)
        why = f"{wanted} carries {other[0].msgtype}" if other else f"there is no topic {wanted} in {self.path}"
        raise BagError(f"{why}; the bag's {kind} topics are: {_listed(topics)}")

    def _messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        messages = self._reader.messages(self._connections(topic))
        while True:
            with self._damage():
                item = next(messages, None)
            if item is None:
                return
            yield int(item[1]), bytes(item[2])

    def _stamp(self, raw: bytes, topic: str, index: int) -> int:
        try:
            return ros1_stamp(raw) if self._is_ros1 else header_stamp(raw)
        except ValueError as error:
            raise BagError(f"{self.path}: message {index} on {topic} is damaged ({error})") from None

    def _from_file(self, path: Path) -> NDArray[np.float64]:
        boxes = read_rectangles(path)
        if len(boxes) != len(self):
            raise BagError(
                f"{self.path} has {len(self)} images on {self.image_topic} but {path} has {len(boxes)} lines; "
                "they must agree, one line an image"
            )
        return boxes

    def _from_topic(self) -> NDArray[np.float64]:
        connection = self._connections(self.truth_topic)[0]
        store = None if self._is_ros1 else _store_for(connection)
        found: dict[int, NDArray[np.float64]] = {}
        in_order = []
        for index, (_, raw) in enumerate(self._messages(self.truth_topic)):
            with self._damage():
                message: Any = (
                    ros1_message(raw, connection) if store is None else store.deserialize_cdr(raw, connection.msgtype)
                )
            in_order.append(self._box(message, connection.msgtype, index))
            found[self._stamp(raw, self.truth_topic, index)] = in_order[-1]
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

    def _box(self, message: Any, kind: str, index: int) -> NDArray[np.float64]:
        boxes = message.detections if kind == DETECTIONS else message.targets
        if len(boxes) > 1:
            raise BagError(
                f"{self.path}: message {index} on {self.truth_topic} has {len(boxes)} boxes; there must be one for the "
                "target, or none where it is absent"
            )
        if not boxes:
            return np.full(4, np.nan)
        if kind == DETECTIONS:
            box = boxes[0].bbox
            centre = getattr(box.center, "position", box.center)  # ROS 1 has no position inside
            x, y = centre.x - box.size_x / 2, centre.y - box.size_y / 2
            return np.array([x, y, box.size_x, box.size_y], dtype=np.float64)
        target = boxes[0]
        return np.array([target.x, target.y, target.width, target.height], dtype=np.float64)


def _listed(topics: Collection[str] | Iterator[str]) -> str:
    return ", ".join(sorted(topics)) or "none"


def _store_for(connection: Connection) -> Typestore:
    """The types of a topic: those that the bag brings along, for our own messages grow; without them, today's."""
    store = get_typestore(Stores.ROS2_JAZZY)
    if connection.msgtype in store.types or connection.msgdef.format == MessageDefinitionFormat.NONE:
        return typestore()
    parse = get_types_from_idl if connection.msgdef.format == MessageDefinitionFormat.IDL else None
    types = parse(connection.msgdef.data) if parse else get_types_from_msg(connection.msgdef.data, connection.msgtype)
    store.register({name: definition for name, definition in types.items() if name not in store.types})
    return store
