"""From tracks to directions and points: camera_info and depth in, TargetPositionArray, markers and frames out."""
