"""``siam-tracker zoo``: the trained trackers."""

from __future__ import annotations

from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.weights import read_weights
from siam_tracker_core.zoo import find_weights, read_zoo


def zoo() -> None:
    """List the trained trackers that come with the package, and whether their files are whole."""
    for name, entry in read_zoo().items():
        try:
            _, metadata = read_weights(find_weights(name))
            size = f"{entry.path.stat().st_size / 1e6:.1f} MB"
            steps = metadata.get("provenance", {}).get("steps")
            print(f"{name:12} {size:>8}  {entry.description}" + (f" ({steps} steps)" if steps else ""))
        except SiamTrackerError as error:
            print(f"{name:12}          {error}")
