"""What trackers of several papers share: limits, boxes, responses, calibration, and the way back of a lost target."""
