"""Bags replayed through the tracker node, and the tracks that come back scored."""
