"""Play a bag's images to a topic: ``ros2 run siam_tracker_ros replay BAG``.

The messages are published as they lie in the bag, so a player costs almost nothing, and their headers keep the stamps
with which ground truth was recorded.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image
from tqdm import tqdm

from siam_tracker_core.bags import BagFrame, BagReader
from siam_tracker_core.bags.types import COMPRESSED_IMAGE, SECOND, with_stamp
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_ros.command_line import HelpFormatter, Parser, positive
from siam_tracker_ros.node_process import large_data_environment
from siam_tracker_ros.qos import image_qos

_QUEUE = 5


def image_type(name: str) -> type:
    """The message class of an image topic, by the name of its type in the bag."""
    return CompressedImage if name == COMPRESSED_IMAGE else Image  # type: ignore[no-any-return]


def image_publisher(node: Node, type_name: str, topic: str) -> Publisher:
    """A publisher for a bag's images, reliable so that every subscription can hear it."""
    return node.create_publisher(image_type(type_name), topic, image_qos("reliable", _QUEUE))


def paced(
    frames: Iterable[BagFrame], rate: float = 1.0, clock: Callable[[], float] = time.monotonic
) -> Iterator[BagFrame]:
    """Yield images when they are due: the first at once, the others at the distances at which they were recorded.

    An image that is late, because the consumer took longer, comes at once, and the ones after it are due as before.

    Args:
        frames: in the order of recording.
        rate: 2.0 for twice as fast; positive.
        clock: the time in seconds.
    """
    start: float | None = None
    first = 0
    for frame in frames:
        if start is None:
            start, first = clock(), frame.recorded
        wait = start + (frame.recorded - first) / SECOND / rate - clock()
        if wait > 0:
            time.sleep(wait)
        yield frame


def play(
    reader: BagReader, publish: Callable[[bytes], None], rate: float = 1.0, loop: bool = False, stamps: str = "original"
) -> None:
    """Publish the images of a bag at its own rate, or a multiple of it.

    Args:
        reader: the open bag.
        publish: takes a serialised message.
        rate: 2.0 for twice as fast; positive.
        loop: begin again at the end, until interrupted.
        stamps: ``"original"`` for those of the bag, ``"now"`` for the time of publishing.
    """
    while True:
        for frame in tqdm(
            paced(reader.frames(), rate), total=len(reader), desc=reader.path.name, unit="image", disable=None
        ):
            shown = replace(frame, raw=with_stamp(frame.raw, time.time_ns())) if stamps == "now" else frame
            publish(shown.raw)
        if not loop:
            return


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="replay",
        description="Play the images of a rosbag2 bag (sqlite3 or mcap) to a topic.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("bag", help="folder of the bag, or its .mcap or .db3 file")
    parser.add_argument("--rate", type=positive, default=1.0, help="speed, as a multiple of the bag's own")
    parser.add_argument("--loop", action="store_true", help="begin again at the end, until Ctrl-C")
    parser.add_argument("--image-topic", default="", help="the bag's topic to play; empty: the only image topic")
    parser.add_argument("--to", default="", help="topic to publish on; empty: the one in the bag")
    parser.add_argument(
        "--stamps", choices=["original", "now"], default="original", help="stamps in the headers of the images"
    )
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="wait so long for a subscriber before starting"
    )
    return parser


def _wait_for_subscriber(publisher: Publisher, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.02)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(remove_ros_args(["replay", *given])[1:])
    os.environ.update(large_data_environment())
    context = Context()
    try:
        with BagReader(options.bag, options.image_topic) as reader:
            rclpy.init(args=given, context=context)
            node = Node("siam_tracker_replay", context=context)
            publisher = image_publisher(node, reader.image_type, options.to or reader.image_topic)
            print(f"playing {len(reader)} images of {reader.path} on {publisher.topic_name}")
            _wait_for_subscriber(publisher, options.wait)
            play(reader, publisher.publish, options.rate, options.loop, options.stamps)
            # Without this the last images may still be under way when the publisher disappears.
            publisher.wait_for_all_acked()
    except SiamTrackerError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        rclpy.try_shutdown(context=context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
