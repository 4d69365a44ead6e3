"""Write the tables of docs/papers.md anew from config/experiments: ``python scripts/papers_page.py``."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.reproduction.experiments import PAPERS
from siam_tracker_core.reproduction.page import tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "papers.md"


def main() -> None:
    """Keep what stands above the first paper's section, and write the sections."""
    above = PAGE.read_text(encoding="utf-8").partition(f"## {next(iter(PAPERS.values()))}\n")[0]
    PAGE.write_text(above + tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
