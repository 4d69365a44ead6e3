"""Videos: read frame by frame and counted against their container, and written whole."""

from siam_tracker_core.footage.frames import NumberedFrame
from siam_tracker_core.footage.video import VideoFile
from siam_tracker_core.footage.writer import VideoOutput

__all__ = ["NumberedFrame", "VideoFile", "VideoOutput"]
