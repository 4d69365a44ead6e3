"""Messages of ROS 1 bags as ROS 2 has them, so that a node can be shown them."""

from __future__ import annotations

import functools
import struct
from typing import Any

from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from siam_tracker_core.bags.types import COMPRESSED_IMAGE, SECOND, typestore


@functools.cache
def _noetic() -> Typestore:
    return get_typestore(Stores.ROS1_NOETIC)


def image_as_ros2(raw: bytes, kind: str) -> bytes:
    """A serialised image message of ROS 1 as CDR, which ROS 2 publishes.

    Args:
        raw: in ROS 1's form.
        kind: ``sensor_msgs/msg/Image`` or ``sensor_msgs/msg/CompressedImage``.
    """
    old: Any = _noetic().deserialize_ros1(raw, kind)
    types: Any = typestore().types
    stamp = types["builtin_interfaces/msg/Time"](old.header.stamp.sec, old.header.stamp.nanosec)
    header = types["std_msgs/msg/Header"](stamp, old.header.frame_id)
    if kind == COMPRESSED_IMAGE:
        message = types[kind](header, old.format, old.data)
    else:
        message = types[kind](header, old.height, old.width, old.encoding, old.is_bigendian, old.step, old.data)
    return bytes(typestore().serialize_cdr(message, kind))


def ros1_message(raw: bytes, connection: Connection) -> Any:
    """A message of any type of a ROS 1 bag, by the definition that the bag brings along."""
    kind = connection.msgtype
    if kind in _noetic().types:
        return _noetic().deserialize_ros1(raw, kind)
    store = get_typestore(Stores.ROS1_NOETIC)
    found = get_types_from_msg(connection.msgdef.data, kind)
    store.register({name: definition for name, definition in found.items() if name not in store.types})
    return store.deserialize_ros1(raw, kind)


def ros1_stamp(raw: bytes) -> int:
    """The header's stamp in nanoseconds; ROS 1 has a sequence number before it.

    Raises:
        ValueError: if there are too few bytes for one.
    """
    if len(raw) < 12:
        raise ValueError(f"{len(raw)} bytes are too few for a message with a header")
    seconds, nanoseconds = struct.unpack_from("<II", raw, 4)
    return int(seconds) * SECOND + int(nanoseconds)
