"""The ground truth on a topic of a bag: one box for each image, matched by stamps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from siam_tracker_core.bags.ros1 import ros1_message
from siam_tracker_core.bags.storage import BagStorage
from siam_tracker_core.bags.types import DETECTIONS, typestore
from siam_tracker_core.errors import BagError


def boxes_on_topic(storage: BagStorage, topic: str) -> tuple[list[int], list[NDArray[np.float64]]]:
    """What a topic of the ground truth says.

    Args:
        storage: the bag.
        topic: one of the types in ``TRUTH_TYPES``.

    Returns:
        The messages' stamps in nanoseconds, and a float64 (4,) each, ``x, y, width, height`` in zero-based pixels, NaN
        where the target is absent; in the order of recording.

    Raises:
        BagError: if the bag is damaged, or a message has more than one box.
    """
    connection = storage.connections(topic)[0]
    store = None if storage.is_ros1 else _store_for(connection)
    stamps, boxes = [], []
    for index, (_, raw) in enumerate(storage.messages(topic)):
        with storage.damage():
            message: Any = (
                ros1_message(raw, connection) if store is None else store.deserialize_cdr(raw, connection.msgtype)
            )
        boxes.append(_box(message, connection.msgtype, f"{storage.path}: message {index} on {topic}"))
        stamps.append(storage.stamp(raw, topic, index))
    return stamps, boxes


def _box(message: Any, kind: str, name: str) -> NDArray[np.float64]:
    boxes = message.detections if kind == DETECTIONS else message.targets
    if len(boxes) > 1:
        raise BagError(f"{name} has {len(boxes)} boxes; there must be one for the target, or none where it is absent")
    if not boxes:
        return np.full(4, np.nan)
    if kind == DETECTIONS:
        box = boxes[0].bbox
        centre = getattr(box.center, "position", box.center)  # ROS 1 has no position inside
        x, y = centre.x - box.size_x / 2, centre.y - box.size_y / 2
        return np.array([x, y, box.size_x, box.size_y], dtype=np.float64)
    target = boxes[0]
    return np.array([target.x, target.y, target.width, target.height], dtype=np.float64)


def _store_for(connection: Connection) -> Typestore:
    """The types of a topic: those that the bag brings along, for our own messages grow; without them, today's."""
    store = get_typestore(Stores.ROS2_JAZZY)
    if connection.msgtype in store.types or connection.msgdef.format == MessageDefinitionFormat.NONE:
        return typestore()
    parse = get_types_from_idl if connection.msgdef.format == MessageDefinitionFormat.IDL else None
    types = parse(connection.msgdef.data) if parse else get_types_from_msg(connection.msgdef.data, connection.msgtype)
    store.register({name: definition for name, definition in types.items() if name not in store.types})
    return store
