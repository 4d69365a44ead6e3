"""``siam-tracker make-bag``: a sequence with boxes becomes a rosbag2 bag."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from siam_tracker_core.bags import BagOptions, write_sequence_bag
from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.datasets.video import read_video
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import check_outputs, check_outside


def make_bag(
    sequence: str,
    out: str,
    storage: Literal["mcap", "sqlite3"] = "mcap",
    image_topic: str = "/camera/image_raw",
    truth_topic: str = "/ground_truth",
    rate: float | None = None,
    compressed: Literal["", "jpeg", "png"] = "",
    boxes: str = "",
    frame_id: str = "camera",
) -> None:
    """Turn a sequence with boxes into a rosbag2 bag with the images on one topic and the ground truth on another.

    Args:
        sequence: folder in OTB's form (img/0001.jpg ... and groundtruth_rect.txt), or a video file.
        out: folder of the bag; must not exist.
        storage: format of the bag.
        image_topic: topic of the images; /compressed is added to it for compressed ones.
        truth_topic: topic of the ground truth, a siam_tracker_msgs/TrackedTargetArray with each image's stamp, empty
            where the target is absent.
        rate: images per second; by default the video's own, and 30 for a folder.
        compressed: jpeg or png for sensor_msgs/CompressedImage; empty for raw bgr8.
        boxes: for a video: file of one-based x,y,width,height lines, one a frame; by default the video's name with
            .txt, or groundtruth_rect.txt beside it.
        frame_id: frame id of all headers.
    """
    options = BagOptions(storage, image_topic, truth_topic, compressed, frame_id)
    source = Path(sequence)
    check_outside("OUT", out, source)
    check_outputs({"OUT": out}, [boxes])
    if source.is_dir():
        if boxes:
            raise DatasetError(f"{source} is a folder and has its own groundtruth_rect.txt; boxes are for a video file")
        read = read_sequence(source, 30.0 if rate is None else rate)
        images = (read.image(index) for index in range(len(read)))
        written = write_sequence_bag(out, images, read.boxes, read.rate, read.name, options)
    elif source.exists():
        video = read_video(source, boxes, rate)
        written = write_sequence_bag(out, video.images(), video.boxes, video.rate, video.name, options)
    else:
        raise DatasetError(f"{source} does not exist; expected a folder in OTB's form or a video file")
    print(f"wrote {written}")
