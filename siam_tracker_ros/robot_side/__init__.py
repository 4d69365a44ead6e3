"""What the tracker node does for robots beside tracking: events, positions, predicted tracks, detections."""
