"""Bags for tests: of a made sequence, of messages as they are given, and with other stamps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from siam_tracker_core.bags import BagOptions, write_sequence_bag
from siam_tracker_core.bags.types import TRACKS, typestore, with_stamp
from siam_tracker_core.bags.writer import _Messages
from siam_tracker_core.datasets.made import MadeSequence

FRAMES = 6
STORAGES = ["mcap", "sqlite3"]


def write(made: MadeSequence, out: Path, **options: str) -> Path:
    return write_sequence_bag(out, made.frames, made.boxes, made.rate, "cat", BagOptions(**options), progress=False)


def raw_bag(out: Path, messages: list[tuple[str, str, int, bytes]], storage: str = "mcap") -> Path:
    """A bag of given topics, types, times and serialised messages; a message of no bytes only makes its topic."""
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    with Writer(out, version=9, storage_plugin=plugin) as writer:
        topics = {}
        for topic, kind, stamp, data in messages:
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=typestore())
            if data:
                writer.write(topics[topic], stamp, data)
    return out


def image(stamp: int) -> tuple[str, str, int, bytes]:
    data = _Messages(BagOptions(), "").image(np.zeros((4, 5, 3), np.uint8), stamp)
    return "/image", "sensor_msgs/msg/Image", stamp, data


def truth(stamp: int, topic: str = "/truth") -> tuple[str, str, int, bytes]:
    return topic, TRACKS, stamp, _Messages(BagOptions(), "").truth(np.array([1.0, 1, 2, 2]), stamp, 0)


def restamped(bag: Path, out: Path, stamp: Callable[[int], int]) -> Path:
    """A copy of a bag whose headers, of images and truth, are stamped otherwise."""
    with Reader(bag) as reader, Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            each.topic: writer.add_connection(each.topic, each.msgtype, typestore=typestore())
            for each in reader.connections
        }
        counts = dict.fromkeys(topics, 0)
        for connection, recorded, raw in reader.messages():
            changed = with_stamp(bytes(raw), stamp(counts[connection.topic]))
            counts[connection.topic] += 1
            writer.write(topics[connection.topic], recorded, changed)
    return out
