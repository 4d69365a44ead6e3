"""The message types in our bags, known to rosbags without a ROS installation."""

from __future__ import annotations

import functools
import struct

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
TRACKS = "siam_tracker_msgs/msg/TrackedTargetArray"
EVENT = "siam_tracker_msgs/msg/TargetEvent"
DETECTIONS = "vision_msgs/msg/Detection2DArray"
TRUTH_TYPES = (TRACKS, DETECTIONS)

# The fields of siam_tracker_msgs/msg, kept here too so that bags can be written where that package is not built; a test
# holds the two together.
TRACKED_TARGET = """
uint8 STATE_TRACKING=0
uint8 STATE_UNCERTAIN=1
uint8 STATE_LOST=2
std_msgs/Header header
uint32 id
string label
float32 x
float32 y
float32 width
float32 height
float32 score
uint8 state
uint32 age
string reason
bool predicted
float32[4] deviation
"""
TARGET_EVENT = """
uint8 KIND_SET=0
uint8 KIND_LOST=1
uint8 KIND_FOUND=2
uint8 KIND_REMOVED=3
uint8 KIND_REFUSED=4
std_msgs/Header header
uint8 kind
uint32 id
string label
string words
"""
TRACKED_TARGET_ARRAY = """
std_msgs/Header header
TrackedTarget[] targets
"""

SECOND = 1_000_000_000


@functools.cache
def typestore() -> Typestore:
    """ROS 2's common types and this project's."""
    store = get_typestore(Stores.ROS2_JAZZY)
    own = "siam_tracker_msgs/msg/"
    store.register(get_types_from_msg(TRACKED_TARGET, own + "TrackedTarget"))
    store.register(get_types_from_msg(TRACKED_TARGET_ARRAY, own + "TrackedTargetArray"))
    store.register(get_types_from_msg(TARGET_EVENT, EVENT))
    return store


def header_stamp(raw: bytes) -> int:
    """The header's stamp in nanoseconds, from a serialised message that begins with a ``std_msgs/Header``.

    Raises:
        ValueError: if there are too few bytes for one.
    """
    if len(raw) < 12:
        raise ValueError(f"{len(raw)} bytes are too few for a message with a header")
    order = "<" if raw[1] & 1 else ">"  # the encapsulation's second byte
    seconds, nanoseconds = struct.unpack_from(order + "iI", raw, 4)
    return int(seconds) * SECOND + int(nanoseconds)


def with_stamp(raw: bytes, nanoseconds: int) -> bytes:
    """A serialised message that begins with a header, with another stamp in it."""
    order = "<" if raw[1] & 1 else ">"
    changed = bytearray(raw)
    struct.pack_into(order + "iI", changed, 4, nanoseconds // SECOND, nanoseconds % SECOND)
    return bytes(changed)


def stamp_text(nanoseconds: int) -> str:
    """A stamp for people, in seconds with all its digits."""
    return f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09d}"
