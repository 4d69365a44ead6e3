"""Motion with constant velocity: where something will be, and how sure that is."""

from siam_tracker_core.motion.constant_velocity import MotionState, begin, correct, predict, surprise
from siam_tracker_core.motion.target_motion import MotionSettings, TargetMotion

__all__ = ["MotionSettings", "MotionState", "TargetMotion", "begin", "correct", "predict", "surprise"]
