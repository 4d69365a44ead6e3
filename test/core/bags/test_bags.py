"""Bags: what is written is read back, whatever wrote it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_bags import FRAMES, STORAGES, image, restamped, write
from numpy.typing import NDArray
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from siam_tracker_core.bags import BagOptions, BagReader, write_sequence_bag
from siam_tracker_core.bags.types import (
    DETECTIONS,
    TARGET_EVENT,
    TRACKED_TARGET,
    TRACKED_TARGET_ARRAY,
    header_stamp,
    typestore,
)
from siam_tracker_core.bags.writer import START
from siam_tracker_core.commands.make_bag import make_bag
from siam_tracker_core.datasets.made import MadeSequence
from siam_tracker_core.errors import BagError, DatasetError, OutputError


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("compressed", ["", "png"])
def test_pixels_stamps_and_boxes_come_back(made: MadeSequence, tmp_path: Path, storage: str, compressed: str) -> None:
    bag = write(made, tmp_path / "bag", storage=storage, compressed=compressed)
    with BagReader(bag) as reader:
        assert reader.image_topic == "/camera/image_raw" + ("/compressed" if compressed else "")
        for frame, pixels in zip(reader.frames(), made.frames, strict=True):
            assert np.array_equal(frame.image(), pixels)
            assert frame.stamp == frame.recorded == START + round(frame.index * 1e9 / 30)
        np.testing.assert_allclose(reader.truth(), made.boxes, atol=1e-4)
    assert [each.name for each in tmp_path.iterdir()] == ["bag"]


def test_jpeg_is_near_and_the_storage_file_can_be_named_itself(made: MadeSequence, tmp_path: Path) -> None:
    bag = write(made, tmp_path / "bag", compressed="jpeg")
    with BagReader(bag / "bag.mcap") as reader:
        image = next(reader.frames()).image().astype(int)
    assert np.abs(image - made.frames[0]).mean() < 6


def test_the_types_are_those_of_the_message_files(repository_root: Path) -> None:
    copies = {"TrackedTarget": TRACKED_TARGET, "TrackedTargetArray": TRACKED_TARGET_ARRAY, "TargetEvent": TARGET_EVENT}
    for name, text in copies.items():
        file = repository_root / "siam_tracker_msgs" / "msg" / f"{name}.msg"
        lines = [re.sub(r"\s+", " ", line.partition("#")[0]).strip() for line in file.read_text().splitlines()]
        assert [line for line in lines if line] == text.strip().splitlines()


def test_make_bag_takes_a_folder_and_a_video(made: MadeSequence, tmp_path: Path) -> None:
    folder = made.write_otb_form(tmp_path / "sequence")
    make_bag(str(folder), str(tmp_path / "of_folder"), storage="sqlite3", rate=10.0)
    with BagReader(tmp_path / "of_folder") as reader:
        assert np.array_equal(next(reader.frames()).image(), made.frames[0])
        assert set(np.diff(reader.stamps)) == {100_000_000}
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 120))
    for frame in made.frames:
        writer.write(frame)
    writer.release()
    shutil.copy(folder / "groundtruth_rect.txt", tmp_path / "clip.txt")
    make_bag(str(video), str(tmp_path / "of_video"))
    with BagReader(tmp_path / "of_video") as reader:
        assert len(reader) == FRAMES
        assert set(np.diff(reader.stamps)) == {40_000_000}
        np.testing.assert_allclose(reader.truth(), made.boxes, atol=1e-3)
    (tmp_path / "clip.txt").write_text("1,1,5,5\n" * (FRAMES + 1))
    with pytest.raises(DatasetError, match="6 frames but there are 7 boxes"):
        make_bag(str(video), str(tmp_path / "unequal"))
    assert not (tmp_path / "unequal").exists()
    with pytest.raises(OutputError, match="lies in its own source"):
        make_bag(str(folder), str(folder / "bag"))
    with pytest.raises(OutputError, match="lies in its own source"):
        make_bag(str(video), str(video / "bag"))
    with pytest.raises(DatasetError, match=r"nothing\.mp4 does not exist"):
        make_bag(str(tmp_path / "nothing.mp4"), str(tmp_path / "none"))


def test_nothing_is_overwritten_and_nothing_half_is_left(made: MadeSequence, tmp_path: Path) -> None:
    bag = write(made, tmp_path / "bag")
    with pytest.raises(BagError, match="exists already and is not overwritten"):
        write(made, bag)

    def failing() -> Iterator[NDArray[np.uint8]]:
        yield made.frames[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sequence_bag(tmp_path / "partial", failing(), made.boxes, 30.0, progress=False)
    with pytest.raises(BagError, match="there are 2 images but 6 boxes"):
        write_sequence_bag(tmp_path / "partial", made.frames[:2], made.boxes, 30.0, progress=False)
    with pytest.raises(BagError, match="there is no image"):
        write_sequence_bag(tmp_path / "partial", [], made.boxes[:0], 30.0, progress=False)
    assert [each.name for each in tmp_path.iterdir()] == ["bag"]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(BagError, match="expected mcap or sqlite3"):
        BagOptions(storage="rosbag1")  # type: ignore[arg-type]
    with pytest.raises(BagError, match="not a topic's full name"):
        BagOptions(image_topic="camera")
    with pytest.raises(BagError, match="cannot share"):
        BagOptions(truth_topic="/camera/image_raw")


def test_truth_of_a_foreign_type_is_read_with_the_types_that_the_bag_brings(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, fields in (
        ("Point2D", "float64 x\nfloat64 y"),
        ("Pose2D", "vision_msgs/Point2D position\nfloat64 theta"),
        ("BoundingBox2D", "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y"),
        ("Detection2D", "std_msgs/Header header\nvision_msgs/BoundingBox2D bbox\nstring id"),
        ("Detection2DArray", "std_msgs/Header header\nvision_msgs/Detection2D[] detections"),
    ):
        store.register(get_types_from_msg(fields, f"vision_msgs/msg/{name}"))
    kinds: dict[str, Any] = {name.rpartition("/")[2]: kind for name, kind in store.types.items()}
    header = kinds["Header"](kinds["Time"](0, 1), "camera")
    box = kinds["BoundingBox2D"](kinds["Pose2D"](kinds["Point2D"](10.0, 20.0), 0.0), 4.0, 6.0)
    message = kinds["Detection2DArray"](header, [kinds["Detection2D"](header, box, "1")])
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic, kind, stamp, data = image(1)
        writer.write(writer.add_connection(topic, kind, typestore=typestore()), stamp, data)
        truths = writer.add_connection("/boxes", DETECTIONS, typestore=store)
        writer.write(truths, 1, store.serialize_cdr(message, DETECTIONS))
    with BagReader(tmp_path / "bag") as reader:
        assert reader.truth_topic == "/boxes"
        np.testing.assert_array_equal(reader.truth(), [[8, 17, 4, 6]])


@pytest.mark.parametrize("stamp", [lambda n: 0, lambda n: 5 * 10**9 + n // 2 * 10**6], ids=["zero", "equal"])
def test_useless_stamps_give_way_to_the_times_of_recording(
    made: MadeSequence, tmp_path: Path, stamp: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    bag = restamped(write(made, tmp_path / "bag"), tmp_path / "restamped", stamp)
    with BagReader(bag) as reader:
        assert "the times of recording are taken instead" in caplog.text
        assert np.array_equal(reader.stamps, reader.recorded)
        assert [header_stamp(frame.raw) for frame in reader.frames()] == reader.recorded.tolist()
        np.testing.assert_allclose(reader.truth(), made.boxes, atol=1e-4)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_bag_of_ros_1(made: MadeSequence, tmp_path: Path, compressed: bool) -> None:
    """Written by rosbags in ROS 1's own form."""
    store = get_typestore(Stores.ROS1_NOETIC)
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    types: dict[str, Any] = dict(store.types)
    path = tmp_path / "old.bag"
    with Ros1Writer(path) as writer:
        topic = writer.add_connection("/camera", kind, typestore=store)
        for number, pixels in enumerate(made.frames):
            stamp = types["builtin_interfaces/msg/Time"](7 + number, 5)
            header = types["std_msgs/msg/Header"](number, stamp, "camera")
            if compressed:
                message = types[kind](header, "png", cv2.imencode(".png", pixels)[1].reshape(-1))
            else:
                rows, columns = pixels.shape[:2]
                rgb = np.ascontiguousarray(pixels[..., ::-1]).reshape(-1)
                message = types[kind](header, rows, columns, "rgb8", 0, 3 * columns, rgb)
            writer.write(topic, (100 + number) * 10**9, store.serialize_ros1(message, kind))
    (tmp_path / "groundtruth_rect.txt").write_text("\n".join("1,1,4,4" for _ in made.frames))
    with BagReader(path) as reader:
        assert reader.stamps.tolist() == [(7 + number) * 10**9 + 5 for number in range(FRAMES)]
        for frame, pixels in zip(reader.frames(), made.frames, strict=True):
            assert np.array_equal(frame.image(), pixels)
            assert header_stamp(frame.raw) == frame.stamp
        assert reader.truth().shape == (FRAMES, 4)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BagError, match="cannot be read as a ROS 1 bag"):
        BagReader(path)
