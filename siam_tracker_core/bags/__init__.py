"""Reading and writing rosbag2 bags (sqlite3 and mcap), without any ROS installation."""

from siam_tracker_core.bags.reader import BagFrame, BagReader
from siam_tracker_core.bags.writer import BagOptions, write_sequence_bag

__all__ = ["BagFrame", "BagOptions", "BagReader", "write_sequence_bag"]
