"""Losses, and the labels that they compare with."""
