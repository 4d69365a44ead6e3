"""What was left out of a data set, and why: counted by reason, with the first few named."""

from __future__ import annotations

from collections import Counter, defaultdict

NAMED = 5


class Skipped:
    """Collects what a reader, or whoever uses it, could not take.

    Attributes:
        counts: how many were left out for each reason.
        names: the first few of each reason.

    Args:
        named: how many are named; all where every one needs a person.
    """

    def __init__(self, named: int = NAMED) -> None:
        self._named = named
        self.counts: Counter[str] = Counter()
        self.names: dict[str, list[str]] = defaultdict(list)

    def add(self, reason: str, name: object) -> None:
        """Leave something out.

        Args:
            reason: e.g. "image cannot be read"; equal reasons are counted together.
            name: what it was: a path, a track, a path with a line number.
        """
        self.counts[reason] += 1
        if len(self.names[reason]) < self._named:
            self.names[reason].append(str(name))

    @property
    def total(self) -> int:
        """How many were left out in all."""
        return sum(self.counts.values())

    def merge(self, other: Skipped) -> None:
        """Take over what another one collected, e.g. in another process."""
        for reason, count in other.counts.items():
            self.counts[reason] += count
            free = self._named - len(self.names[reason])
            self.names[reason] += other.names[reason][:free]

    def lines(self) -> list[str]:
        """One line for each reason, the most frequent first."""
        return [f"{count} left out: {reason} ({self._named_of(reason)})" for reason, count in self.counts.most_common()]

    def _named_of(self, reason: str) -> str:
        names = self.names[reason]
        return ", ".join(names) + (", ..." if self.counts[reason] > len(names) else "")
