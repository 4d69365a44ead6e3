"""Measurements of speed: updates by backbone, by number of targets and by stage."""
