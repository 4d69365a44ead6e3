"""Boxes for videos that nobody labelled: a tracker goes both ways, and only what both ways agree on is kept."""
