"""Which images are kept, by count and by memory, and what is known of them without decoding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from siam_tracker_core.errors import ImageError
from siam_tracker_ros.image_conversion import bgr_to_message
from siam_tracker_ros.node.ring import FrameRing, ReceivedImage
from siam_tracker_ros.stamps import from_nanoseconds


def received(number: int, width: int = 100, height: int = 50, max_pixels: int = 10**6) -> ReceivedImage:
    message = bgr_to_message(np.zeros((height, width, 3), np.uint8))
    message.header.stamp = from_nanoseconds(number * 10**9)
    return ReceivedImage(number, message, 0.0, max_pixels)


def test_images_are_kept_by_memory_and_by_count() -> None:
    ring = FrameRing(10, 0.1, "/image")  # 100 kB: six images of 15 kB
    for number in range(1, 9):
        ring.add(received(number))
    assert (len(ring), ring.bytes) == (6, 90_000)
    assert ring.find(0).number == 8
    ring.add(received(9, 1000, 500))  # larger than all that may be kept: it alone is
    assert (len(ring), ring.bytes) == (1, 1_500_000)
    few = FrameRing(3, 100.0, "/image")
    for number in range(1, 9):
        few.add(received(number))
    assert (len(few), few.bytes) == (3, 45_000)
    few.add(received(1))  # time jumped back
    assert (len(few), few.bytes) == (1, 15_000)


def test_a_compressed_image_stays_compressed_and_tells_its_size() -> None:
    data = cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes()
    message = CompressedImage(format="jpeg")
    message.data.frombytes(data)
    image = ReceivedImage(1, message, 0.0)
    assert (image.size, image.bytes, image.encoding) == ((320, 240), len(data), "jpeg")
    assert image.decode().shape == (240, 320, 3)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    assert received(1).decode().shape == (50, 100, 3)
    with pytest.raises(ImageError, match=r"at most 0\.0 million are accepted"):
        received(1, max_pixels=4999).decode()
