"""Frames from videos, folders, cameras and streams, and videos written."""

from siam_tracker_core.footage.sources import FrameSource, NumberedFrame, open_source
from siam_tracker_core.footage.writer import VideoOutput

__all__ = ["FrameSource", "NumberedFrame", "VideoOutput", "open_source"]
