"""How often trackers go with a look-alike: ``python -m siam_tracker_core.commands.look_alikes NAMES`` (made scenes)."""

from __future__ import annotations

from jsonargparse import auto_cli

from siam_tracker_core.benchmarks.look_alikes import count_jumps, look_alike_scene
from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.zoo import load_tracker


def look_alikes(trackers: list[str], scenes: int = 20, most: int = 5) -> None:
    """Print for 1 to some look-alikes in how many scenes each tracker jumped, and its mean overlap.

    Args:
        trackers: names of the zoo or weights files.
        scenes: of each number of look-alikes.
        most: look-alikes in a scene.
    """
    made = {count: [look_alike_scene(count, seed) for seed in range(scenes)] for count in range(1, most + 1)}
    rows = []
    for name in trackers:
        tracker = load_tracker(name)
        found = [count_jumps(tracker, own) for own in made.values()]
        rows.append([name, *(f"{jumps.jumped:.0%} ({jumps.overlap:.2f})" for jumps in found)])
    print(markdown(["tracker", *(f"{count} look-alikes" for count in made)], rows))


if __name__ == "__main__":
    auto_cli(look_alikes, as_positional=True)
