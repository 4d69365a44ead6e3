"""What takes input from outside, each as a function of bytes that raises nothing but the package's own errors."""

from __future__ import annotations

import array
import os
import struct
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siam_tracker_core.bags.reader import BagReader
from siam_tracker_core.config import read_yaml
from siam_tracker_core.datasets.coco import read_stills
from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.vot import read_regions
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.weights import read_weights
from siam_tracker_core.zoo import load_tracker
from siam_tracker_core.zoo_entries import read_entries
from siam_tracker_ros.image_conversion import SUPPORTED_ENCODINGS, bgr_to_message
from siam_tracker_ros.interfaces import SetTarget
from siam_tracker_ros.node.command_queue import check_request
from siam_tracker_ros.node.commands import Refused, SetCommand
from siam_tracker_ros.node.messages import requested_box
from siam_tracker_ros.node.ring import FrameRing, ReceivedImage
from siam_tracker_ros.node.state_file import StateFile
from siam_tracker_ros.stamps import to_nanoseconds

ENCODINGS = (*SUPPORTED_ENCODINGS, "", "32FC1", "bgr8 ", "\u00e9")


@cache
def _folder() -> Path:
    """A folder in memory, so that a million files wear no disk."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="siam_tracker_fuzz_", dir=memory if memory.is_dir() else None))


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _take(data: bytes, layout: str) -> tuple[tuple[int, ...] | tuple[float, ...], bytes]:
    size = struct.calcsize(layout)
    return struct.unpack(layout, data[:size].ljust(size, b"\0")), data[size:]


def image_message(data: bytes) -> None:
    """Fields of an Image message, and its pixels."""
    (encoding, bigendian, height, width, step), rest = _take(data, "<BBHHI")
    message = Image(
        height=int(height),
        width=int(width),
        step=int(step),
        is_bigendian=int(bigendian),
        encoding=ENCODINGS[int(encoding) % len(ENCODINGS)],
        data=array.array("B", rest),
    )
    pixels = ReceivedImage(1, message, 0.0).decode()
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8


def compressed_payload(data: bytes) -> None:
    """The data of a CompressedImage message."""
    message = CompressedImage(format="jpeg", data=array.array("B", data))
    image = ReceivedImage(1, message, 0.0, max_pixels=1_000_000)
    pixels = image.decode()
    assert pixels.shape == (image.size[1], image.size[0], 3)


@cache
def _ring() -> FrameRing:
    ring = FrameRing(4, 1, "/image")
    for number in (1, 2, 3):
        message = bgr_to_message(np.zeros((24, 32, 3), np.uint8))
        message.header.stamp = Time(sec=number)
        ring.add(ReceivedImage(number, message, 0.0))
    return ring


def set_target_request(data: bytes) -> None:
    """Every field of a SetTarget request."""
    (sec, nanosec, x, y, width, height, target_id), label = _take(data, "<iIffffI")
    request = SetTarget.Request(
        header=Header(stamp=Time(sec=int(sec), nanosec=int(nanosec))),
        x=x,
        y=y,
        width=width,
        height=height,
        id=int(target_id),
        label=label.decode(errors="replace"),
    )
    command = SetCommand(to_nanoseconds(request.header.stamp), requested_box(request), request.id, request.label)
    check_request(command, _ring(), {1, 2}, [], 3)


def boxes_file(data: bytes) -> None:
    """A file of rectangles, as OTB has them."""
    boxes = read_rectangles(_file("groundtruth_rect.txt", data))
    assert boxes.shape[1:] == (4,)


def vot_file(data: bytes) -> None:
    """A file of regions, as VOT has them."""
    read_regions(_file("groundtruth.txt", data))


def coco_file(data: bytes) -> None:
    """Annotations, as COCO has them."""
    _file("instances.json", data)
    read_stills(_folder())


def weights_file(data: bytes) -> None:
    """A file of weights, loaded as a tracker where it can be read."""
    path = _file("fuzz.safetensors", data)
    read_weights(path)
    load_tracker(path, device="cpu")


def yaml_file(data: bytes) -> None:
    """A file of settings."""
    read_yaml(_file("settings.yaml", data))


def zoo_file(data: bytes) -> None:
    """The zoo's list."""
    folder = _folder() / "zoo"
    folder.mkdir(exist_ok=True)
    (folder / "zoo.yaml").write_bytes(data)
    read_entries(folder)


def bag(data: bytes) -> None:
    """A bag in one file."""
    with BagReader(_file("fuzz.mcap", data)) as reader:
        list(reader.frames())


def state_file(data: bytes) -> None:
    """The targets that a node has saved."""
    StateFile(_file("state.json", data)).load()


ENTRIES: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        image_message,
        compressed_payload,
        set_target_request,
        boxes_file,
        vot_file,
        coco_file,
        weights_file,
        yaml_file,
        zoo_file,
        bag,
        state_file,
    )
}


def run(name: str, data: bytes) -> None:
    """Run an entry; the package's own errors are an answer, everything else is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ENTRIES[name](data)
        except (SiamTrackerError, Refused) as error:
            text = str(error)
            assert text, "an error without words"
            assert "Traceback" not in text
            assert os.linesep * 3 not in text[:500]
