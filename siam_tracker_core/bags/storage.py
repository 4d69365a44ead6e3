"""A bag as it lies on the disk: its topics and messages, and one sentence for whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag1 import ReaderError as Ros1ReaderError
from rosbags.rosbag2 import Reader, ReaderError

from siam_tracker_core.bags.ros1 import ros1_stamp
from siam_tracker_core.bags.types import header_stamp
from siam_tracker_core.errors import BagError


class BagStorage:
    """An opened bag of ROS 2 or ROS 1.

    Args:
        path: the bag's folder, or its .mcap or .db3 file; or the .bag file of ROS 1.

    Attributes:
        path: the bag.
        is_ros1: whether it is one of ROS 1.

    Raises:
        BagError: if the bag is missing or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_ros1 = path.suffix == ".bag"
        self._reader = self._open()

    def close(self) -> None:
        """Release the bag's files."""
        with suppress(ReaderError, Ros1ReaderError):  # of one that was never opened
            self._reader.close()

    @property
    def message_count(self) -> int:
        """Messages on all topics, as the bag says."""
        return int(self._reader.message_count)

    @property
    def all_topics(self) -> list[str]:
        """The names of all topics."""
        return [each.topic for each in self._reader.connections]

    def topics(self, types: Collection[str]) -> dict[str, str]:
        """The topics of some types, and the type of each."""
        return {each.topic: each.msgtype for each in self._reader.connections if each.msgtype in types}

    def connections(self, topic: str) -> list[Connection]:
        """What was recorded on a topic, by publisher; empty where there is no such topic."""
        return [each for each in self._reader.connections if each.topic == topic]

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """The messages of a topic in the order of recording: when, in nanoseconds, and the serialised message.

        Raises:
            BagError: where the bag is damaged.
        """
        messages = self._reader.messages(self.connections(topic))
        while True:
            with self.damage():
                item = next(messages, None)
            if item is None:
                return
            yield int(item[1]), bytes(item[2])

    def stamp(self, raw: bytes, topic: str, index: int) -> int:
        """The stamp in a message's header, in nanoseconds.

        Raises:
            BagError: if the message has none; it is named by its topic and number.
        """
        try:
            return ros1_stamp(raw) if self.is_ros1 else header_stamp(raw)
        except ValueError as error:
            raise BagError(f"{self.path}: message {index} on {topic} is damaged ({error})") from None

    def check_whole(self, topic: str, found: int) -> None:
        """Refuse a bag with fewer messages than it says; a shortened database may open without complaint.

        Raises:
            BagError: if ``found`` is not the number of messages that the bag promises on the topic.
        """
        promised = sum(each.msgcount for each in self.connections(topic))
        if found != promised:
            raise BagError(
                f"{self.path} is truncated: {found} of {promised} messages are left on {topic}; record it again"
            )

    @contextmanager
    def damage(self) -> Iterator[None]:
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

    def _open(self) -> Reader | Ros1Reader:
        if not self.path.exists():
            raise BagError(f"{self.path} does not exist; expected a rosbag2 folder, or an .mcap, .db3 or .bag file")
        if self.is_ros1 and self.path.is_file():
            return self._open_ros1()
        if self.path.is_dir() and not (self.path / "metadata.yaml").is_file():
            if any(self.path.glob("*.mcap")) or any(self.path.glob("*.db3")):
                raise BagError(
                    f"{self.path} has no metadata.yaml, as after a recording that was cut short; "
                    "`ros2 bag reindex` can make it anew"
                )
            raise BagError(f"{self.path} is not a bag: a rosbag2 folder has a metadata.yaml")
        with self.damage():
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
