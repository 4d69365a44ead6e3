"""Files as they come from the field: their order, their encodings, what they are, and how results are written."""

from siam_tracker_core.files.listing import is_hidden, natural_key, naturally
from siam_tracker_core.files.outputs import check_outputs, check_outside
from siam_tracker_core.files.text import read_text
from siam_tracker_core.files.writing import check_writable, whole_file, write_bytes, write_text

__all__ = [
    "check_outputs",
    "check_outside",
    "check_writable",
    "is_hidden",
    "natural_key",
    "naturally",
    "read_text",
    "whole_file",
    "write_bytes",
    "write_text",
]
