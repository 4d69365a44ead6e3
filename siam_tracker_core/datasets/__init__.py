"""Readers, one file a data set; each yields ``Sequence`` or ``Still``."""

from siam_tracker_core.datasets.images import read_image
from siam_tracker_core.datasets.otb_form import read_sequence, read_sequences
from siam_tracker_core.datasets.types import Sequence, Still

__all__ = ["Sequence", "Still", "read_image", "read_sequence", "read_sequences"]
